"""Answers of `/v1/responses`, whose streams say each text up to five times."""

from __future__ import annotations

from collections.abc import Hashable

from shared.domain.catalog import ThinkingMode
from shared.wire.filtering.draft import Draft, Fields, dicts, replace_error, replace_whole
from shared.wire.filtering.gaps import Gaps
from shared.wire.filtering.readers import Measures

# What the assistant says: the type of the part, and the name of the field that holds its text.
_SAID = {"output_text": "text", "refusal": "refusal"}
_REASONING = ("response.reasoning_", "response.reasoning.")


class ResponsesReader:
    """Reads items: output text and refusals are filtered, reasoning blanked or left out.

    The whole text in the events that end a part, an item or the answer is filtered by itself, which
    gives what the pieces add up to.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._strips = measures.thinking is ThinkingMode.STRIP
        self._blanks = measures.thinking is ThinkingMode.BLANK
        self._gaps = Gaps("output_index")
        self._dropped = 0

    def event(self, draft: Draft) -> None:
        """See `AnswerReader`."""
        kind = draft.fields.get("type")
        if not isinstance(kind, str):
            return
        said = next((name for name in _SAID if kind.startswith(f"response.{name}.")), None)
        if said is not None:
            self._said(draft, said, kind)
        elif kind.startswith(_REASONING):
            draft.changed = self._blank_reasoning(draft.fields)
        elif kind == "error":
            draft.voices.close_all()
            draft.changed = replace_whole(self._measures.errors, draft.fields, "message")
            draft.changed |= replace_error(self._measures.errors, draft.fields)
        else:
            self._holders(draft)
        self._number(draft)

    def body(self, fields: Fields) -> bool:
        """See `AnswerReader`."""
        changed = replace_error(self._measures.errors, fields)
        output = dicts(fields.get("output"))
        for item in output:
            changed |= self._item(item)
        if self._strips and any(item.get("type") == "reasoning" for item in output):
            fields["output"] = [item for item in output if item.get("type") != "reasoning"]
            changed = True
        return changed

    def _said(self, draft: Draft, part: str, kind: str) -> None:
        """The next piece of a text, or all of it at its end."""
        fields = draft.fields
        if kind.endswith(".delta"):
            draft.piece(_key(fields, part), fields, "delta", fields)
        elif kind.endswith(".done"):
            draft.voices.close(_key(fields, part))
            draft.changed = replace_whole(self._measures.said, fields, _SAID[part], fields)

    def _holders(self, draft: Draft) -> None:
        """Events that hold a part, an item or the answer."""
        fields = draft.fields
        part, item, answer = fields.get("part"), fields.get("item"), fields.get("response")
        if isinstance(part, dict):
            draft.voices.close(*(_key(fields, name) for name in _SAID))
            draft.changed |= self._part(part)
        if isinstance(item, dict):
            if self._strips and item.get("type") == "reasoning":
                self._gaps.leave_out(fields.get("output_index"))
            draft.changed |= self._item(item)
        if isinstance(answer, dict):
            draft.voices.close_all()
            draft.changed |= self.body(answer)

    def _item(self, item: Fields) -> bool:
        changed = False
        for part in (*dicts(item.get("content")), *dicts(item.get("summary"))):
            changed |= self._part(part)
        return changed

    def _part(self, part: Fields) -> bool:
        kind = part.get("type")
        if kind in _SAID:
            return replace_whole(self._measures.said, part, _SAID[kind], part)
        return self._blank(part, "text") if kind in ("reasoning_text", "summary_text") else False

    def _blank_reasoning(self, fields: Fields) -> bool:
        part = fields.get("part")
        changed = [self._blank(fields, name) for name in ("delta", "text")]
        return any(changed) | (isinstance(part, dict) and self._part(part))

    def _blank(self, holder: Fields, name: str) -> bool:
        if self._blanks and holder.get(name) and isinstance(holder[name], str):
            holder[name] = ""
            return True
        return False

    def _number(self, draft: Draft) -> None:
        """Number items and events as if what is left out had never been."""
        self._gaps.close(draft)
        number = draft.fields.get("sequence_number")
        if self._dropped and isinstance(number, int):
            draft.fields["sequence_number"] = number - self._dropped
            draft.changed = True
        self._dropped += draft.dropped


def _key(fields: Fields, part: str) -> Hashable:
    return fields.get("output_index"), fields.get("content_index"), part
