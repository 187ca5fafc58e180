"""The life of a circuit."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from services.moderation.errors import LayerDownError
from services.moderation.layers.breaker import Breaker


def _fail(error: BaseException | None) -> None:
    if error is not None:
        raise error


@dataclass
class Circuit:
    """A breaker of three failures and ten seconds, with a clock of its own."""

    now_s: float = 1000.0
    changes: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = Breaker(failures_max=3, open_s=10.0, on_change=self.changes.append, clock=lambda: self.now_s)

    def call(self, error: BaseException | None = None, during: Callable[[], object] = lambda: None) -> str:
        """How a call ends that fails with `error`."""
        try:
            with self.breaker.call():
                during()
                _fail(error)
        except LayerDownError as down:
            return down.why
        except asyncio.CancelledError:
            return "cancelled"
        return "ok"

    def opened(self) -> "Circuit":
        for _ in range(3):
            self.call(LayerDownError("error"))
        return self


def test_it_opens_after_failures_in_a_row() -> None:
    circuit = Circuit()
    assert [circuit.call(LayerDownError(why)) for why in ("error", "timeout", "error")] == ["error", "timeout", "error"]
    assert circuit.call() == "open"
    assert circuit.changes == [False, True]


def test_a_success_between_them_begins_the_count_anew() -> None:
    circuit = Circuit()
    for _ in range(4):
        circuit.call(LayerDownError("error"))
        circuit.call(LayerDownError("error"))
        assert circuit.call() == "ok"


@pytest.mark.parametrize("why", ["quota", "busy", "too_long", "rejected"])
def test_what_is_no_fault_of_the_layers_opens_nothing(why: str) -> None:
    circuit = Circuit()
    for _ in range(10):
        circuit.call(LayerDownError(why))
    assert circuit.call() == "ok"


def test_after_its_time_a_single_probe_goes_and_success_closes() -> None:
    circuit = Circuit().opened()
    circuit.now_s += 9.9
    assert circuit.call() == "open"
    circuit.now_s += 0.2
    beside: list[str] = []
    assert circuit.call(during=lambda: beside.append(circuit.call())) == "ok"
    assert beside == ["open"]
    assert [circuit.call(), circuit.call()] == ["ok", "ok"]
    assert circuit.changes == [False, True, False]


def test_a_probe_that_fails_opens_for_as_long_again() -> None:
    circuit = Circuit().opened()
    circuit.now_s += 10
    assert circuit.call(LayerDownError("timeout")) == "timeout"
    circuit.now_s += 9.9
    assert circuit.call() == "open"
    circuit.now_s += 0.2
    assert circuit.call() == "ok"


@pytest.mark.parametrize("error", [asyncio.CancelledError(), LayerDownError("quota")])
def test_a_probe_that_teaches_nothing_is_followed_by_another(error: BaseException) -> None:
    circuit = Circuit().opened()
    circuit.now_s += 10
    circuit.call(error)
    assert circuit.call() == "ok"


def test_a_call_that_set_out_before_does_not_close_it() -> None:
    circuit = Circuit()
    assert circuit.call(during=circuit.opened) == "ok"
    assert circuit.call() == "open"


def test_a_layer_that_recovered_may_fail_as_often_as_before() -> None:
    circuit = Circuit().opened()
    circuit.now_s += 10
    circuit.call()
    circuit.call(LayerDownError("error"))
    circuit.call(LayerDownError("error"))
    assert circuit.call() == "ok"
