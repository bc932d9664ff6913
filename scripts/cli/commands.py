"""The subcommands, by name; each is imported when it is used, so that `--help` is quick."""

from __future__ import annotations

import importlib

import click

# name: (module, attribute, what it does in one line)
SUBCOMMANDS = {
    "up": ("up", "up", "Start everything in the foreground."),
    "gateway": ("serve", "gateway", "The gateway alone."),
    "portal": ("serve", "portal", "The portal alone."),
    "housekeeping": ("serve", "housekeeping", "Sweeper of lost holds: one leased process."),
    "simulator": ("serve", "simulator", "An upstream to try things with, on loopback."),
    "connect": ("connect", "connect", "Print the lines that point a client here."),
    "check-config": ("check_config", "check_config", "Check config.json."),
    "user": ("users", "user", "Accounts."),
    "key": ("keys", "key", "API keys."),
    "pool": ("pools", "pool", "Upstream keys."),
    "topup": ("users", "topup", "Add credits to an account."),
    "bill": ("bills", "bill", "Receipts."),
    "ledger": ("bills", "ledger", "The books."),
    "doctor": ("doctor", "doctor", "What is wrong here, and what to do about it."),
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Names, in the order of the table."""
        return list(SUBCOMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Import one subcommand."""
        entry = SUBCOMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"scripts.cli.{entry[0]}")
        command: click.Command = getattr(module, entry[1])
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """List subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[2]) for name, entry in SUBCOMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trollllm")
def trollllm() -> None:
    """One key for every model: gateway, portal and their books."""
