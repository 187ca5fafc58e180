"""Rules are right by Prometheus's own tool, each alert is tested, and each leads to a runbook."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.observe.prometheus import MISSING, RULES

RUNBOOKS = Path(__file__).parents[3] / "docs" / "runbooks"
TESTS = RULES / "tests"


def alerts() -> dict[str, dict[str, Any]]:
    groups = [group for file in RULES.glob("*.yaml") for group in yaml.safe_load(file.read_text("utf-8"))["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def promtool(*arguments: str | Path) -> None:
    """Run it; where it is missing, fail in CI and say so loudly elsewhere."""
    if (binary := shutil.which("promtool")) is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        print(f"\nNOT TESTED: rules of alerts. {MISSING}", file=sys.__stderr__)  # loud
        pytest.skip(MISSING)
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_valid() -> None:
    promtool("check", "rules", *sorted(RULES.glob("*.yaml")))


@pytest.mark.parametrize("file", sorted(TESTS.glob("*.yaml")), ids=lambda file: file.stem)
def test_alerts_fire_on_what_they_are_for_and_are_quiet_on_what_comes_close(file: Path) -> None:
    promtool("test", "rules", file)


def test_every_alert_is_tested_to_fire_and_to_be_quiet() -> None:
    tested: dict[str, set[bool]] = {}
    for file in TESTS.glob("*.yaml"):
        for test in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            for expected in test["alert_rule_test"]:
                tested.setdefault(expected["alertname"], set()).add(bool(expected["exp_alerts"]))
    assert tested == {name: {True, False} for name in alerts()}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert {file.stem for file in RUNBOOKS.glob("[A-Z]*.md") if file.stem != "README"} == alerts().keys()
    for name, rule in alerts().items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
        assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("name", sorted(alerts()))
def test_a_runbook_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text("utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[:3] == ["What it means", "Look", "Do"]
    for metric in re.findall(r"`(queqiao_[a-z_]+)", text):
        assert metric.removesuffix("_bucket").removesuffix("_count") in (RUNBOOKS.parent / "metrics.md").read_text(
            "utf-8"
        ), metric
