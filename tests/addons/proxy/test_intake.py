from addons.proxy.intake import Intake


def test_bytes_are_counted_for_each_connection() -> None:
    intake = Intake(100)
    intake.take("one", 30)
    intake.take("other", 40)
    intake.take("one", 20)
    assert intake.held == 90
    intake.release("one")
    assert intake.held == 40


def test_room_is_what_is_left() -> None:
    intake = Intake(100)
    intake.take("one", 60)
    assert intake.has_room(40)
    assert not intake.has_room(41)


def test_nothing_is_released_twice() -> None:
    intake = Intake(100)
    intake.take("one", 60)
    for _ in range(2):
        intake.release("one")
    intake.release("nobody")
    assert intake.held == 0
