"""The models on offer: one for each behaviour that needs no figure chosen by the user; pure."""

from __future__ import annotations

from scripts.simulator.errors import encoded

NAMES = (
    "sim-echo",
    "sim-tools",
    "sim-think",
    "sim-nousage",
    "sim-gzip",
    "sim-garbage",
    "sim-empty",
    "sim-error-400",
    "sim-error-429",
    "sim-error-500",
    "sim-error-529",
    "sim-slow-2000",
    "sim-pace-50-20",
    "sim-stall-5",
    "sim-cut-5",
    "sim-break-5",
)
CREATED = 1_767_225_600
CREATED_AT = "2026-01-01T00:00:00Z"


def model_reply(name: str, *, is_anthropic: bool) -> bytes | None:
    """The list, or one model when `name` is not empty; None when it does not exist."""
    if name:
        return encoded(_entry(name, is_anthropic=is_anthropic)) if name in NAMES else None
    entries = [_entry(each, is_anthropic=is_anthropic) for each in NAMES]
    if is_anthropic:
        ends = {"has_more": False, "first_id": NAMES[0], "last_id": NAMES[-1]}
        return encoded({"data": entries, **ends})
    return encoded({"object": "list", "data": entries})


def _entry(name: str, *, is_anthropic: bool) -> dict[str, object]:
    if is_anthropic:
        title = name.replace("sim-", "Simulated ", 1)
        return {"type": "model", "id": name, "display_name": title, "created_at": CREATED_AT}
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "simulator"}
