"""A Prometheus of one's own that scrapes a mesh of this machine."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.ports import HOST
from sandbox.probe import http_ok
from sandbox.processes import PartError, Process
from sandbox.supervisor import Supervisor

SERVICES = ("gateway", "chat", "moderation", "billing")
RULES = Path(__file__).parents[2] / "k8s" / "monitoring" / "rules"

MISSING = (
    "Prometheus is not installed: `apt-get install -y --no-install-recommends prometheus` on Debian and Ubuntu, "
    "`brew install prometheus` on macOS, or set PROMETHEUS to the path of its binary."
)


def find() -> str | None:
    """The path of Prometheus's binary; None when there is none."""
    return os.environ.get("PROMETHEUS") or shutil.which("prometheus")


def configuration(targets: Mapping[str, str], *, interval: str) -> str:
    """Prometheus's configuration for these targets (`host:port` by job, several with commas), all rules included.

    Args:
        targets: Where the metrics of each service are.
        interval: How often they are scraped and rules are evaluated, such as "5s".
    """
    jobs = "".join(
        f"  - job_name: {job}\n    static_configs:\n      - targets: {target.split(',')}\n"
        for job, target in targets.items()
    )
    return (
        f"global:\n  scrape_interval: {interval}\n  evaluation_interval: {interval}\n"
        f"rule_files:\n  - '{RULES}/*.yaml'\n"
        f"scrape_configs:\n{jobs}"
    )


def targets_of(env: Mapping[str, str]) -> dict[str, str]:
    """Where the metrics of a mesh's services are, from the addresses that it wrote down.

    Raises:
        PartError: It wrote none.
    """
    try:
        return {service: ",".join(_metrics_of(service, env)) for service in SERVICES}
    except KeyError as missing:
        raise PartError(f"The mesh says no {missing.args[0]}: stop it and start it again with `make run`.") from None


def _metrics_of(service: str, env: Mapping[str, str]) -> list[str]:
    """Where the metrics of each process of a service are."""
    first = f"{service.upper()}_METRICS_PORT"
    further = sorted(name for name in env if re.fullmatch(rf"{service.upper()}_\d+_METRICS_PORT", name))
    return [f"{HOST}:{env[name]}" for name in (first, *further)]


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        """Talk to one that runs here."""
        self.url = url

    @classmethod
    async def start(
        cls,
        supervisor: Supervisor,
        folder: Path,
        targets: Mapping[str, str],
        *,
        port: int,
        layer: int = 1,
        interval: str = "5s",
    ) -> "Prometheus":
        """Start it with its data in this folder, and wait until it is ready.

        Raises:
            PartError: It is not installed, or did not come up.
        """
        if (binary := find()) is None:
            raise PartError(MISSING)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "prometheus.yml"
        file.write_text(configuration(targets, interval=interval), encoding="utf-8")
        argv = [
            binary,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=7d",
            f"--web.listen-address={HOST}:{port}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ]
        process = supervisor.adopt(layer, await Process.start("prometheus", argv, log=folder / "prometheus.log"))
        await supervisor.ready(process, lambda: http_ok(f"http://{HOST}:{port}/-/ready"))
        return cls(f"http://{HOST}:{port}")

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query now.

        Raises:
            ValueError: Prometheus refuses the expression.
        """
        return await self._ask("query", query=expr)

    async def query_range(self, expr: str, *, start: float, end: float, step_s: float) -> list[dict[str, Any]]:
        """The series of a query over a span of Unix time.

        Raises:
            ValueError: Prometheus refuses the expression.
        """
        return await self._ask("query_range", query=expr, start=f"{start}", end=f"{end}", step=f"{step_s}")

    async def get(self, path: str, **parameters: str) -> Any:
        """The data of any other path of its API, such as "rules"."""
        return await self._get(path, parameters)

    async def _ask(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = (await self._get(path, parameters))["result"]
        return result

    async def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.url}/api/v1/{path}", params=parameters) as answer,
        ):
            body = await answer.json()
        if body["status"] != "success":
            raise ValueError(f"{body.get('error')}: {parameters}")
        return body["data"]
