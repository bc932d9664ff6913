"""Sentences of the domain's rules in the reader's language."""

from __future__ import annotations

from flask_babel import gettext as _

# Listed for the catalogues; a test holds them equal to what the rules say.
DOMAIN_FAULTS = (
    lambda: _("a password has at least 10 characters"),
    lambda: _("a password has at most 1024 characters"),
    lambda: _("a password must not be the user name"),
    lambda: _("this password is among the most common ones"),
    lambda: _(
        "a user name has 3 to 32 characters of a-z, 0-9, _ and -, and starts with a letter or digit"
    ),
    lambda: _("this user name is reserved"),
)


def sentence(fault: str) -> str:
    """A rule's sentence, translated, as a sentence of its own."""
    text = str(_(fault))
    return str(_("%(fault)s.", fault=text[:1].upper() + text[1:]))
