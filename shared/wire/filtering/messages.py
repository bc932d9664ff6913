"""Answers of `/v1/messages`."""

from __future__ import annotations

from shared.domain.catalog import ThinkingMode
from shared.wire.filtering.draft import Draft, Fields, dicts, replace_error, replace_whole
from shared.wire.filtering.gaps import Gaps
from shared.wire.filtering.readers import Measures

_THINKING = ("thinking", "redacted_thinking")


class MessagesReader:
    """Reads blocks: text is filtered, thinking blanked or left out, all else left alone.

    Indices of blocks stay without gaps where blocks are left out.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._strips = measures.thinking is ThinkingMode.STRIP
        self._blanks = measures.thinking is ThinkingMode.BLANK
        self._gaps = Gaps("index")

    def event(self, draft: Draft) -> None:
        """See `AnswerReader`."""
        fields = draft.fields
        match fields.get("type"):
            case "error":
                draft.voices.close_all()
                draft.changed = replace_error(self._measures.errors, fields)
            case "message_start":
                self._message_start(draft)
            case "content_block_start":
                self._block_start(draft)
            case "content_block_delta":
                self._delta(draft)
            case "content_block_stop":
                draft.voices.close(fields.get("index"))
        self._gaps.close(draft)

    def body(self, fields: Fields) -> bool:
        """See `AnswerReader`."""
        changed = replace_error(self._measures.errors, fields)
        return self._blocks(fields) or changed

    def _message_start(self, draft: Draft) -> None:
        """A message may begin with blocks that an earlier answer held; later ones follow them."""
        message = draft.fields.get("message")
        if isinstance(message, dict):
            for index, block in enumerate(dicts(message.get("content"))):
                if self._strips and block.get("type") in _THINKING:
                    self._gaps.leave_out(index)
            draft.changed = self._blocks(message)

    def _blocks(self, message: Fields) -> bool:
        """Filter whole blocks."""
        content = message.get("content")
        changed = False
        for block in dicts(content):
            if block.get("type") == "text":
                changed |= replace_whole(self._measures.said, block, "text")
            changed |= self._blank(block)
        if self._strips and any(block.get("type") in _THINKING for block in dicts(content)):
            message["content"] = [b for b in dicts(content) if b.get("type") not in _THINKING]
            changed = True
        return changed

    def _block_start(self, draft: Draft) -> None:
        block, index = draft.fields.get("content_block"), draft.fields.get("index")
        if not isinstance(block, dict):
            return
        if self._strips and block.get("type") in _THINKING:
            self._gaps.leave_out(index)
        elif block.get("type") == "text":
            draft.piece(index, block, "text")
        draft.changed = self._blank(block)

    def _delta(self, draft: Draft) -> None:
        delta = draft.fields.get("delta")
        if isinstance(delta, dict):
            if delta.get("type") == "text_delta":
                draft.piece(draft.fields.get("index"), delta, "text")
            draft.changed = self._blank(delta)

    def _blank(self, holder: Fields) -> bool:
        """Empty the text of thinking, in a block or a delta; the signature stays."""
        if self._blanks and holder.get("thinking") and isinstance(holder["thinking"], str):
            holder["thinking"] = ""
            return True
        return False
