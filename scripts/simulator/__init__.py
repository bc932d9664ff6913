"""A stand-in for the LLM providers on loopback, for trying out and as the oracle of tests.

It speaks Chat Completions (`POST /v1/chat/completions`), Responses (`POST /v1/responses`),
Messages (`POST /v1/messages`, `POST /v1/messages/count_tokens`) and `GET /v1/models`, under any
path prefix, demands a key, and keeps a log of all requests. What it does is chosen by the model
name:

| model | does |
|---|---|
| `sim-echo`, and any name that is none of these | repeats the last user text, streamed by word |
| `sim-tools` | calls the first tool offered, or the one named; answers when it has the result |
| `sim-think` | thinks (signed, `reasoning_content`, or a reasoning item), then repeats |
| `sim-nousage` | repeats, and reports no usage (Anthropic, where it must be there: zeros) |
| `sim-gzip` | repeats, gzip-coded, whatever was accepted |
| `sim-garbage`, `sim-empty` | 200 with something that is no answer, or with nothing |
| `sim-error-STATUS` | that error; `-after-SECONDS` sets retry-after; other variants: `-quota`, |
| | `-budget`, `-credit`, `-context` (wordings), `-html`, `-empty` (bodies) |
| `sim-key-SUFFIX-STATUS` | that error for keys so ending, else an echo; more pairs after `+` |
| `sim-flaky-N-STATUS` | that error for the first N requests, then an echo |
| `sim-slow-MS` | an echo whose first byte (status line) takes that long |
| `sim-pace-N-MS` | N words, one event each, MS apart; unstreamed: the body in N pieces |
| `sim-stall-N`, `sim-cut-N` | words; after N events of any kind silent, or a TCP reset; a cut |
| | after 0 resets before the status line; unstreamed: after N of N+1 pieces of the body |
| `sim-break-N` | words; after N events an error event; unstreamed: a 500 |
| `replay:CASE#TURN` | a recorded response, turns counted from 0; `@SIZE` after it sets the size |
| | of the pieces for this request (`@0`: whole) |

Control, without a key: `GET /_log` (JSON lines in order of arrival), `DELETE /_log`,
`GET /_connections` (opened, open; those of control requests left out), `DELETE /_state` (log,
prompt caches and counts of `sim-flaky`).

Tokens follow the formula in `usage.py`. Requests are held to the rules the providers hold them to.
"""
