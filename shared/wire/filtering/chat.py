"""Answers of `/v1/chat/completions`."""

from __future__ import annotations

from shared.domain.catalog import ThinkingMode
from shared.wire.filtering.draft import Draft, Fields, dicts, replace_error, replace_whole
from shared.wire.filtering.readers import Measures

# Thinking as one text, and as blocks that may be signed: there is no standard.
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text")
_THOUGHT_BLOCKS = ("thinking_blocks", "reasoning_details")
_BLOCK_TEXTS = ("thinking", "text", "summary")
_SAID = ("content", "refusal")


class ChatReader:
    """Reads choices: content and refusal are filtered, arguments of tools never."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def event(self, draft: Draft) -> None:
        """See `AnswerReader`."""
        if draft.fields.get("error"):
            draft.voices.close_all()
            draft.changed = replace_error(self._measures.errors, draft.fields)
        for choice in dicts(draft.fields.get("choices")):
            delta = choice.get("delta")
            if isinstance(delta, dict):
                draft.changed |= self._thoughts(delta)
                _pieces(draft, choice, delta)
            if choice.get("finish_reason") is not None or _calls(delta):
                draft.voices.close(*((choice.get("index"), name) for name in _SAID))

    def body(self, fields: Fields) -> bool:
        """See `AnswerReader`."""
        changed = replace_error(self._measures.errors, fields)
        for choice in dicts(fields.get("choices")):
            message = choice.get("message")
            if isinstance(message, dict):
                changed |= self._thoughts(message)
                changed |= self._message(choice, message)
        return changed

    def _message(self, choice: Fields, message: Fields) -> bool:
        rules, changed = self._measures.said, False
        for name in _SAID:
            changed |= replace_whole(rules, message, name, choice)
        for part in dicts(message.get("content")):
            changed |= replace_whole(rules, part, _text_of(part), choice)
        return changed

    def _thoughts(self, holder: Fields) -> bool:
        """Blank or leave out thinking, also where a proxy repeats it."""
        if self._measures.thinking is ThinkingMode.KEEP:
            return False
        strips = self._measures.thinking is ThinkingMode.STRIP
        changed = _strip(holder) if strips else _blank(holder)
        extra = holder.get("provider_specific_fields")
        return self._thoughts(extra) or changed if isinstance(extra, dict) else changed


def _pieces(draft: Draft, choice: Fields, delta: Fields) -> None:
    index = choice.get("index")
    for name in _SAID:
        draft.piece((index, name), delta, name, choice)
    for part in dicts(delta.get("content")):
        draft.piece((index, "content"), part, _text_of(part), choice)


def _text_of(part: Fields) -> str:
    """Name of the field that holds the text of a part of content."""
    return "refusal" if part.get("type") == "refusal" else "text"


def _calls(delta: object) -> bool:
    """Whether tools are called, which ends a text: their arguments are not to wait for it."""
    return isinstance(delta, dict) and bool(delta.get("tool_calls") or delta.get("function_call"))


def _strip(holder: Fields) -> bool:
    names = [name for name in (*_THOUGHTS, *_THOUGHT_BLOCKS) if name in holder]
    for name in names:
        del holder[name]
    return bool(names)


def _blank(holder: Fields) -> bool:
    blocks = [block for name in _THOUGHT_BLOCKS for block in dicts(holder.get(name))]
    texts = [(holder, name) for name in _THOUGHTS]
    texts += [(block, name) for block in blocks for name in _BLOCK_TEXTS]
    full = [(one, name) for one, name in texts if one.get(name) and isinstance(one[name], str)]
    for one, name in full:
        one[name] = ""
    return bool(full)
