from __future__ import annotations

import pytest

from shared.domain.catalog import Dialect
from shared.wire.formats import WireFormat


@pytest.mark.parametrize(
    ("format_", "dialect"),
    [
        (WireFormat.CHAT, Dialect.OPENAI),
        (WireFormat.RESPONSES, Dialect.OPENAI),
        (WireFormat.MESSAGES, Dialect.ANTHROPIC),
        (WireFormat.COUNT_TOKENS, Dialect.ANTHROPIC),
    ],
)
def test_the_dialect_of_a_format(format_: WireFormat, dialect: Dialect) -> None:
    assert format_.dialect is dialect


@pytest.mark.parametrize("format_", WireFormat)
def test_the_least_limit_that_upstreams_take(format_: WireFormat) -> None:
    assert format_.least_output_tokens == (16 if format_ is WireFormat.RESPONSES else 1)


@pytest.mark.parametrize("dialect", Dialect)
def test_what_every_upstream_of_a_dialect_speaks(dialect: Dialect) -> None:
    spoken = WireFormat.of(dialect)
    assert spoken.dialect is dialect
    assert WireFormat.of(spoken) is spoken
    assert spoken is not WireFormat.RESPONSES
