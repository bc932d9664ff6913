"""What a dead worker's journal tells of its requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from shared.domain.accounts import Hold, RequestRecord
from shared.domain.usage import Usage
from shared.ledger.journal_lines import Line, LineKind, parse


@dataclass(slots=True)
class JournalledRequest:
    """One request, as far as its worker got to write.

    Attributes:
        request_id: Which.
        hold: The money set aside; None for the fixed proxy key.
        record: As far as known when it was opened; of its end when there is one.
        sent: It was on its way to the upstream.
        usage: The last checkpoint.
        ended: `record` is how it ended.
    """

    request_id: str
    hold: Hold | None
    record: RequestRecord
    sent: bool = False
    usage: Usage | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """A whole journal.

    Attributes:
        requests: By request id, in the order they were opened.
        faults: One line for each damaged place.
    """

    requests: dict[str, JournalledRequest] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read_journal(segments: Iterable[Path]) -> Replay:
    """Read segments, oldest first.

    A tail without a newline was being written when the machine stopped: it is left out. Any other
    line that cannot be read is a fault; the rest is read all the same.

    Raises:
        OSError: A file cannot be read.
    """
    replay = Replay()
    for path in segments:
        for number, raw in _whole_lines(path):
            try:
                line = parse(raw)
            except ValueError as error:
                replay.faults.append(f"{path}:{number}: {error}")
            else:
                _apply(replay.requests, line)
    return replay


def _whole_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    *lines, _tail = path.read_bytes().split(b"\n")
    return enumerate(lines, start=1)


def _apply(requests: dict[str, JournalledRequest], line: Line) -> None:
    if line.record is not None:
        ended = line.kind is LineKind.END
        requests[line.request_id] = JournalledRequest(
            line.request_id, line.hold, line.record, ended=ended
        )
        return
    # Of a request whose opening is not here any more, the end is known to the database.
    request = requests.get(line.request_id)
    if request is not None:
        request.sent = request.sent or line.kind is LineKind.SENT
        request.usage = line.usage or request.usage
