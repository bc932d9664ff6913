from addons.proxy.deadlines import Deadlines


def test_arms_once_for_the_earliest() -> None:
    deadlines = Deadlines()
    assert deadlines.to_arm() is None
    deadlines.set("total", 100.0)
    assert deadlines.to_arm() == 100.0
    assert deadlines.to_arm() is None
    deadlines.set("connect", 5.0)
    assert deadlines.to_arm() == 5.0
    assert deadlines.to_arm() is None


def test_a_deadline_that_moves_later_needs_no_timer() -> None:
    deadlines = Deadlines()
    deadlines.set("idle", 10.0)
    assert deadlines.to_arm() == 10.0
    for now in range(100):
        deadlines.set("idle", 10.0 + now)
        assert deadlines.to_arm() is None
    assert deadlines.expired(10.0) == []
    assert deadlines.to_arm() == 109.0


def test_expired_takes_what_is_due_and_only_that() -> None:
    deadlines = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.set("b", 2.0)
    deadlines.set("c", 3.0)
    deadlines.to_arm()
    assert deadlines.expired(2.0) == ["a", "b"]
    assert not deadlines.has("a")
    assert deadlines.has("c")
    assert deadlines.to_arm() == 3.0


def test_cleared_deadlines_never_ring() -> None:
    deadlines = Deadlines()
    deadlines.set("a", 1.0)
    deadlines.clear("a", "unknown")
    assert deadlines.expired(9.0) == []
    assert deadlines.to_arm() is None


def test_a_timer_that_was_replaced_starts_no_other() -> None:
    deadlines = Deadlines()
    deadlines.set("idle", 120.0)
    deadlines.to_arm()
    deadlines.set("body", 30.0)
    deadlines.to_arm()
    deadlines.clear("body")
    assert deadlines.expired(30.0) == []
    assert deadlines.to_arm() == 120.0
    deadlines.set("body", 50.0)
    assert deadlines.to_arm() == 50.0
    deadlines.set("body", 150.0)
    deadlines.set("idle", 160.0)
    assert deadlines.expired(50.0) == []
    assert deadlines.to_arm() == 150.0
    assert deadlines.expired(120.0) == []
    assert deadlines.to_arm() is None
    assert deadlines.expired(150.0) == ["body"]


def test_a_timer_that_rings_a_hair_early_is_set_again() -> None:
    deadlines = Deadlines()
    deadlines.set("total", 5.0)
    deadlines.to_arm()
    assert deadlines.expired(5.0 - 1e-9) == []
    assert deadlines.to_arm() == 5.0
