from tests.support.gateway_fakes import PEPPER
from tests.support.gateway_flows import services


def test_the_pepper_is_not_shown() -> None:
    assert repr(PEPPER) not in repr(services())
