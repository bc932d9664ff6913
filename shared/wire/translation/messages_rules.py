"""What becomes of each parameter of `/v1/messages` at an upstream of OpenAI's dialect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from shared.wire.translation.rules import Fate, Rule, carried, dropped, refused

_STEP = re.compile(r"\[\]|[^.\[\]]+")
_BLOCK = "messages[].content[]"

# Blocks of an assistant's history that say nothing to another model, by type.
_MUTE_BLOCKS = {
    "thinking": "signed for Anthropic's models; never put into the text",
    "redacted_thinking": "encrypted for Anthropic's models",
    "server_tool_use": "a tool that ran at Anthropic; what the assistant said of it stays",
    "mcp_tool_use": "likewise",
    "*_tool_result": "likewise: the results of such tools, which are partly encrypted",
    "mcp_tool_listing": "of servers that Anthropic calls",
    "fallback": "a mark without meaning for a model",
}

TOP_LEVEL: tuple[Rule, ...] = (
    carried("model", "becomes the upstream's name for it"),
    carried("messages", "see below"),
    carried(
        "system",
        "the first message, with the role `system`; blocks are joined without a separator, empty "
        "ones left out, and so is the line `x-anthropic-billing-header:` of Claude Code",
    ),
    carried(
        "max_tokens",
        "`max_completion_tokens`, which all current models take; at most what the model can answer",
    ),
    carried("stream", "`stream`, with `stream_options.include_usage`"),
    carried("stop_sequences", "`stop`"),
    refused("stop_sequences", "more than four: OpenAI takes no more"),
    carried(
        "temperature", "as it is; dropped for models that reason, which take their default alone"
    ),
    carried("top_p", "as `temperature`"),
    dropped("top_k", "OpenAI has no such parameter"),
    carried("tools", "functions; see below"),
    carried(
        "tool_choice",
        "`auto`, `required` for `any`, `none`, or the function for `tool`; dropped without `tools`",
    ),
    carried(
        "thinking",
        "`reasoning_effort`, for models that reason: `low` for `disabled`, for `between_tools` and "
        "for a budget under 2048, `medium` for one under 4096, `high` for a larger one; left to "
        "the model for `adaptive`. Dropped for others",
    ),
    carried("output_config", "see below"),
    carried("output_format", "as `output_config.format`, whose older name it is"),
    carried(
        "metadata",
        "`metadata.user_id` as `user`; one over 64 characters, which OpenAI refuses, as its "
        "SHA-256. Nothing else of it",
    ),
    carried("service_tier", "`standard_only` as `default`; `auto` is what OpenAI does by itself"),
    refused("mcp_servers", "servers that Anthropic would call"),
    refused("compaction", "asks for a summary in a form that OpenAI's models do not have"),
    dropped("cache_control", "OpenAI caches by itself"),
    dropped("context_management", "OpenAI does not edit or summarise a context"),
    dropped("thread", "nothing is stored; only `create` comes this far"),
    dropped("speed", "only `standard` comes this far"),
    dropped("inference_geo", "only `global` comes this far"),
    dropped("diagnostics", "nothing is known of an earlier request"),
    dropped("billing_policy", "this gateway bills"),
    dropped("betas", "and `anthropic-beta`: features of Anthropic's own"),
)

NESTED: tuple[Rule, ...] = (
    carried(
        "messages[].role",
        "`system` within the conversation keeps its role and its place, but for answers of tools, "
        "which come right after their calls",
    ),
    carried("messages[].clear_at", "a message of the system that is cleared is left out"),
    dropped("messages[].output_config", "OpenAI has one effort for a request"),
    carried("messages[].content", "one text as a string, several as parts"),
    *(dropped(f"{_BLOCK}: {kind}", note) for kind, note in _MUTE_BLOCKS.items()),
    carried(f"{_BLOCK}: compaction", "its summary, as text"),
    carried(f"{_BLOCK}: image", "`image_url`: a data URI for `base64`, the address for `url`"),
    carried(
        f"{_BLOCK}: document",
        "`file` for `base64`, named by the title; text for `text` and `content`",
    ),
    refused(f"{_BLOCK}: document", "with a `url`: files have to be in the request"),
    carried(f"{_BLOCK}: search_result", "text: title, source and contents"),
    refused(f"{_BLOCK}: tool_addition", "tools that change within a conversation"),
    refused(f"{_BLOCK}: tool_removal", "likewise"),
    carried(f"{_BLOCK}: tool_use", "`tool_calls[]`; see below for ids"),
    carried(
        f"{_BLOCK}: tool_result",
        'a message with the role `tool`, before all else of its turn; empty content is `""`; texts '
        "are joined by line breaks. Images and files follow in a message of the user, each group "
        "after a line that names its call. With `is_error` the text begins `[The tool failed.]`",
    ),
    carried(f"{_BLOCK}: tool_reference", "in a tool's result: a line that names the tool"),
    dropped("messages[].content[].cache_control", "OpenAI caches by itself"),
    dropped("messages[].content[].citations", "OpenAI does not cite documents"),
    dropped("messages[].content[].transformations", "OpenAI has no such parameter"),
    dropped("system[].cache_control", "OpenAI caches by itself"),
    carried(
        "messages[-1]",
        "an answer begun for the assistant goes on as its message, without white space at its end. "
        "OpenAI's models answer after it: they do not continue it",
    ),
    carried("tools[].name", "as it is"),
    carried("tools[].description", "as it is"),
    carried("tools[].input_schema", "`parameters`, unchanged"),
    carried(
        "tools[].strict", "where the schema is one that OpenAI can hold a model to; else dropped"
    ),
    refused(
        "tools[].type",
        "other than `custom`: tools that run at Anthropic, and `bash_…`, `text_editor_…`, "
        "`computer_…`, `memory_…` and the like, whose form only Anthropic's models know",
    ),
    dropped("tools[].cache_control", "OpenAI caches by itself"),
    dropped("tools[].defer_loading", "every tool is there from the start"),
    dropped("tools[].eager_input_streaming", "OpenAI streams arguments as they come"),
    dropped("tools[].allowed_callers", "no code runs upstream that could call"),
    dropped("tools[].input_examples", "OpenAI has no such parameter"),
    carried(
        "tool_choice.disable_parallel_tool_use",
        "`parallel_tool_calls: false`; left out for the o-series, which calls one at a time anyway "
        "and refuses to be told",
    ),
    carried(
        "output_config.format",
        "`response_format`, with `strict` where the schema is one that OpenAI can hold a model to",
    ),
    carried(
        "output_config.effort",
        "`reasoning_effort`, for models that reason, unless thinking is `disabled`; `high` for "
        "`xhigh` and `max`. Dropped for others",
    ),
    dropped("output_config.task_budget", "OpenAI has no such parameter"),
)


RULES = (*TOP_LEVEL, *NESTED)


def is_mute(kind: str) -> bool:
    """Whether blocks of this type in an assistant's history are left out."""
    return any(fnmatchcase(kind, pattern) for pattern in _MUTE_BLOCKS)


def left_out_within(body: dict[str, Any], rules: Sequence[Rule] = NESTED) -> tuple[str, ...]:
    """Parameters below the top level that a body has and a rule drops.

    What stands behind a colon is a pattern for the type of the object.
    """
    names = (rule.parameter for rule in rules if rule.fate is Fate.DROPPED)
    return tuple(name for name in names if _has(body, name))


def _has(body: dict[str, Any], parameter: str) -> bool:
    path, _, kind = parameter.partition(": ")
    return _reaches(body, _STEP.findall(path) + (["type"] if kind else []), kind or "*")


def _reaches(value: Any, steps: list[str], pattern: str) -> bool:
    if value is None:
        return False
    if not steps:
        return pattern == "*" or (isinstance(value, str) and fnmatchcase(value, pattern))
    if steps[0] == "[]":
        return isinstance(value, list) and any(_reaches(v, steps[1:], pattern) for v in value)
    return isinstance(value, dict) and _reaches(value.get(steps[0]), steps[1:], pattern)
