import json

import pytest

from shared.domain.catalog import Dialect
from shared.errors import GatewayError
from shared.wire.requests import parse_request
from shared.wire.translation.directions import (
    stream_translator,
    translate_answer,
    translate_request,
)
from shared.wire.translation.interfaces import Asked, TargetModel
from tests.support import streams
from tests.support.stream_vectors import FedBytes

OTHER = {Dialect.OPENAI: Dialect.ANTHROPIC, Dialect.ANTHROPIC: Dialect.OPENAI}
ASKED = Asked("req_1", 1_700_000_000)
SAID = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("client", list(Dialect))
def test_a_request_goes_into_the_other_dialect(client: Dialect) -> None:
    body = json.dumps({"model": "m", "max_tokens": 9, "messages": SAID}).encode()
    found = translate_request(parse_request(client, body), TargetModel("m", 100)).body
    limit = "max_tokens" if client is Dialect.OPENAI else "max_completion_tokens"
    assert found[limit] == 9


@pytest.mark.parametrize("client", list(Dialect))
def test_an_answer_comes_back_in_the_clients(client: Dialect) -> None:
    answer = json.loads(translate_answer(client, streams.body(OTHER[client]), ASKED))
    assert ("choices" in answer) == (client is Dialect.OPENAI)
    with pytest.raises(GatewayError):
        translate_answer(client, b"[]", ASKED)


@pytest.mark.parametrize("client", list(Dialect))
def test_so_does_a_stream(client: Dialect) -> None:
    translator = FedBytes(stream_translator(client, ASKED))
    said = translator.feed(b"".join(streams.events(OTHER[client]))) + translator.flush()
    end = b"data: [DONE]\n\n" if client is Dialect.OPENAI else b'{"type":"message_stop"}\n\n'
    assert said.endswith(end)
    assert translator.ended
    assert not translator.failed
