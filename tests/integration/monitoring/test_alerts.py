"""Every rule can be evaluated, and what it looks at exists."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.observe.prometheus import RULES
from tests.integration.monitoring.conftest import Watched

pytestmark = pytest.mark.xdist_group("watched")

# A series with or without matchers, as it stands in an expression.
_SELECTOR = re.compile(r"\b(?:queqiao[a-z_0-9:]*|up)(?:\{[^}]*\})?")


def _rules(file: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(file.read_text("utf-8"))["groups"] for rule in group["rules"]]


SELECTORS = sorted(
    {
        (rule.get("alert") or rule["record"], selector)
        for file in RULES.glob("*.yaml")
        for rule in _rules(file)
        for selector in _SELECTOR.findall(rule["expr"])
    }
)


async def test_prometheus_evaluates_every_rule(watched: Watched) -> None:
    groups = (await watched.prometheus.get("rules"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert len(rules) == sum(len(_rules(file)) for file in RULES.glob("*.yaml"))


@pytest.mark.parametrize(("rule", "selector"), SELECTORS)
async def test_what_a_rule_looks_at_exists(watched: Watched, rule: str, selector: str) -> None:
    assert await watched.prometheus.query(selector), f"{rule} looks at {selector}, which nobody exports"
