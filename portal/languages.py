"""Which language and which time zone a page is shown in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from zoneinfo import available_timezones

from werkzeug.datastructures import LanguageAccept

DEFAULT_LANGUAGE = "en"
DEFAULT_ZONE = "UTC"

# A new language is a catalogue under translations/ and a line here.
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "en": "English",
        "vi": "Tiếng Việt",
        "zh": "简体中文",
    }
)


def choose_language(wishes: Iterable[str | None], accept: LanguageAccept) -> str:
    """The first wish that there is a catalogue for, else the best of Accept-Language.

    Args:
        wishes: Language codes by precedence: the query, the account, the cookie.
        accept: Parsed Accept-Language.
    """
    preferred = (name.partition("-")[0].lower() for name in accept.values())
    chosen = (wish for wish in (*wishes, *preferred) if wish and wish in LANGUAGES)
    return next(chosen, DEFAULT_LANGUAGE)


def choose_zone(wish: str | None) -> str:
    """`wish` if it names a time zone of the tz database, else UTC."""
    known = wish is not None and wish in available_timezones()
    return wish if known and wish else DEFAULT_ZONE
