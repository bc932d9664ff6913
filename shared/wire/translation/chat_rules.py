"""What becomes of each parameter of `/v1/chat/completions` at Anthropic's upstreams."""

from __future__ import annotations

from shared.wire.translation.rules import Rule, carried, dropped, refused

_NO_SUCH = "Anthropic has no such parameter"

TOP_LEVEL: tuple[Rule, ...] = (
    carried("model", "becomes the upstream's name for it"),
    carried("messages", "see below"),
    carried(
        "max_completion_tokens",
        "`max_tokens`, at most what the model can answer; without it that is the limit",
    ),
    carried("max_tokens", "as `max_completion_tokens`, which goes first"),
    carried("stream", "as it is"),
    carried("stream_options", "`include_usage` decides whether you see the usage chunk"),
    carried("stop", "`stop_sequences`; blank ones, which Anthropic refuses, are left out"),
    carried(
        "temperature",
        "over 1 becomes 1; dropped while the model thinks and for models from 4.7 on, which take "
        "none; refused when negative",
    ),
    carried(
        "top_p",
        "as `temperature`; models from 4.1 on take one of the two: `temperature` stays unless it "
        "is 1, the default",
    ),
    dropped("top_k", "no parameter of this dialect"),
    refused("n", "other than 1: an upstream gives one answer"),
    carried("tools", "see below"),
    carried(
        "tool_choice",
        "`auto`, `none`, `any` for `required`, `tool` for a function; of `allowed_tools` the "
        "tools that are allowed go upstream alone; refused when it demands a tool and there is "
        "none",
    ),
    carried(
        "parallel_tool_calls",
        "`false` is `disable_parallel_tool_use`; means nothing without `tools`",
    ),
    refused("functions", "replaced by `tools`: the answer would hold `tool_calls`"),
    refused("function_call", "replaced by `tool_choice`"),
    carried(
        "reasoning_effort",
        "for models from 4.6 on `output_config.effort`, with adaptive thinking (`minimal` is "
        "`low`, `xhigh` before 4.7 `high`); from 3.7 on a budget of 1024 tokens for `low`, 2048 "
        "for `medium`, 4096 for `high`, 8192 beyond, below `max_tokens`; `none` turns thinking "
        "off, or as low as the model lets it. Dropped where it cannot be: by older models, with "
        "`max_tokens` up to 1024, with a budget when a tool is forced, when the last message is "
        "the assistant's, and when you send tool calls back without the thinking that led to them",
    ),
    carried(
        "response_format",
        "a JSON schema is `output_config.format` for models from 4.5 on, and objects in it take "
        "no properties that they do not name; for older models, and for `json_object`, the system "
        "prompt asks for the form, which is no guarantee",
    ),
    carried("user", "`metadata.user_id`"),
    carried("safety_identifier", "as `user`, which goes first"),
    carried("service_tier", "`auto`, or `standard_only` for `default`; others have no price here"),
    dropped("metadata", "labels of stored answers; nothing is stored"),
    dropped("store", "nothing is stored"),
    dropped("logprobs", _NO_SUCH),
    dropped("top_logprobs", _NO_SUCH),
    dropped("logit_bias", _NO_SUCH),
    dropped("presence_penalty", _NO_SUCH),
    dropped("frequency_penalty", _NO_SUCH),
    dropped("seed", f"{_NO_SUCH}; even OpenAI only tries to repeat itself"),
    dropped("prediction", "only makes an answer faster"),
    dropped("verbosity", _NO_SUCH),
    dropped("modalities", "text is what there is; others are refused"),
    dropped("prompt_cache_key", "Anthropic caches where `cache_control` stands"),
    dropped("prompt_cache_retention", "Anthropic caches where `cache_control` stands"),
    dropped("thinking", "no parameter of this dialect: use `reasoning_effort`"),
    refused("audio", "sound has no price here"),
    refused("web_search_options", "has no price here"),
)

NESTED: tuple[Rule, ...] = (
    carried(
        "messages[].role",
        "`system` and `developer` go to the system prompt, in their order, late ones too; "
        "messages of one side in a row become one turn, in which answers of tools come first. "
        "Refused without any other message",
    ),
    refused("messages[].role: function", "replaced by `tool`"),
    carried(
        "messages[].content",
        "blocks; blank text is left out; a user's turn without any content is refused. Blanks at "
        "the end of a last message of the assistant, which the answer continues, are cut off; "
        "models from 4.6 on refuse such a message",
    ),
    carried(
        "messages[].content[]: image_url",
        "a data: URI in base64 (JPEG, PNG, GIF, WebP; what the bytes say goes before what the URI "
        "says) or an HTTP URL, which Anthropic fetches; PDF becomes a document",
    ),
    dropped("messages[].content[].image_url.detail", "Anthropic chooses itself"),
    carried(
        "messages[].content[]: file",
        "a data: URI of a PDF or of text, or the URL of a PDF, as a document titled by its name",
    ),
    carried("messages[].content[]: refusal", "text of the assistant"),
    refused("messages[].content[]: input_audio", "sound has no price here"),
    dropped("messages[].name", "Anthropic has no names for participants"),
    carried("messages[].refusal", "text of the assistant, when there is no other"),
    carried(
        "messages[].thinking_blocks",
        "thinking with its signature, as an answer of the gateway brought it, or among the parts "
        "of `content`; without a signature it is left out",
    ),
    dropped("messages[].reasoning_content", "without a signature nothing can be done with it"),
    carried(
        "messages[].tool_calls[]",
        "`tool_use`; ids are changed where Anthropic does not take them; arguments that are no "
        "JSON object are refused",
    ),
    refused("messages[].tool_calls[]: custom", "see `tools[]: custom`"),
    refused("messages[].function_call", "replaced by `tool_calls`"),
    carried(
        "messages[].tool_call_id",
        "`tool_result`, in one turn with the others; refused when the assistant's turn before it "
        "has no such call",
    ),
    carried("tools[].function", "name, description, `parameters` as `input_schema`, as they are"),
    dropped(
        "tools[].function.strict",
        "as Anthropic's own translation does: arguments need not match the schema",
    ),
    refused("tools[]: custom", "Anthropic's models take functions alone"),
    carried(
        "cache_control",
        "of messages, parts and tools: Anthropic's own field, kept where it stands",
    ),
)

RULES = (*TOP_LEVEL, *NESTED)
