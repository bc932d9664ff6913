"""What `up` prints once everything answers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from portal.addresses import Addresses
from scripts.cli.demo_env import (
    ADMIN_NAME,
    ADMIN_PASSWORD,
    DEMO_KEY,
    DEMO_NAME,
    DEMO_PASSWORD,
    FILE,
)

DEMO_MODEL = "sim-echo"


def banner(addresses: Addresses, home: Path, made: Mapping[str, str], *, demo: bool) -> str:
    """Lines for the user: what to open, who to log in as, what to paste.

    Args:
        addresses: Where gateway and portal are reached.
        home: Holds demo.env.
        made: Secrets made by this start; shown this once.
        demo: Whether the simulator stands in for the providers.
    """
    lines = ["", "TrollLLM is ready.", f"  Portal   {addresses.portal}"]
    lines.append(f"  Gateway  {addresses.gateway}")
    if demo:
        lines += [
            "",
            "No upstream is configured, so a SIMULATOR answers in the providers' place: nothing",
            "leaves this machine. Its prices are examples. For real upstreams write config.json",
            "(see config.example.json) or set MAIN_TARGET_SERVER and MAIN_UPSTREAM_KEY.",
        ]
    lines += _accounts(home, made)
    lines += ["", "Try it:", f"  {curl(addresses.gateway, home, made)}"] if demo else _own_key()
    lines += ["", "Ctrl-C stops everything; the data stays.", ""]
    return "\n".join(lines)


def curl(gateway: str, home: Path, made: Mapping[str, str]) -> str:
    """A streamed chat completion with the demo key; works as pasted.

    A key made by an earlier start is not shown again: the shell takes it from demo.env.
    """
    kept = shlex.quote(str(home / FILE))
    key = made.get(DEMO_KEY) or f"$(sed -n s/^{DEMO_KEY}=//p {kept})"
    messages = [{"role": "user", "content": "Hello, who is there?"}]
    body = json.dumps({"model": DEMO_MODEL, "stream": True, "messages": messages})
    return (
        f"curl -N {gateway}/v1/chat/completions"
        f' -H "Authorization: Bearer {key}" -H "Content-Type: application/json"'
        f" -d {shlex.quote(body)}"
    )


def _accounts(home: Path, made: Mapping[str, str]) -> list[str]:
    lines = []
    for role, name, password in (
        ("Admin", ADMIN_NAME, ADMIN_PASSWORD),
        ("Demo user", DEMO_NAME, DEMO_PASSWORD),
    ):
        if password in made:
            lines.append(f"  {role}: {made[name]}, password {made[password]}")
    if DEMO_KEY in made:
        lines.append(f"  Demo key: {made[DEMO_KEY]}")
    if lines:
        return ["", f"Made just now, shown this once, kept in {home / FILE}:", *lines]
    return ["", f"Names, passwords and the demo key are in {home / FILE}."]


def _own_key() -> list[str]:
    return [
        "",
        "A first key: trollllm user create NAME --credits 5, then trollllm key create NAME;",
        "trollllm connect claude-code prints how to point a client here.",
    ]
