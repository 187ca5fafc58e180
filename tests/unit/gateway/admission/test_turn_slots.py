"""Slots of turns."""

import pytest

from services.gateway.admission.turn_slots import TurnSlots
from services.gateway.errors import TooManyTurnsError


def test_slots_are_each_users_own_and_come_back() -> None:
    slots = TurnSlots(per_user_max=1)
    with slots.occupy("a"), slots.occupy("b"):
        with pytest.raises(TooManyTurnsError), slots.occupy("a"):
            pass
    with slots.occupy("a"):
        pass


def test_a_turn_that_fails_gives_its_slot_back() -> None:
    slots = TurnSlots(per_user_max=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="turn"), slots.occupy("a"):
            raise ValueError("turn")
