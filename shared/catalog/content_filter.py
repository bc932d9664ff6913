"""`contentFilter` of config.json."""

from __future__ import annotations

from shared.catalog.section import Section
from shared.domain.catalog import FilterRule, FilterSpec, ThinkingMode
from shared.wire.filtering.rules import PatternError, RuleSet, compile_rule

_MODES = tuple(mode.value for mode in ThinkingMode)


def read_content_filter(root: Section) -> FilterSpec:
    """The filter, its patterns tried; every fault is noted."""
    section = root.section("contentFilter")
    section.known("replace", "thinking")
    mode = section.choice("thinking", _MODES, None) or ThinkingMode.KEEP
    read = [_read_rule(rule) for rule in section.sections("replace")]
    rules = tuple(rule for rule in read if rule is not None)
    try:
        RuleSet(rules)
    except PatternError as error:
        section.fault("replace", f"all rules together: {error}")
    return FilterSpec(rules, ThinkingMode(mode))


def _read_rule(section: Section) -> FilterRule | None:
    section.known("find", "with", "regex")
    find, replacement = section.fields.get("find"), section.fields.get("with")
    if not isinstance(find, str) or not find:
        section.fault("find", "must be a string that is not empty")
    if not isinstance(replacement, str):
        section.fault("with", "must be a string")
    regex = section.boolean("regex", default=False)
    if not isinstance(find, str) or not find:
        return None
    rule = FilterRule(find, replacement if isinstance(replacement, str) else "", regex)
    try:
        compile_rule(rule)
    except PatternError as error:
        section.fault("find", str(error))
        return None
    return rule
