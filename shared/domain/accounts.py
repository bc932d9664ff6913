"""Who is asking, and what may be spent: principals, purses, holds and settlements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.usage import Usage


class Role(StrEnum):
    """What an account may do."""

    USER = "user"
    ADMIN = "admin"


class Tier(StrEnum):
    """Rate-limit tier of an account."""

    DEV = "dev"
    PRO = "pro"


class Purse(StrEnum):
    """Which balance of an account pays."""

    MAIN = "main"
    REFERRAL = "referral"


@dataclass(frozen=True, slots=True)
class Account:
    """A stored account, without its password.

    Attributes:
        id: `users._id`.
        username: Lower case, unique for ever.
        role: What it may do.
        tier: Rate-limit tier.
        rpm: Requests per minute of its own, None for the tier's.
        is_active: False stops its keys and its login.
        credits_nano: Main balance, nano-USD; may be below zero.
        held_nano: Set aside from it for requests under way.
        ref_credits_nano: Referral balance.
        ref_held_nano: Set aside from it.
        tokens_used: Tokens of all charged requests.
        credits_expire_at: When the main balance lapses, UTC; None for never.
        language: Language of the portal, empty when not chosen.
        created_at: UTC.
        password_changed_at: UTC; tokens and sessions issued before it are void.
        discord_id: As the owner gave it, empty when not.
        referral_code: For others to register with.
        referred_by: Id of the account whose code it registered with, empty for none.
    """

    id: str
    username: str
    role: Role
    tier: Tier
    rpm: int | None
    is_active: bool
    credits_nano: int
    held_nano: int
    ref_credits_nano: int
    ref_held_nano: int
    tokens_used: int
    credits_expire_at: datetime | None
    language: str
    created_at: datetime
    password_changed_at: datetime
    discord_id: str = ""
    referral_code: str = ""
    referred_by: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller of one request.

    Attributes:
        user_id: `users._id` as text; the empty string for the fixed proxy key.
        username: `users.username`, or `_proxy`.
        key_id: `user_keys._id`.
        role: Role of the account.
        billed: False for the fixed proxy key: no hold, no ledger row.
    """

    user_id: str
    username: str
    key_id: str
    role: Role
    billed: bool = True


class RateWindow(StrEnum):
    """A sliding window of a key; what it is called where keys are stored."""

    REQUESTS = "window"
    COUNTS = "countWindow"


@dataclass(frozen=True, slots=True)
class RateState:
    """A key's sliding window after one look at it: requests per 60 s."""

    limit: int
    remaining: int
    reset_s: int


@dataclass(frozen=True, slots=True)
class Admission:
    """What one round trip told about a key.

    Attributes:
        principal: None when the key is unknown or revoked or its account is inactive.
        admitted: False when the rate limit refuses; the request was then not counted.
        rate: The window, None without a principal.
    """

    principal: Principal | None
    admitted: bool
    rate: RateState | None


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What to set aside for one request.

    Attributes:
        request_id: Unique id of the request; the hold's name.
        user_id: Account to hold on.
        full_nano: Upper bound of the cost, nano-USD, at least 1.
        minimum_nano: Smallest hold that still lets the request run. Equal to `full_nano`
            when the client fixed max_tokens; smaller when it did not, so that what the
            account affords decides.
    """

    request_id: str
    user_id: str
    full_nano: int
    minimum_nano: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Money set aside for one request, nano-USD."""

    request_id: str
    user_id: str
    username: str
    amount_nano: int
    purse: Purse


@dataclass(frozen=True, slots=True)
class HoldRefused:
    """Why nothing was set aside: the account is inactive, or `free_nano` is not enough."""

    active: bool
    free_nano: int


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One row of `request_logs`: what happened to a request. Never a prompt, answer or key.

    Attributes:
        request_id: `_id`.
        username: Whose request.
        user_id: Account id as text; empty when unknown.
        key_id: API key id.
        endpoint: Path, such as `/v1/messages`.
        model: Model id as the catalogue names it (empty when none was resolved).
        upstream: Upstream name (empty when none was chosen).
        upstream_key_id: Which upstream key served, never the secret.
        status: HTTP status the client got.
        end_reason: `complete`, `client_disconnected`, `upstream_error`, `refused:CODE`, …
        stream: Whether the client asked for a stream.
        usage: Tokens.
        cost_nano: Charged, nano-USD.
        price_version: Version of the price that was applied (empty when nothing was priced).
        attempts: Upstream attempts.
        ttft_ms: Milliseconds to the first upstream byte, None when there was none.
        duration_ms: Milliseconds from the first header byte to the end.
        created_at: UTC, when the request arrived.
    """

    request_id: str
    username: str
    user_id: str
    key_id: str
    endpoint: str
    model: str
    upstream: str
    upstream_key_id: str
    status: int
    end_reason: str
    stream: bool
    usage: Usage
    cost_nano: int
    price_version: str
    attempts: int
    ttft_ms: int | None
    duration_ms: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """What must be durable before an upstream is contacted, so that a crash can be billed.

    Attributes:
        hold: The money set aside; None for the fixed proxy key.
        record: The record as far as known: usage holds the input estimate (flagged estimated),
            cost_nano is 0, status 0, end_reason empty, price_version is fixed.
    """

    hold: Hold | None
    record: RequestRecord
