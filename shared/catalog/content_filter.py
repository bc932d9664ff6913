"""Structure of `contentFilter` in config.json."""

from __future__ import annotations

import re

from shared.catalog.section import Section

THINKING_MODES = ("pass", "blank", "strip")


def check_content_filter(root: Section) -> None:
    """Note every fault of the filter: unknown keys, patterns that are none, unknown modes."""
    section = root.section("contentFilter")
    section.known("replace", "thinking")
    section.choice("thinking", THINKING_MODES, "pass")
    for rule in section.sections("replace"):
        _check_rule(rule)


def _check_rule(rule: Section) -> None:
    rule.known("find", "with", "regex")
    find = rule.fields.get("find")
    if not isinstance(find, str) or not find:
        rule.fault("find", "must be a string that is not empty")
    if not isinstance(rule.fields.get("with"), str):
        rule.fault("with", "must be a string")
    if rule.boolean("regex", default=False) and isinstance(find, str):
        try:
            re.compile(find)
        except re.error as error:
            rule.fault("find", f"is no regular expression: {error}")
