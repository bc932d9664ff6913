"""Upstreams over TLS: their certificate is checked, and HTTP/1.1 is what is spoken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.catalog import Dialect
from tests.support import streams
from tests.support.certificates import Certificate, make_certificate
from tests.support.gateway_worker import UPSTREAM_KEY, RunningWorker, named, running_worker
from tests.support.raw_upstream import (
    RawUpstream,
    chunk,
    response,
    running_raw_upstream,
    stream_head,
)

DIALECTS = list(Dialect)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def _tls_upstream(certificate: Certificate) -> Iterator[RawUpstream]:
    with running_raw_upstream(certificate.server_context()) as upstream:
        yield upstream


@pytest.fixture
def tls_upstream(_tls_upstream: RawUpstream) -> RawUpstream:
    _tls_upstream.reset()
    return _tls_upstream


@pytest.fixture(scope="module")
def _tls_worker(
    tmp_path_factory: pytest.TempPathFactory, _raw_upstream: RawUpstream, _tls_upstream: RawUpstream
) -> Iterator[RunningWorker]:
    ports = {"raw": _raw_upstream.port, "tls": _tls_upstream.port}
    with running_worker(tmp_path_factory.mktemp("worker"), ports) as running:
        yield running


@pytest.fixture
def worker(_tls_worker: RunningWorker) -> Iterator[RunningWorker]:
    _tls_worker.reset()
    yield _tls_worker
    _tls_worker.assert_clean()


def trust(worker: RunningWorker, authority: Path | None) -> None:
    """Make the worker trust one authority more."""
    path = str(authority) if authority else None
    options = worker.worker.master.options
    worker.run(lambda: options.update(ssl_verify_upstream_trusted_ca=path))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stranger_s_certificate_is_refused(
    worker: RunningWorker, tls_upstream: RawUpstream, dialect: Dialect
) -> None:
    trust(worker, None)
    answer = worker.ask(worker.post(dialect, named("tls", dialect)))
    assert answer.status == 502
    assert "certificate" not in answer.body.decode()
    assert tls_upstream.requests == []
    assert worker.settled().cost_nano == 0


def test_a_certificate_of_another_address_is_refused(
    worker: RunningWorker, tmp_path: Path, certificate: Certificate, tls_upstream: RawUpstream
) -> None:
    other = make_certificate(tmp_path, "127.0.0.2")
    trust(worker, other.certificate)
    assert worker.ask(worker.post(Dialect.OPENAI, named("tls", Dialect.OPENAI))).status == 502
    assert tls_upstream.requests == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_trusted_upstream_is_used_again_and_again(
    worker: RunningWorker, tls_upstream: RawUpstream, certificate: Certificate, dialect: Dialect
) -> None:
    trust(worker, certificate.certificate)
    whole = (stream_head(), *map(chunk, streams.events(dialect)), chunk(b""))
    with worker.client() as client:
        for _ in range(3):
            tls_upstream.script(*whole)
            answer = client.ask(worker.post(dialect, named("tls", dialect), stream=True))
            assert streams.last_word(dialect) in answer.body
            tls_upstream.script(response(streams.body(dialect)))
            answer = client.ask(worker.post(dialect, named("tls", dialect)))
            assert answer.body == streams.body(dialect)
    assert tls_upstream.opened == 1
    assert set(tls_upstream.protocols) <= {"http/1.1", None}
    assert all(UPSTREAM_KEY.encode() in one.head for one in tls_upstream.requests)
