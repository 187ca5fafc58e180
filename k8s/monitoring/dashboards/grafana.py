"""Dashboards as Grafana's JSON, by Grafana's own foundation SDK."""

import json

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models

from k8s.monitoring.dashboards.model import Dashboard, Kind, Panel, Query, Unit

# Chosen at the top of each page.
_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_HEIGHT = 8
_COLUMNS = 24
_PER_LINE = 3


def to_json(page: Dashboard) -> str:
    """What Grafana imports; the same every time."""
    return json.dumps(_page(page).build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _page(page: Dashboard) -> grafana.Dashboard:
    built = (
        grafana.Dashboard(page.title)
        .uid(page.uid)
        .description(page.about)
        .tags(["queqiao"])
        .refresh("30s")
        .time(f"now-{page.hours}h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(grafana.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for row in page.rows:
        built = built.with_row(grafana.Row(row.title))
        for panel in row.panels:
            built = built.with_panel(_lines(panel) if panel.kind is Kind.LINES else _figures(panel))
    return built


def _lines(panel: Panel) -> timeseries.Panel:
    built = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.about)
        .datasource(_SOURCE)
        .unit(panel.unit.value)
        .min(0)
        .height(_HEIGHT)
        .span(_COLUMNS // _PER_LINE)
        .fill_opacity(10)
        .show_points(shapes.VisibilityMode.AUTO)
        .tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING))
        .legend(
            common.VizLegendOptions()
            .display_mode(shapes.LegendDisplayMode.LIST)
            .placement(shapes.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    if panel.limit is not None:
        built = built.thresholds(
            grafana.ThresholdsConfig()
            .mode(models.ThresholdsMode.ABSOLUTE)
            .steps([models.Threshold(value=None, color="green"), models.Threshold(value=panel.limit, color="red")])
        ).thresholds_style(common.GraphThresholdsStyleConfig().mode(shapes.GraphTresholdsStyleMode.DASHED))
    for query, name in zip(panel.queries, "ABCDEFGH", strict=False):
        built = built.with_target(_target(query, name))
    return built


def _figures(panel: Panel) -> stat.Panel:
    built = (
        stat.Panel()
        .title(panel.title)
        .description(panel.about)
        .datasource(_SOURCE)
        .unit(panel.unit.value)
        .decimals(3 if panel.unit is Unit.SHARE else 2 if panel.unit is Unit.YUAN else 0)
        .height(_HEIGHT // 2)
        .span(_COLUMNS // _PER_LINE)
        .graph_mode(shapes.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    for query, name in zip(panel.queries, "ABCDEFGH", strict=False):
        built = built.with_target(_target(query, name))
    return built


def _target(query: Query, name: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend)
        .ref_id(name)
        .range()
        .exemplar(query.exemplars)
    )
