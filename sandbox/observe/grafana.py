"""Grafana, where it is installed, with the dashboards of this repository and Prometheus behind them."""

import shutil
from pathlib import Path

from sandbox.ports import HOST
from sandbox.probe import http_ok
from sandbox.processes import Process, minimal_env
from sandbox.supervisor import Supervisor

DASHBOARDS = Path(__file__).parents[2] / "k8s" / "monitoring" / "dashboards" / "generated"
MISSING = "Grafana is not installed; from Grafana's own packages it would show k8s/monitoring/dashboards/generated."

# Where its packages put its pages.
_HOME = Path("/usr/share/grafana")


def find() -> list[str] | None:
    """The command that serves; None when there is none."""
    if (binary := shutil.which("grafana")) is not None:
        return [binary, "server"]
    if (binary := shutil.which("grafana-server")) is not None:
        return [binary]
    return None


def provision(folder: Path, prometheus_url: str) -> None:
    """Write what Grafana reads at its start."""
    files = {
        "datasources/prometheus.yaml": "apiVersion: 1\ndatasources:\n"
        "  - {name: Prometheus, uid: prometheus, type: prometheus, access: proxy, isDefault: true, "
        f"url: '{prometheus_url}'}}\n",
        "dashboards/queqiao.yaml": "apiVersion: 1\nproviders:\n"
        f"  - {{name: queqiao, folder: Queqiao, type: file, options: {{path: '{DASHBOARDS}'}}}}\n",
    }
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


async def start(supervisor: Supervisor, folder: Path, prometheus_url: str, *, port: int) -> str:
    """Start it; answers its address.

    Raises:
        PartError: It did not come up.
        ValueError: It is not installed.
    """
    if (command := find()) is None:
        raise ValueError(MISSING)
    provision(folder / "provisioning", prometheus_url)
    env = minimal_env() | {
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_SERVER_HTTP_ADDR": HOST,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    }
    home = [f"--homepath={_HOME}"] if _HOME.is_dir() else []
    process = await Process.start("grafana", [*command, *home], log=folder / "grafana.log", env=env)
    supervisor.adopt(2, process)
    await supervisor.ready(process, lambda: http_ok(f"http://{HOST}:{port}/api/health"))
    return f"http://{HOST}:{port}"
