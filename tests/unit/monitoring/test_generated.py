"""What is committed is what the code writes, and mistakes in the code are named."""

import json
from pathlib import Path

import pytest
import yaml

from k8s.monitoring.dashboards.catalogue import DASHBOARDS
from k8s.monitoring.dashboards.grafana import to_json
from k8s.monitoring.dashboards.model import Dashboard
from k8s.monitoring.metrics import CatalogueError, catalogue, document

ROOT = Path(__file__).parents[3]
GENERATED = ROOT / "k8s" / "monitoring" / "dashboards" / "generated"


def test_the_dashboards_json_is_what_the_code_writes() -> None:
    written = {file.name: file.read_text("utf-8") for file in GENERATED.glob("*.json")}
    assert written == {f"{page.uid}.json": to_json(page) for page in DASHBOARDS}


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_a_page_has_all_its_panels_and_asks_the_chosen_prometheus(page: Dashboard) -> None:
    panels = [panel for panel in json.loads(to_json(page))["panels"] if panel["type"] != "row"]
    assert [panel["title"] for panel in panels] == [panel.title for panel in page.panels]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    assert asked == [query.expr for panel in page.panels for query in panel.queries]


def test_the_page_of_metrics_is_what_the_code_exports() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text("utf-8") == document()


def test_a_metric_whose_name_is_computed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "metrics.py").write_text(
        "from prometheus_client import Counter\n\nPREFIX = 'queqiao'\nCOUNT = Counter(PREFIX + '_things', 'Things.')\n"
    )
    with pytest.raises(CatalogueError, match=r"metrics\.py:4: give the metric a literal name"):
        catalogue(tmp_path)


def test_the_collector_uses_what_it_defines_and_keeps_errors_and_slow_traces() -> None:
    read = yaml.safe_load((ROOT / "k8s" / "monitoring" / "collector.yaml").read_text("utf-8"))
    pipeline = read["service"]["pipelines"]["traces"]
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == set(read[kind])
    policies = {policy["type"] for policy in read["processors"]["tail_sampling"]["policies"]}
    assert {"status_code", "latency", "probabilistic"} <= policies
