"""The saved view of an experiment: its runs as a table, and charts of scores against samples per language.

MLflow's default page hides child runs under their parent run and draws one chart per metric. This view, which MLflow
lists under "Views" with those that users save, shows the child runs in the order of their samples per language, the
columns in which they differ, and for each task the mean scores over languages against samples per language.

The format is the one in which MLflow 3.17 saves views. A version that does not know it shows its default page.
"""

import json
from typing import Any
from urllib.parse import urlencode

from clt_ray.tasks import TASKS
from clt_ray.tracking import names

KEY = "clt-ray"
NAME = "Scores by samples per language"
SAVED_VIEW_TAG = f"mlflow.sharedViewState.{KEY}"
CREATED_MILLISECONDS = 0
"""Creation time of the view. It is constant, so that the tag has the same value in every experiment."""

FIXED_COLUMNS = {"0": 73, "attributes.`Run Name`": 330, "runDateAndNestInfo": 140, "duration": 80}
"""Widths in pixels of the columns that every table of MLflow has: check box, name, creation time and duration."""
COLUMNS = {
    "params.`task`": 115,
    "params.`language_group`": 120,
    "params.`samples_per_language`": 150,
    f"tags.`{names.CHOSEN_STEP}`": 120,
}
MEAN_WIDTH = 170


def mean_metrics() -> tuple[str, ...]:
    """Returns the metrics with the mean scores of each task, in the order of their columns."""
    return tuple(f"{names.TEST}/{task}/{mean}" for task in TASKS for mean in names.MEANS)


def saved_view() -> str:
    """Returns the value of the experiment's tag `SAVED_VIEW_TAG`."""
    columns = COLUMNS | {f"metrics.`{mean}`": MEAN_WIDTH for mean in mean_metrics()}
    state = {
        "searchFilter": names.tag_filter(kind="run"),
        "orderByKey": f"metrics.`{names.SAMPLES}`",
        "orderByAsc": True,
        "selectedColumns": list(columns),
        "columnOrder": [*FIXED_COLUMNS, *columns],
        "columnWidths": FIXED_COLUMNS | columns,
        "runsHiddenMode": "SHOW_ALL",
        "hideEmptyCharts": True,
        "compareRunSections": [
            _section("scores", "Mean score by samples per language"),
            _section("loss", "Loss by step"),
        ],
        "compareRunCharts": [*map(_scatter, mean_metrics()), _line("val/loss"), _line("train/loss")],
        # Without this flag MLflow adds a chart for every other metric.
        "isAccordionReordered": True,
    }
    dates = {"createdAt": CREATED_MILLISECONDS, "updatedAt": CREATED_MILLISECONDS}
    return json.dumps({"name": NAME, **dates, "state": json.dumps(state, separators=(",", ":"))})


def view_query(chart: bool) -> str:
    """Returns the query string of a page's address that opens the view, as charts or as a table."""
    mode = {"compareRunsMode": "CHART"} if chart else {}
    return urlencode({"workflowType": "machine_learning", "viewStateShareKey": KEY, **mode})


def _section(uuid: str, title: str) -> dict[str, Any]:
    return {"uuid": uuid, "name": title, "display": True, "isReordered": False, "deleted": False, "isGenerated": False}


def _chart(kind: str, metric: str, section: str, **settings: Any) -> dict[str, Any]:
    place = {"uuid": f"{section}/{metric}", "type": kind, "metricSectionId": section, "deleted": False}
    return {**place, "isGenerated": False, "runsCountToCompare": 100, "displayName": metric, **settings}


def _scatter(metric: str) -> dict[str, Any]:
    def axis(key: str) -> dict[str, str]:
        return {"key": key, "type": "METRIC"}

    return _chart("SCATTER", metric, "scores", xaxis=axis(names.SAMPLES), yaxis=axis(metric))


def _line(metric: str) -> dict[str, Any]:
    scale = {"lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear", "range": {}}
    axes = {"xAxisKey": "step", "selectedXAxisMetricKey": "", "yAxisKey": "metric", "yAxisExpressions": []}
    shared = {"ignoreOutliers": False, "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True}
    return _chart("LINE", metric, "loss", metricKey=metric, selectedMetricKeys=[metric], **scale, **axes, **shared)
