"""Message catalogues of the portal: extract, update, compile, check, init."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "translations"
TEMPLATE = FOLDER / "messages.pot"
SOURCE_LANGUAGE = "en"
_KEYWORDS = DEFAULT_KEYWORDS | {"_l": None}
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def languages() -> list[str]:
    """Languages that have a catalogue."""
    return sorted(path.parts[-3] for path in FOLDER.glob("*/LC_MESSAGES/messages.po"))


def po_path(language: str) -> Path:
    """Catalogue of a language."""
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


def extracted() -> Catalog:
    """Every message that code and templates mark now."""
    with (FOLDER / "babel.cfg").open() as config:
        methods, options = parse_mapping_cfg(config)  # type: ignore[no-untyped-call]
    catalog = _new_catalog()
    for name, _line, message, _comments, context in extract_from_dir(
        PROJECT,
        methods,
        options,
        keywords=_KEYWORDS,
        directory_filter=lambda folder: _is_ours(str(folder)),
    ):
        catalog.add(message, locations=[(name, 0)], context=context)
    return catalog


def extract() -> None:
    """Write messages.pot, unless it says the same already."""
    found = extracted()
    if TEMPLATE.exists() and _ids(_read(TEMPLATE)) == _ids(found):
        return
    _write(TEMPLATE, found)


def update(language: str) -> None:
    """Bring one catalogue to messages.pot: new ones empty, gone ones dropped."""
    template, path = _read(TEMPLATE), po_path(language)
    catalog = _read(path, language)
    catalog.update(template, no_fuzzy_matching=True, update_header_comment=False)
    catalog.obsolete.clear()
    if language == SOURCE_LANGUAGE:
        for message in _messages(catalog):
            message.string = message.id
    _write(path, catalog)


def init(language: str) -> None:
    """Start the catalogue of a new language, all messages empty."""
    path = po_path(language)
    if path.exists():
        raise click.ClickException(f"{path} exists already")
    path.parent.mkdir(parents=True)
    catalog = _new_catalog(language)
    catalog.update(_read(TEMPLATE), no_fuzzy_matching=True)
    _write(path, catalog)


def compiled(language: str) -> bytes:
    """What messages.mo of a language must hold."""
    buffer = io.BytesIO()
    write_mo(buffer, _read(po_path(language), language))
    return buffer.getvalue()


def problems() -> Iterator[str]:
    """What is missing, fuzzy, stale or wrong; nothing when all is well."""
    found = _ids(extracted())
    if _ids(_read(TEMPLATE)) != found:
        yield "messages.pot is stale: run scripts/i18n"
    for language in languages():
        yield from _problems_of(language, found)


def _problems_of(language: str, found: set[str]) -> Iterator[str]:
    path = po_path(language)
    catalog = _read(path, language)
    for name in sorted(found ^ _ids(catalog)):
        yield f"{language}: {'missing' if name in found else 'stale'}: {name!r}"
    for message in _messages(catalog):
        fault = _fault(message)
        if fault:
            yield f"{language}: {fault}: {message.id!r}"
    if catalog.obsolete:
        yield f"{language}: obsolete messages are kept: run scripts/i18n"
    mo_path = path.with_suffix(".mo")
    if not mo_path.exists() or mo_path.read_bytes() != compiled(language):
        yield f"{language}: messages.mo is stale: run scripts/i18n"


def _fault(message: Message) -> str | None:
    ids, strings = _forms(message.id), _forms(message.string)
    if not all(strings):
        return "not translated"
    if message.fuzzy:
        return "fuzzy"
    wanted = set().union(*(_PLACEHOLDER.findall(text) for text in ids))
    if any(set(_PLACEHOLDER.findall(text)) - wanted for text in strings):
        return "unknown placeholder"
    if not wanted <= set(_PLACEHOLDER.findall(strings[-1])):
        return "placeholder missing"
    return None


def _forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    """Singular and plurals of a message."""
    return (text or "",) if text is None or isinstance(text, str) else tuple(text)


def _is_ours(folder: str) -> bool:
    return not Path(folder).name.startswith((".", "_")) and "static" not in Path(folder).parts


def _new_catalog(language: str | None = None) -> Catalog:
    return Catalog(
        locale=language,
        project="TrollLLM",
        version="portal",
        header_comment="# Messages of the TrollLLM portal.",
        fuzzy=False,
    )


def _read(path: Path, language: str | None = None) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _write(path: Path, catalog: Catalog) -> None:
    catalog.last_translator = catalog.language_team = catalog.msgid_bugs_address = ""
    catalog.revision_date = catalog.creation_date
    with path.open("wb") as file:
        write_po(file, catalog, width=100, include_lineno=False, sort_output=True)


def _messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def _ids(catalog: Catalog) -> set[str]:
    return {repr((message.context, message.id)) for message in _messages(catalog)}


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Extract, update and compile the catalogues, then check them."""
    if context.invoked_subcommand is None:
        context.invoke(extract_command)
        context.invoke(update_command)
        context.invoke(compile_command)
        context.invoke(check_command)


@main.command("extract")
def extract_command() -> None:
    """Collect marked messages into messages.pot."""
    extract()


@main.command("update")
def update_command() -> None:
    """Bring every catalogue to messages.pot."""
    for language in languages():
        update(language)


@main.command("compile")
def compile_command() -> None:
    """Write every messages.mo."""
    for language in languages():
        po_path(language).with_suffix(".mo").write_bytes(compiled(language))


@main.command("check")
def check_command() -> None:
    """Fail on a missing, fuzzy or stale message."""
    found = list(problems())
    for problem in found:
        click.echo(problem, err=True)
    if found:
        sys.exit(1)


@main.command("init")
@click.argument("language")
def init_command(language: str) -> None:
    """Start the catalogue of LANGUAGE, such as `fr`; then add its line to portal/languages.py."""
    init(language)
    click.echo(f"{po_path(language)}: translate it, add the language to portal/languages.py")


if __name__ == "__main__":
    main()
