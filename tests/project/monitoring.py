"""The queries of the alert rules and the dashboard in `deploy/monitoring`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
NAME = re.compile(r"\b(?:sideline|process)_[a-z_]+")
SUFFIX = re.compile("_(total|bucket|count|sum)$")


def alert_queries() -> dict[str, str]:
    """Return the alerts' queries by name."""
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def panels() -> Iterator[dict[str, Any]]:
    """Yield the dashboard's panels that show something."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def dashboard_queries() -> Iterator[str]:
    """Yield the dashboard's queries, with a value in the place of Grafana's variable."""
    for panel in panels():
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m")
            assert "$" not in query, query
            yield query


def used_families() -> set[str]:
    """Return the metric families that alerts and dashboard use."""
    queries = (*alert_queries().values(), *dashboard_queries())
    return {SUFFIX.sub("", name) for query in queries for name in NAME.findall(query)}
