import pytest

from addons.metering import BodyMeter, StreamMeter
from shared.domain.catalog import Dialect
from tests.support import streams

DIALECTS = list(Dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_body(dialect: Dialect) -> None:
    usage = BodyMeter(dialect, streams.body(dialect)).usage(99)
    assert (usage.input, usage.output) == (streams.INPUT_TOKENS, streams.OUTPUT_TOKENS)
    assert not usage.estimated


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_body_that_tells_nothing(dialect: Dialect) -> None:
    usage = BodyMeter(dialect, b"{}").usage(99)
    assert usage.input == 99
    assert usage.estimated


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream(dialect: Dialect) -> None:
    meter = StreamMeter(dialect)
    assert meter.usage(99).estimated
    for event in streams.events(dialect):
        meter.reader.feed(event)
    usage = meter.usage(99)
    assert (usage.input, usage.output) == (streams.INPUT_TOKENS, streams.OUTPUT_TOKENS)
    assert not usage.estimated
