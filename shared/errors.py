"""The hierarchy of TrollLLM's own errors.

TrollError
├── SettingsError          a setting of the environment cannot be used
├── ConfigError            config.json cannot be used; lists every fault with its path
├── MoneyError             an amount that is no money
├── StoreError             the database
│   ├── StoreUnavailable       did not answer in time: the outcome of a write is unknown
│   ├── StoreRefused           answered, and refused: wrong version, no replica set, credentials
│   ├── Conflict               a unique name or key is taken
│   ├── Unsealable             a stored secret does not open
│   └── MongodError            the embedded mongod cannot run
├── StreamError            an upstream's stream cannot be read
├── JournalError           the journal cannot be written (disk full, read-only)
└── GatewayError           an answer to a client: status, codes of both dialects, message
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class TrollError(Exception):
    """Base of every error raised on purpose."""


class SettingsError(TrollError):
    """Settings that cannot be used; `problems` holds one line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One fault in config.json: `path` such as `models[0].pricing.input`, and what is wrong."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ConfigError(TrollError):
    """config.json cannot be used; `faults` names all of them."""

    def __init__(self, faults: Sequence[ConfigFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in faults))


class MoneyError(TrollError):
    """An amount that is no money: not a number, not finite, too fine or too large."""


class StoreError(TrollError):
    """The database failed."""


class StoreUnavailable(StoreError):
    """The database did not answer in time; what a write did is unknown."""


class StoreRefused(StoreError):
    """The database answered and cannot be used as it is; the message says what mends it."""


class Conflict(StoreError):
    """A unique name or key is taken already."""


class Unsealable(StoreError):
    """A stored secret does not open: sealed with another key, or damaged."""


class MongodError(StoreError):
    """The embedded mongod cannot run; the message is one line that says what mends it."""


class NotFound(StoreError):
    """What was to be changed is not there."""


class StreamError(TrollError):
    """An upstream's stream cannot be read: an event in it is too large."""


class JournalError(TrollError):
    """The journal cannot be written; nothing new may be admitted."""


@dataclass(eq=False)
class GatewayError(TrollError):
    """An answer to a client, renderable in either dialect.

    Attributes:
        status: HTTP status.
        code: OpenAI `code`.
        kind: Anthropic error `type`.
        message: What was wrong and what to do; shown to the client.
        param: The parameter at fault, if one is.
        headers: Extra response headers such as `retry-after`.
        detail: For the log only.
    """

    status: int
    code: str
    kind: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"
