"""Settings that are written in rooms of their own take effect."""

from __future__ import annotations

import pytest

from project import credentials, rest, settings


@pytest.mark.parametrize("room", [credentials, rest], ids=lambda room: room.__name__)
def test_every_setting_of_a_room_is_one_of_the_settings(room: object) -> None:
    written = {name: value for name, value in vars(room).items() if name.isupper()}
    assert written
    assert {name: getattr(settings, name, None) for name in written} == written


def test_settings_are_nothing_but_settings() -> None:
    assert not hasattr(settings, "timedelta")
