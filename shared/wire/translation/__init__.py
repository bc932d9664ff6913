"""Translation between the dialects of OpenAI and Anthropic; pure, incremental, without I/O.

A request goes upstream in the upstream's dialect and its answer comes back in the client's. Native
routes never come here. What cannot be carried is refused with a 400 that names the parameter, or
dropped by a rule that `docs/translation.md` lists.
"""
