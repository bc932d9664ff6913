from dataclasses import replace

from shared.domain.catalog import Dialect
from tests.support.gateway_fakes import PEPPER
from tests.support.gateway_flows import pools_of, services
from tests.support.gateway_worker import upstream


def test_the_pepper_is_not_shown() -> None:
    assert repr(PEPPER) not in repr(services())


async def test_keys_of_the_settings_are_the_pool_s_to_give() -> None:
    made = services()
    made.settings = replace(made.settings, main_upstream_key="m", troll_api_key="t")
    pools_of(made).out = {"uk_1"}
    for secret in ("m", "t"):
        pools_of(made).add(secret, secret)
        place = upstream(Dialect.OPENAI, 1, key_pool=secret, api_key=secret)
        assert await made.upstream_keys.pick(place, None, ()) is None
    other = upstream(Dialect.OPENAI, 1, key_pool="m", api_key="other")
    assert await made.upstream_keys.pick(other, None, ()) is not None
