"""What every page needs beside its own content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from flask import current_app, request
from flask_babel import get_locale
from flask_babel import lazy_gettext as _l
from werkzeug.exceptions import HTTPException

from portal.formats import zone_name
from portal.languages import DEFAULT_LANGUAGE, LANGUAGES
from portal.services import services

_HTML_LANGUAGES = {"zh": "zh-CN"}


class MenuItem(NamedTuple):
    """One entry of the menu of those who are signed in."""

    blueprint: str
    icon: str
    label: Any

    @property
    def endpoint(self) -> str:
        """Where it leads."""
        return f"{self.blueprint}.index"


MENU = (
    MenuItem("dashboard", "speedometer2", _l("Dashboard")),
    MenuItem("api_keys", "key", _l("API keys")),
    MenuItem("logs", "arrow-left-right", _l("Requests")),
)


@dataclass(frozen=True, slots=True)
class Page:
    """Facts of the page being made, for the layout.

    Attributes:
        language: Code of a catalogue.
        html_lang: The same as browsers know it.
        languages: Code to own name.
        zone: Time zone of the times shown.
        path: Path and query of this page, to come back to.
        gateway: Address that API clients are pointed at.
        signup_open: Whether a stranger may register.
        invite_only: Whether that takes a referral code.
        log_days: How long request logs are kept.
        menu: Entries for those who are signed in.
    """

    language: str
    html_lang: str
    languages: dict[str, str]
    zone: str
    path: str
    gateway: str
    signup_open: bool
    invite_only: bool
    log_days: int
    menu: tuple[MenuItem, ...] = MENU


def page_context() -> dict[str, Page]:
    """Context processor: `page` in every template."""
    own = services()
    language = str(get_locale() or DEFAULT_LANGUAGE)
    return {
        "page": Page(
            language=language,
            html_lang=_HTML_LANGUAGES.get(language, language),
            languages=dict(LANGUAGES),
            zone=zone_name(),
            path=_path(),
            gateway=own.addresses.gateway,
            signup_open=own.settings.signup != "closed",
            invite_only=own.settings.signup == "invite",
            log_days=own.settings.log_days,
        )
    }


def _path() -> str:
    """This page, less the wish for a language; the start page where it cannot be fetched."""
    try:
        current_app.url_map.bind("").match(request.path, method="GET")
    except HTTPException:
        return "/"
    query = [(k, v) for k, v in request.args.items(multi=True) if k != "lang"]
    return f"{request.path}?{urlencode(query)}" if query else request.path
