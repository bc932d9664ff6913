from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from scripts.simulator.behaviour import Replay
from scripts.simulator.replay import CaseFolder, CaseNotFound
from tests.support.sdk_reads import expected_reads, sdk_reader
from tests.support.simulator import SimulatorClient, running_simulator

CASE = (Path(__file__).parent / "case.json").read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> CaseFolder:
    (tmp_path / "provider").mkdir()
    (tmp_path / "provider" / "case--1.json").write_bytes(CASE)
    return CaseFolder(tmp_path)


def test_headers_are_kept_but_those_of_framing(folder: CaseFolder) -> None:
    reply = folder.reply(Replay("provider/case--1", 0, None), 0)
    assert reply.headers == [("Content-Type", "text/event-stream"), ("X-Odd", "kept")]
    assert (reply.status, reply.length, reply.is_stream) == (200, None, True)


@pytest.mark.parametrize("name", ["provider/case--1", "case--1"])
def test_a_case_is_found_by_either_name(folder: CaseFolder, name: str) -> None:
    reply = folder.reply(Replay(name, 1, None), 0)
    assert (reply.status, ("retry-after", "7") in reply.headers) == (429, True)
    assert folder.names == ["provider/case--1"]


def test_text_is_sent_byte_for_byte(folder: CaseFolder) -> None:
    reply = folder.reply(Replay("case--1", 2, None), 0)
    assert list(reply.steps) == [b"<html>bad  gateway</html>\n"]


@pytest.mark.parametrize(("own", "server", "size"), [(None, 5, 5), (3, 5, 3), (0, 5, None)])
def test_the_size_of_pieces(
    folder: CaseFolder, own: int | None, server: int, size: int | None
) -> None:
    reply = folder.reply(Replay("case--1", 0, own), server)
    pieces = [step for step in reply.steps if isinstance(step, bytes)]
    assert b"".join(pieces) == reply.recorded
    assert len(pieces) == 1 if size is None else {len(piece) for piece in pieces[:-1]} == {size}
    assert reply.separate is (size is not None)


@pytest.mark.parametrize(("case", "turn"), [("nothing", 0), ("case--1", 3), ("../case--1", 0)])
def test_what_is_not_there(folder: CaseFolder, case: str, turn: int) -> None:
    with pytest.raises(CaseNotFound):
        folder.reply(Replay(case, turn, None), 0)


def test_no_folder_no_cases() -> None:
    assert CaseFolder(None).names == []


@pytest.fixture(scope="module")
def recorded(shared_material: Path) -> Iterator[SimulatorClient]:
    with running_simulator(cases=shared_material / "fixtures") as running:
        yield running


@pytest.mark.parametrize("split", [0, 1, 7, 900])
def test_the_sdks_read_what_they_read_when_it_was_recorded(
    recorded: SimulatorClient, shared_material: Path, split: int
) -> None:
    with sdk_reader(recorded.base_url) as read:
        differing: dict[str, Any] = {}
        for name, expected in expected_reads(shared_material).items():
            found = read(name, split)
            if found != expected:
                differing[name] = (expected, found)
    assert differing == {}


def test_a_recorded_count_is_read(recorded: SimulatorClient) -> None:
    case = (
        "anthropic/pydantic-ai--test_anthropic_count_tokens_with_adaptive_thinking_and_output_tools"
        "--93624e"
    )
    with anthropic.Anthropic(base_url=recorded.base_url, api_key="any-key") as client:
        count = client.messages.count_tokens(
            model=f"replay:{case}#0", messages=[{"role": "user", "content": "x"}]
        )
    assert count.input_tokens > 0
