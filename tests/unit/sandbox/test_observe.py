"""`make observe` says what is missing, and scrapes what a mesh wrote down."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sandbox.observe import grafana
from sandbox.observe.prometheus import configuration, targets_of
from sandbox.processes import PartError
from sandbox.state import State


def observe(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "QUEQIAO_RUN_DIR": str(folder), "COLUMNS": "200", **env}
    argv = [sys.executable, "-m", "sandbox.observe"]
    return subprocess.run(argv, env=given, capture_output=True, text=True, timeout=30, check=False)


def test_without_a_mesh_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = observe(tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["✗ No mesh runs here: start one with `make run`, and then this beside it."]


def test_what_a_mesh_left_behind_is_not_watched(tmp_path: Path) -> None:
    (tmp_path / "mesh.env").write_text("")
    assert "No mesh runs here" in observe(tmp_path).stdout


def test_without_prometheus_it_says_in_one_sentence_how_to_get_it(tmp_path: Path) -> None:
    ports = "".join(f"{name}_METRICS_PORT=1\n" for name in ("GATEWAY", "CHAT", "MODERATION", "BILLING"))
    (tmp_path / "mesh.env").write_text(ports)
    with State(tmp_path).open():
        done = observe(tmp_path, PATH=str(tmp_path), PROMETHEUS="", PROMETHEUS_PORT="19090")
    assert done.returncode == 1
    assert "apt-get install -y --no-install-recommends prometheus" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_a_mesh_that_wrote_no_ports_is_to_be_started_again() -> None:
    with pytest.raises(PartError, match="no GATEWAY_METRICS_PORT: stop it and start it again"):
        targets_of({})


def test_every_service_is_scraped_as_a_job_of_its_name_and_rules_are_loaded() -> None:
    read = yaml.safe_load(configuration({"gateway": "127.0.0.1:1", "chat": "127.0.0.1:2"}, interval="5s"))
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in read["scrape_configs"]}
    assert jobs == {"gateway": ["127.0.0.1:1"], "chat": ["127.0.0.1:2"]}
    (pattern,) = read["rule_files"]
    assert list(Path("/").glob(pattern.lstrip("/")))


def test_grafana_is_told_where_prometheus_and_the_dashboards_are(tmp_path: Path) -> None:
    grafana.provision(tmp_path, "http://127.0.0.1:9090")
    (source,) = yaml.safe_load((tmp_path / "datasources/prometheus.yaml").read_text("utf-8"))["datasources"]
    (provider,) = yaml.safe_load((tmp_path / "dashboards/queqiao.yaml").read_text("utf-8"))["providers"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://127.0.0.1:9090", True)
    assert list(Path(provider["options"]["path"]).glob("*.json"))


def test_every_process_of_a_service_is_scraped() -> None:
    env = {f"{name}_METRICS_PORT": "1" for name in ("GATEWAY", "CHAT", "MODERATION", "BILLING")}
    targets = targets_of(env | {"CHAT_2_METRICS_PORT": "2"})
    assert targets["chat"] == "127.0.0.1:1,127.0.0.1:2"
    assert "targets: ['127.0.0.1:1', '127.0.0.1:2']" in configuration(targets, interval="5s")
