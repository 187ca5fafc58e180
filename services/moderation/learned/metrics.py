"""What an operator asks about weights."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge


class Loaded(Protocol):
    """What the metrics need to know of weights that are in force."""

    @property
    def stored_version(self) -> int:
        """The version of the stored weights; 0 for the file's."""
        ...


class WeightsMetrics:
    """Of one replica's weights."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register the metrics."""
        self._version = Gauge(
            "queqiao_screener_stored_version", "Version of the stored weights in force; 0: the file.", registry=registry
        )
        self._problem = Gauge(
            "queqiao_screener_problem", "1 while the newest weights cannot be taken up.", registry=registry
        )
        self._loaded_at = Gauge(
            "queqiao_screener_load_timestamp_seconds", "When the weights in force were taken up.", registry=registry
        )

    def in_force(self, info: Loaded) -> None:
        """Say what is in force."""
        self._version.set(info.stored_version)
        self._loaded_at.set_to_current_time()

    def in_trouble(self, *, yes: bool) -> None:
        """Say whether the newest state cannot be taken up."""
        self._problem.set(yes)
