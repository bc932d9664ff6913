"""The first page after signing in: what is left, what was spent, what happened last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request

from portal.formats import short_day, zone_name
from portal.services import Services, services
from portal.session import current_account, require_login
from shared.domain.money import format_usd
from shared.store.request_logs import DayUsage, ModelUsage

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("dashboard", __name__, url_prefix="/dashboard")
bp.before_request(require_login)

PERIODS = (7, 30, 90)
DEFAULT_DAYS = 30
_NEWEST = 8
_MODELS = 6


@dataclass(frozen=True, slots=True)
class UsageOverview:
    """A period: its days in order, its models (dearest first, named ones only), and the sums."""

    days: Sequence[DayUsage]
    models: Sequence[ModelUsage]

    @property
    def requests(self) -> int:
        """In all."""
        return sum(day.requests for day in self.days)

    @property
    def cost_nano(self) -> int:
        """In all, nano-USD."""
        return sum(day.cost_nano for day in self.days)

    @property
    def tokens(self) -> int:
        """In all, input and output."""
        return sum(day.input_tokens + day.output_tokens for day in self.days)

    @property
    def dearest_nano(self) -> int:
        """What the dearest model cost, nano-USD."""
        return max((model.cost_nano for model in self.models), default=0)


@dataclass(frozen=True, slots=True)
class Chart:
    """Series of the chart; money as decimal strings."""

    labels: list[str]
    spend: list[str]
    requests: list[int]


@bp.get("")
def index() -> ResponseReturnValue:
    """Balances, the period's usage, the newest requests."""
    own, account = services(), current_account()
    days = _days(request.args.get("days"))
    usage = overview(own, account.username, days, zone_name())
    return render_template(
        "dashboard/index.html",
        account=account,
        usage=usage,
        chart=chart(usage.days),
        days=days,
        periods=PERIODS,
        newest=own.logs.newest(account.username, limit=_NEWEST),
        has_key=own.keys.primary(account.id) is not None,
    )


def overview(own: Services, username: str, days: int, zone: str) -> UsageOverview:
    """Usage of the last `days` days of a time zone, today included."""
    per_day = own.logs.per_day(username, days=days, zone=ZoneInfo(zone))
    first = per_day[0].day
    since = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    models = [row for row in own.logs.per_model(username, since=since) if row.model]
    return UsageOverview(per_day, models[:_MODELS])


def chart(days: Sequence[DayUsage]) -> Chart:
    """Series of the days."""
    return Chart(
        labels=[short_day(usage.day) for usage in days],
        spend=[format_usd(usage.cost_nano) for usage in days],
        requests=[usage.requests for usage in days],
    )


def _days(wish: str | None) -> int:
    return next((days for days in PERIODS if str(days) == wish), DEFAULT_DAYS)
