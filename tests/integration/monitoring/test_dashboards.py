"""Every panel of every dashboard has something to show."""

import math
import time

import pytest

from k8s.monitoring.dashboards.catalogue import DASHBOARDS
from k8s.monitoring.dashboards.model import Panel
from tests.integration.monitoring.conftest import Watched

pytestmark = pytest.mark.xdist_group("watched")

PANELS = [
    pytest.param(panel, id=f"{page.uid.removeprefix('queqiao-')}: {panel.title}")
    for page in DASHBOARDS
    for panel in page.panels
]


@pytest.mark.parametrize("panel", PANELS)
async def test_every_query_of_a_panel_returns_data_from_a_mesh_under_load(watched: Watched, panel: Panel) -> None:
    now = time.time()
    for query in panel.queries:
        expr = query.expr.replace("$__rate_interval", "15s")
        series = await watched.prometheus.query_range(expr, start=now - 90, end=now, step_s=3)
        values = [float(value) for one in series for _, value in one["values"]]
        assert any(math.isfinite(value) for value in values), f"no data: {expr}"


async def test_first_text_leads_nowhere_without_tracing(watched: Watched) -> None:
    series = await watched.prometheus.get(
        "query_exemplars",
        query="queqiao_http_first_token_seconds_bucket",
        start=f"{time.time() - 90}",
        end=f"{time.time()}",
    )
    assert series == []
