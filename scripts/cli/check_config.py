"""`trollllm check-config`: every fault of config.json at once."""

from __future__ import annotations

from pathlib import Path

import click

from scripts.cli.output import json_option, print_json
from shared.catalog.loading import load_catalog_file
from shared.errors import ConfigError
from shared.settings import Settings, environment


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@json_option
def check_config(path: Path | None, as_json: bool) -> int:
    """Check the file PATH, by default that of CONFIG_PATH. Prints every error with its path."""
    settings = Settings.load()
    file = path or settings.config_path
    if not file.is_file():
        raise click.ClickException(f"{file} does not exist: config.example.json shows one")
    try:
        catalog = load_catalog_file(file, settings, environment())
    except ConfigError as error:
        if as_json:
            faults = [{"path": fault.path, "message": fault.message} for fault in error.faults]
            print_json({"ok": False, "errors": faults})
            return 1
        raise
    if as_json:
        listed = sorted(model.id for model in catalog.models.values() if model.listed)
        print_json({"ok": True, "errors": [], "models": listed, "notes": list(catalog.notes)})
        return 0
    for note in catalog.notes:
        click.echo(f"note: {note}")
    click.echo(f"{file} is fine")
    return 0
