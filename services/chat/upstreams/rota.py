"""Whose turn it is: smooth weighted round robin. Pure."""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

MemberT = TypeVar("MemberT", bound=Hashable)


class Rota:
    """Chooses by weight, spread evenly over time: of weights 2 and 1 one gets a, b, a and never a, a, b.

    Each choice gives every candidate credit by its weight, and takes from the chosen one what all were given. Where
    each begins is chance, so that replicas do not march in step.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        """`random` gives numbers from 0 to 1."""
        self._random = random
        self._credits: dict[Hashable, float] = {}

    def pick(self, weights: Mapping[MemberT, float]) -> MemberT:
        """One of these, which are not none; others wait where they are."""
        for member, weight in weights.items():
            self._credits[member] = self._credits.get(member, self._random() * weight) + weight
        chosen = max(weights, key=self._credits.__getitem__)
        self._credits[chosen] -= sum(weights.values())
        return chosen
