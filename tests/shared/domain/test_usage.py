from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.usage import Usage

counts = st.integers(0, 10**9)
usages = st.builds(Usage, *[counts] * 7, st.booleans())


@given(usages)
def test_documents_keep_everything(usage: Usage) -> None:
    assert Usage.from_document(usage.to_document()) == usage


def test_a_missing_bucket_is_empty() -> None:
    assert Usage.from_document({"output": 5}) == Usage(output=5)


def test_buckets_never_overlap() -> None:
    usage = Usage(
        input=1,
        output=2,
        cache_write_5m=4,
        cache_write_1h=8,
        cache_hit=16,
        reasoning=2,
        web_searches=9,
    )
    assert usage.total_input == 29
    assert usage.total == 31
