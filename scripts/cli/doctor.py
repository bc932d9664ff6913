"""`trollllm doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import click

from scripts.cli import examinations as examine
from scripts.cli.examinations import Finding
from scripts.cli.output import json_option, print_json
from scripts.cli.session import MONGO_FOLDER
from shared.errors import SettingsError, TrollError
from shared.settings import Settings
from shared.store.embedded import running_uri


@click.command()
@json_option
def doctor(as_json: bool) -> int:
    """Look at settings, versions, connections, the database, the clock and the limits."""
    findings = _findings()
    if as_json:
        print_json([finding.to_json() for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{'ok ' if finding.ok else 'BAD'}  {finding.subject}: {finding.detail}")
            if not finding.ok:
                click.echo(f"     {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 1


def _findings() -> list[Finding]:
    findings = [examine.versions(), examine.open_files()]
    try:
        settings = Settings.load()
    except SettingsError as error:
        remedy = "docs/configuration.md lists names and values"
        return [*findings, *(Finding("settings", False, p, remedy) for p in error.problems)]
    findings += [
        Finding("settings", True, "all can be used"),
        examine.home(settings),
        examine.disk(settings),
        examine.configuration(settings),
        *examine.listeners(settings),
    ]
    return findings + _database(settings)


def _database(settings: Settings) -> list[Finding]:
    uri = settings.mongodb_uri or running_uri(settings.home / MONGO_FOLDER)
    if uri is None:
        detail = "none runs: `trollllm up` starts one"
        return [Finding("database", True, detail)]
    try:
        return examine.database(uri, settings)
    except TrollError as error:
        return [Finding("database", False, str(error), "is MONGODB_URI right, and mongod up?")]
