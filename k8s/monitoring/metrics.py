"""`docs/metrics.md` from the code: every metric that a service exports, with its labels and meaning.

    python -m k8s.monitoring.metrics > docs/metrics.md

Metrics are found where they are made: a call of one of prometheus-client's classes with a literal name. A test compares
the result with what a running mesh exports.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("gateway", "chat", "moderation", "billing")

_TYPES = {
    "Counter": "counter",
    "Gauge": "gauge",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
    "Info": "gauge",
}
# What the name of a metric is made longer by.
_SUFFIXES = {"Counter": "_total", "Info": "_info"}

_UNITS = {
    "_timestamp_seconds": "Unix time, s",
    "_seconds": "s",
    "_bytes": "bytes",
    "_micro_yuan": "µCNY",
    "_cny": "CNY",
    "_info": "always 1",
    "_ok": "0 or 1",
    "_breaker_open": "0 or 1",
    "_problem": "0 or 1",
    "_reported_to_counted": "ratio",
    "_version": "number",
}

_HEAD = """# Metrics

Written by `make metrics-doc` from the code; `make check` compares. Each service exports its own and those of the
runtime on `METRICS_PORT`, never on its public port, beside the standard `process_*` and `python_*` of the Prometheus
client. µCNY is micro-yuan: ¥1 is 1,000,000. A histogram `x` is exported as `x_bucket`, `x_sum` and `x_count`.

Labels have few values: none holds a user, a request, a text, or a path or model that a caller made up. Where a scrape
asks for OpenMetrics, the buckets of `queqiao_first_token_seconds` and `queqiao_http_first_token_seconds` carry the
`trace_id` of an example while tracing is on (Prometheus keeps it with `--enable-feature=exemplar-storage`).
Gauges of billing that read the database say the same in every replica: take their `max`, not their `sum`.

A span is recorded for every request, gRPC call, statement of PostgreSQL, command of Redis and call of a model while
`OTEL_EXPORTER_OTLP_ENDPOINT` is set. A transaction of the ledger is shared by many turns and belongs to no trace:
see `queqiao_ledger_batch_seconds`.
"""


class CatalogueError(Exception):
    """A metric is made in a way that cannot be read."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `name` is what Prometheus stores, without the suffixes of a histogram."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def unit(self) -> str:
        """What is counted or measured."""
        measured = self.name.removesuffix("_total")
        return next((unit for end, unit in _UNITS.items() if measured.endswith(end)), "count")


def catalogue(root: Path = Path("services")) -> dict[str, tuple[Metric, ...]]:
    """The metrics of each service, and of the runtime: `grpc` for services that serve gRPC, `runtime` for all."""
    found = {service: _metrics(root / service) for service in SERVICES}
    found["grpc"] = _metrics(root / "runtime", only="interceptors.py")
    found["runtime"] = tuple(metric for metric in _metrics(root / "runtime") if metric not in found["grpc"])
    return found


def of_service(service: str) -> tuple[Metric, ...]:
    """All metrics that a service exports, the runtime's included."""
    found = catalogue()
    return (*found[service], *found["runtime"], *(found["grpc"] if service != "gateway" else ()))


def _metrics(folder: Path, only: str = "*.py") -> tuple[Metric, ...]:
    files = sorted(folder.rglob(only))
    found = {metric for file in files for metric in _in_file(file)}
    return tuple(sorted(found, key=lambda metric: metric.name))


def _in_file(file: Path) -> Iterator[Metric]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {
        name.asname or name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for name in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in imported & _TYPES.keys():
            yield _metric(node, node.func.id, file, tree)


def _metric(call: ast.Call, kind: str, file: Path, tree: ast.Module) -> Metric:
    labels: ast.expr = call.args[2] if len(call.args) > 2 else ast.List([])
    if kind == "Info":
        labels = _information(tree)
    labels = next((keyword.value for keyword in call.keywords if keyword.arg in ("labels", "labelnames")), labels)
    try:
        name, meaning, names = (ast.literal_eval(part) for part in (call.args[0], call.args[1], labels))
    except (ValueError, IndexError):
        raise CatalogueError(f"{file}:{call.lineno}: give the metric a literal name, meaning and labels.") from None
    return Metric(name.removesuffix("_total") + _SUFFIXES.get(kind, ""), _TYPES[kind], tuple(names), meaning)


def _information(tree: ast.Module) -> ast.expr:
    """The labels of an Info, which are given where it is set."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="info"), args=[ast.Dict(keys=keys)]):
                return ast.List([key for key in keys if key is not None])
    return ast.List([])


def document() -> str:
    """The whole page."""
    titles = {
        **{service: service for service in SERVICES},
        "grpc": "chat, moderation and billing: gRPC",
        "runtime": "every service",
    }
    found = catalogue()
    return _HEAD + "".join(_section(titles[name], found[name]) for name in titles)


def _section(title: str, metrics: tuple[Metric, ...]) -> str:
    rows = "".join(
        f"| `{m.name}` | {m.type} | {', '.join(f'`{label}`' for label in m.labels) or '–'} | {m.unit} | {m.meaning} |\n"
        for m in metrics
    )
    return f"\n## {title}\n\n| name | type | labels | unit | meaning |\n|---|---|---|---|---|\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(document())
