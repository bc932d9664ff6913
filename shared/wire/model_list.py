"""Models as `/v1/models` shows them, in the form of either provider, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.domain.catalog import Dialect, Model
from shared.wire.errors import invalid_request

PAGING = ("limit", "before_id", "after_id")
MAX_PAGE = 1000

# Nobody asks when a model was made, but both forms have a field for it.
CREATED_AT = 1_735_689_600
_CREATED_TEXT = "2025-01-01T00:00:00Z"


def model_object(model: Model, dialect: Dialect) -> dict[str, object]:
    """One model."""
    if dialect is Dialect.ANTHROPIC:
        return {
            "type": "model",
            "id": model.id,
            "display_name": model.id,
            "created_at": _CREATED_TEXT,
            "max_input_tokens": model.context_window,
            "max_tokens": model.max_output_tokens,
        }
    return {"id": model.id, "object": "model", "created": CREATED_AT, "owned_by": "trollllm"}


def model_list(
    models: Sequence[Model], dialect: Dialect, paging: Mapping[str, str]
) -> dict[str, object]:
    """A page of models in either form; both tell what pages need.

    Args:
        models: All of them, in order.
        dialect: Whose form.
        paging: `limit` (1 to 1000, which is the default too), and `after_id` or `before_id`: the
            models right behind or right before that one.

    Raises:
        GatewayError: 400, with the parameter at fault.
    """
    page, has_more = _page(models, paging)
    form = {"object": "list"} if dialect is Dialect.OPENAI else {}
    return {
        **form,
        "data": [model_object(model, dialect) for model in page],
        "has_more": has_more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _page(models: Sequence[Model], paging: Mapping[str, str]) -> tuple[Sequence[Model], bool]:
    """The models of a page, and whether there are more in the direction it was asked for."""
    limit = _limit(paging.get("limit"))
    if "before_id" in paging:
        if "after_id" in paging:
            raise invalid_request("Give before_id or after_id, not both.", "before_id")
        end = _place(models, "before_id", paging["before_id"])
        start = max(0, end - limit)
        return models[start:end], start > 0
    start = _place(models, "after_id", paging["after_id"]) + 1 if "after_id" in paging else 0
    return models[start : start + limit], start + limit < len(models)


def _limit(text: str | None) -> int:
    if text is None:
        return MAX_PAGE
    usable = text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_PAGE))
    if not usable or not 1 <= int(text) <= MAX_PAGE:
        raise invalid_request(f"limit: must be between 1 and {MAX_PAGE}", "limit")
    return int(text)


def _place(models: Sequence[Model], param: str, model_id: str) -> int:
    for place, model in enumerate(models):
        if model.id == model_id:
            return place
    raise invalid_request(f"{param}: must be the id of a model that is listed", param)
