from __future__ import annotations

import pytest

from portal.throttle import Throttle


@pytest.fixture
def throttle(store):
    return Throttle(store)


def test_five_attempts_a_minute_for_an_account_from_an_address(throttle):
    waits = [throttle.login_wait_s("ada", "192.0.2.1") for _ in range(6)]
    assert waits[:5] == [0] * 5
    assert 1 <= waits[5] <= 60
    assert throttle.login_wait_s("ada", "192.0.2.2") == 0
    assert throttle.login_wait_s("eve", "192.0.2.1") == 0


def test_attempts_are_counted_across_processes(throttle, store):
    for _ in range(5):
        throttle.login_wait_s("ada", "192.0.2.1")
    assert Throttle(store).login_wait_s("ada", "192.0.2.1") > 0


def test_success_forgets_the_attempts_of_that_account_alone(throttle):
    for _ in range(5):
        throttle.login_wait_s("ada", "192.0.2.1")
        throttle.login_wait_s("eve", "192.0.2.1")
    throttle.login_succeeded("ada", "192.0.2.1")
    assert throttle.login_wait_s("ada", "192.0.2.1") == 0
    assert throttle.login_wait_s("eve", "192.0.2.1") > 0


def test_one_address_cannot_try_many_accounts(throttle):
    for number in range(30):
        assert throttle.login_wait_s(f"user{number}", "192.0.2.1") == 0
        throttle.login_failed("192.0.2.1")
    throttle.login_succeeded("user1", "192.0.2.1")  # one's own account resets nothing
    assert throttle.login_wait_s("someone", "192.0.2.1") > 0
    assert throttle.login_wait_s("someone", "192.0.2.2") == 0


def test_one_account_cannot_be_tried_from_many_addresses(throttle):
    waits = [throttle.login_wait_s("ada", f"192.0.2.{number}") for number in range(101)]
    assert waits[:100] == [0] * 100
    assert waits[100] > 60


def test_registrations_of_an_address(throttle):
    waits = [throttle.register_wait_s("192.0.2.1") for _ in range(11)]
    assert waits[:10] == [0] * 10
    assert waits[10] > 0


def test_the_client_stays_open_when_a_throttle_goes(store):
    throttle = Throttle(store)
    throttle.register_wait_s("192.0.2.1")
    del throttle
    assert store.command("ping")["ok"] == 1
