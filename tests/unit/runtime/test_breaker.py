"""The life of a circuit."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from services.runtime.breaker import Breaker, CircuitOpenError


class DownError(Exception):
    """The other side's fault."""


class RefusedError(Exception):
    """Nobody's fault."""


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
            with self.breaker.call(lambda error: isinstance(error, DownError)):
                during()
                _fail(error)
        except CircuitOpenError:
            return "open"
        except (DownError, RefusedError, asyncio.CancelledError) as ended:
            return type(ended).__name__
        return "ok"

    def opened(self) -> "Circuit":
        for _ in range(3):
            self.call(DownError())
        return self


def test_it_opens_after_failures_in_a_row() -> None:
    circuit = Circuit()
    assert [circuit.call(DownError()) for _ in range(3)] == ["DownError", "DownError", "DownError"]
    assert circuit.call() == "open"
    assert circuit.changes == [False, True]


def test_a_success_between_them_begins_the_count_anew() -> None:
    circuit = Circuit()
    for _ in range(4):
        circuit.call(DownError())
        circuit.call(DownError())
        assert circuit.call() == "ok"


@pytest.mark.parametrize("error", [RefusedError(), asyncio.CancelledError()])
def test_what_is_no_fault_of_the_other_side_opens_nothing(error: BaseException) -> None:
    circuit = Circuit()
    for _ in range(10):
        circuit.call(error)
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
    assert circuit.call(DownError()) == "DownError"
    circuit.now_s += 9.9
    assert circuit.call() == "open"
    circuit.now_s += 0.2
    assert circuit.call() == "ok"


@pytest.mark.parametrize("error", [asyncio.CancelledError(), RefusedError()])
def test_a_probe_that_teaches_nothing_is_followed_by_another(error: BaseException) -> None:
    circuit = Circuit().opened()
    circuit.now_s += 10
    circuit.call(error)
    assert circuit.call() == "ok"


def test_a_call_that_set_out_before_does_not_close_it() -> None:
    circuit = Circuit()
    assert circuit.call(during=circuit.opened) == "ok"
    assert circuit.call() == "open"


def test_what_recovered_may_fail_as_often_as_before() -> None:
    circuit = Circuit().opened()
    circuit.now_s += 10
    circuit.call()
    circuit.call(DownError())
    circuit.call(DownError())
    assert circuit.call() == "ok"


def test_a_probe_that_is_answered_lets_others_go_while_it_goes_on() -> None:
    circuit = Circuit().opened()
    circuit.now_s += 10
    probe = circuit.breaker.admit()
    assert circuit.call() == "open"
    probe.answered()
    assert circuit.call() == "ok"
    probe.failed()
    assert [circuit.call(DownError()), circuit.call(DownError()), circuit.call()] == ["DownError", "DownError", "open"]


def test_how_a_call_ended_is_counted_once() -> None:
    circuit = Circuit()
    attempt = circuit.breaker.admit()
    for _ in range(5):
        attempt.failed()
    attempt.succeeded()
    assert circuit.call() == "ok"
    assert circuit.changes == [False]


def test_it_can_be_opened_at_once_and_says_how_long_to_wait() -> None:
    circuit = Circuit()
    circuit.breaker.trip()
    circuit.now_s += 4
    assert circuit.breaker.wait_s == 6.0
    assert circuit.call() == "open"
    circuit.now_s += 6
    assert circuit.breaker.wait_s == 0.0
    with circuit.breaker.call(lambda _: False):
        assert circuit.breaker.wait_s > 0
    assert circuit.breaker.wait_s == 0.0
    assert circuit.changes == [False, True, False]
