import pytest

from shared.domain.catalog import Dialect
from shared.wire.whole_events import WholeEvents, last_boundary
from tests.support import streams


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", 0),
        (b"data: x", 0),
        (b"data: x\n", 0),
        (b"data: x\n\n", 9),
        (b"data: x\n\ndata", 9),
        (b"data: x\r\n\r\ndata", 11),
        (b"data: x\r\rdata", 9),
        (b"a\n\nb\r\n\r\nc", 8),
        (b"a\r\n\r\nb\n\nc", 8),
        (b"\n\n", 2),
    ],
)
def test_where_the_last_event_ends(data: bytes, end: int) -> None:
    assert last_boundary(data) == end


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_any_split_gives_whole_events_and_the_same_bytes(dialect: Dialect, end: bytes) -> None:
    data = b"".join(streams.events(dialect)).replace(b"\n", end)
    for cut in range(len(data) + 1):
        stage = WholeEvents()
        passed = [stage.feed(piece) for piece in (data[:cut], data[cut:])]
        assert all(piece.endswith(end * 2) for piece in passed if piece)
        assert b"".join(passed) + stage.flush() == data


def test_a_torn_event_is_held_until_the_end() -> None:
    stage = WholeEvents()
    assert stage.feed(b"data: 1\n\ndata: ") == b"data: 1\n\n"
    assert stage.feed(b"2\n") == b""
    assert stage.flush() == b"data: 2\n"
    assert stage.flush() == b""
