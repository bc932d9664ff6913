"""What becomes of each parameter of a request, as tables that code and documentation share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Fate(StrEnum):
    """What becomes of a parameter."""

    CARRIED = "carried"
    DROPPED = "dropped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule for one parameter, or for some of its values.

    Attributes:
        parameter: Path in the client's dialect, such as `temperature` or `messages[].name`.
        fate: What becomes of it.
        note: What it becomes, or why it is dropped or refused, for users; Markdown.
    """

    parameter: str
    fate: Fate
    note: str


def carried(parameter: str, note: str) -> Rule:
    """A rule for what goes upstream in another form, or in the same."""
    return Rule(parameter, Fate.CARRIED, note)


def dropped(parameter: str, note: str) -> Rule:
    """A rule for what is left out."""
    return Rule(parameter, Fate.DROPPED, note)


def refused(parameter: str, note: str) -> Rule:
    """A rule for what is answered with a 400."""
    return Rule(parameter, Fate.REFUSED, note)


def left_out(body: Mapping[str, Any], rules: Sequence[Rule]) -> tuple[str, ...]:
    """Names of top-level parameters that are dropped: by a rule, or for want of one.

    Null is the same as absent. The names come as the client gave them, in its order.
    """
    known = {rule.parameter for rule in rules if rule.fate is not Fate.DROPPED}
    return tuple(name for name, value in body.items() if value is not None and name not in known)


def table(rules: Iterable[Rule]) -> str:
    """The rules as a table in Markdown."""
    rows = (f"| `{rule.parameter}` | {rule.fate} | {rule.note} |" for rule in rules)
    return "\n".join(("| parameter | is | how, or why |", "|---|---|---|", *rows))


def with_table(page: str, name: str, rules: Iterable[Rule]) -> str:
    """A page in which what stands between the comments `NAME` and `end of NAME` is the table.

    Raises:
        ValueError: The page has no such comments.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no comments for {name}")
    return pattern.sub(lambda _: f"{begin}\n{table(rules)}\n{end}", page)
