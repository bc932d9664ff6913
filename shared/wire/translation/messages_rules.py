"""What becomes of each parameter of `/v1/messages` at an upstream of OpenAI's dialect."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from shared.wire.fields import Fields
from shared.wire.translation.rules import Fate, Rule, carried, dropped, refused

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


def left_out_within(body: Fields, rules: Sequence[Rule] = NESTED) -> tuple[str, ...]:
    """Parameters below the top level that a body has and a rule drops.

    What stands behind a colon is a pattern for the type of the object. A body may hold hundreds of
    thousands of objects, so those at one path are gathered once.
    """
    paths = {
        rule.parameter: _holder_and_name(rule.parameter)
        for rule in rules
        if rule.fate is Fate.DROPPED
    }
    gathered = {holder: _Objects(_at(body, holder)) for holder, _ in paths.values()}
    return tuple(
        parameter
        for parameter, (holder, name) in paths.items()
        if (gathered[holder].has_kind if ": " in parameter else gathered[holder].has)(name)
    )


class _Objects:
    """Objects that stand at one path."""

    def __init__(self, objects: list[Fields]) -> None:
        self._objects = objects
        self._names: set[str] = set().union(*objects)
        self._kinds = {kind for each in objects if isinstance(kind := each.get("type"), str)}

    def has(self, name: str) -> bool:
        return name in self._names and any(each.get(name) is not None for each in self._objects)

    def has_kind(self, pattern: str) -> bool:
        return any(fnmatchcase(kind, pattern) for kind in self._kinds)


def _holder_and_name(parameter: str) -> tuple[str, str]:
    holder, colon, kind = parameter.partition(": ")
    if colon:
        return holder, kind
    holder, _, name = parameter.rpartition(".")
    return holder, name


def _at(body: Fields, path: str) -> list[Fields]:
    """Objects at a path such as `output_config` or `messages[].content[]`."""
    if not path:
        return [body]
    holder, _, name = path.removesuffix("[]").rpartition(".")
    found = [each[name] for each in _at(body, holder) if name in each]
    if path.endswith("[]"):
        found = [item for items in found if isinstance(items, list) for item in items]
    return [each for each in found if isinstance(each, dict)]
