"""What Anthropic's models accept, told by their names.

An upstream answers 400 for what a model does not know, and the models differ by generation, so a
translation has to know which one it writes for. Generations are compared, not listed: a model that
is new follows the latest rules. A name that tells no generation gets nothing that could be refused.

| from | rule |
|---|---|
| 3.7 | `thinking` with a budget |
| 4.1 | `temperature` or `top_p`, not both |
| 4.5 | `output_config.format` |
| 4.6 | adaptive `thinking` and `output_config.effort` up to `max`; a budget is going away |
| 4.7 | no sampling parameters; effort `xhigh` |
| 5 | thinks unless told not to; which models can be told, and how, differs |
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d{1,2})(?!\d)(?:[-.](?P<minor>\d{1,2})(?!\d))?"
    r"(?:-(?P<late>[a-z]+))?"
)
_PREVIEW = "mythos-preview"
_FAMILIES_THAT_ALWAYS_THINK = ("fable", "mythos")


@dataclass(frozen=True, slots=True)
class ClaudeModel:
    """What one model accepts.

    Attributes:
        family: `opus`, `sonnet` and so on; empty when the name tells none.
        generation: Major and minor number; (0, 0) when the name tells none.
    """

    family: str
    generation: tuple[int, int]

    @property
    def known(self) -> bool:
        """Whether the name told a generation."""
        return self.generation > (0, 0)

    @property
    def takes_budget(self) -> bool:
        """Whether thinking is asked for by a budget."""
        return (3, 7) <= self.generation < (4, 6)

    @property
    def takes_effort(self) -> bool:
        """Whether thinking is adaptive and steered by an effort."""
        return self.generation >= (4, 6)

    @property
    def takes_extra_effort(self) -> bool:
        """Whether `xhigh` is one of its efforts."""
        return self.generation >= (4, 7)

    @property
    def thinks_unasked(self) -> bool:
        """Whether it thinks although nothing in the request says so."""
        return self.generation >= (5, 0) or self.family in _FAMILIES_THAT_ALWAYS_THINK

    @property
    def least_thinking(self) -> str | None:
        """The type of `thinking` that makes it think least; None when none is accepted."""
        if self.family in _FAMILIES_THAT_ALWAYS_THINK:
            return None
        if self.generation == (5, 5) and self.family == "sonnet":
            return "between_tools"
        can_stop = self.generation == (5, 0) or (self.generation, self.family) == ((5, 5), "haiku")
        return "disabled" if can_stop else None

    @property
    def takes_sampling(self) -> bool:
        """Whether it accepts `temperature` or `top_p`."""
        return self.generation < (4, 7)

    @property
    def takes_both_samplings(self) -> bool:
        """Whether it accepts `temperature` and `top_p` in one request."""
        return self.generation < (4, 1)

    @property
    def takes_schema(self) -> bool:
        """Whether it accepts `output_config.format`."""
        return self.generation >= (4, 5)


def claude_model(name: str) -> ClaudeModel:
    """The model that a name such as `anthropic/claude-opus-4.5` or `claude-3-7-sonnet` means."""
    name = name.lower()
    if _PREVIEW in name:
        return ClaudeModel("mythos", (4, 7))
    found = _NAME.search(name)
    if found is None:
        return ClaudeModel("", (0, 0))
    family = found["family"] or found["late"] or ""
    return ClaudeModel(family, (int(found["major"]), int(found["minor"] or 0)))
