"""The alert rules and the dashboard in `deploy/monitoring`, checked by Prometheus's own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from tests.project.monitoring import FOLDER, alert_queries, dashboard_queries, panels


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alert_rules_are_valid() -> None:
    promtool("check", "rules", "--lint-fatal", FOLDER / "alerts.yml")


def test_each_alert_fires_for_its_reason() -> None:
    promtool("test", "rules", FOLDER / "alerts-test.yml")
    tests = yaml.safe_load((FOLDER / "alerts-test.yml").read_text())["tests"]
    fired = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert fired == alert_queries().keys()


def test_queries_of_the_dashboard_are_valid(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": query}
        for number, query in enumerate(dashboard_queries())
    ]
    assert len(rules) > 20
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    cells: set[tuple[int, int]] = set()
    shown = [*panels()]
    for panel in shown:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & own, panel["title"]
        cells |= own
    assert len({panel["id"] for panel in shown}) == len(shown)
