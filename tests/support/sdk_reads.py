"""What the official SDKs read from a recorded response, in the form of `SDK_READS.json`.

Its keys are `fixtures/PROVIDER/CASE.json#TURN`. Anthropic streams are read by the beta client's
`stream` helper (`stop`, `blocks`, the first 60 characters of `text`, `usage`), bodies by `create`;
of OpenAI streams it keeps the finish reasons and the number of tool calls of each choice, and the
usage of the last chunk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai

Read = Callable[[str, int], dict[str, Any]]
TEXT_CHARS = 60
SAID: Any = [{"role": "user", "content": "x"}]


def expected_reads(material: Path) -> dict[str, dict[str, Any]]:
    """The recorded reads, by `KIND:PROVIDER/CASE#TURN`; KIND is `stream` or `body`."""
    fixtures = material / "fixtures"
    recorded = json.loads((fixtures / "SDK_READS.json").read_text(encoding="utf-8"))
    reads = {}
    for key, read in recorded.items():
        path, _, turn = key.rpartition("#")
        case = json.loads((material / path).read_text(encoding="utf-8"))
        kind = "stream" if "sse" in case["interactions"][int(turn)]["response"] else "body"
        name = path.removeprefix("fixtures/").removesuffix(".json")
        reads[f"{kind}:{name}#{turn}"] = read
    return reads


@contextmanager
def sdk_reader(
    base_url: str, key: str = "any-key", model_prefix: str = "replay:"
) -> Iterator[Read]:
    """A function from a name of `expected_reads` and a split to what the SDK reads."""
    with (
        openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0) as openai_client,
        anthropic.Anthropic(base_url=base_url, api_key=key, max_retries=0) as anthropic_client,
    ):

        def read(name: str, split: int) -> dict[str, Any]:
            kind, _, case = name.partition(":")
            model, is_stream = f"{model_prefix}{case}@{split}", kind == "stream"
            try:
                if case.startswith("anthropic/"):
                    return _read_anthropic(anthropic_client, model, is_stream)
                return _read_openai(openai_client, model, is_stream)
            except (openai.APIStatusError, anthropic.APIStatusError) as error:
                return {"error": type(error).__name__, "status": error.status_code}

        yield read


def _read_anthropic(client: anthropic.Anthropic, model: str, is_stream: bool) -> dict[str, Any]:
    if is_stream:
        with client.beta.messages.stream(model=model, max_tokens=9, messages=SAID) as stream:
            message: Any = stream.get_final_message()
    else:
        message = client.messages.create(model=model, max_tokens=9, messages=SAID)
    read: dict[str, Any] = {
        "stop": message.stop_reason,
        "blocks": [block.type for block in message.content],
        "usage": message.usage.to_dict(),
    }
    if is_stream:
        texts = [block.text for block in message.content if block.type == "text"]
        read["text"] = "".join(texts)[:TEXT_CHARS]
    return read


def _read_openai(client: openai.OpenAI, model: str, is_stream: bool) -> dict[str, Any]:
    if is_stream:
        return _read_chunks(client, model)
    whole = client.chat.completions.create(model=model, messages=SAID)
    return {
        "finish": [choice.finish_reason for choice in whole.choices],
        "tools": [len(choice.message.tool_calls or []) for choice in whole.choices],
        "usage": whole.usage.to_dict() if whole.usage else None,
    }


def _read_chunks(client: openai.OpenAI, model: str) -> dict[str, Any]:
    finish: dict[int, str | None] = {}
    calls: dict[int, set[int]] = {}
    usage = None
    for chunk in client.chat.completions.create(model=model, messages=SAID, stream=True):
        usage = chunk.usage.to_dict() if chunk.usage else None
        for choice in chunk.choices:
            finish[choice.index] = choice.finish_reason or finish.get(choice.index)
            found = calls.setdefault(choice.index, set())
            found.update(call.index for call in choice.delta.tool_calls or [])
    order = sorted(finish)
    return {
        "finish": [finish[index] for index in order],
        "tools": [len(calls[index]) for index in order],
        "usage": usage,
    }
