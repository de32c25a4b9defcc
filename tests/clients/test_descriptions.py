"""OpenAPI and AsyncAPI pass the linters, and the clients' types are those of the documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.generate import PYTHON, TYPESCRIPT, documents, generate
from tests.clients.tools import TOOLS, node_version, run

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both documents, as they are served."""
    folder = tmp_path_factory.mktemp("documents")
    for name, document in zip(("openapi", "asyncapi"), documents(), strict=True):
        (folder / f"{name}.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_spectral_finds_nothing(folder: Path, name: str) -> None:
    rules = TOOLS / "spectral.yaml"
    run("spectral", "lint", folder / f"{name}.json", "--ruleset", rules, "--fail-severity", "hint")


@pytest.mark.skipif(node_version() < (20, 19), reason="Redocly needs Node 20.19 or newer")
def test_redocly_finds_nothing(folder: Path) -> None:
    printed = run("redocly", "lint", folder / "openapi.json", "--config", TOOLS / "redocly.yaml",
                  "--format", "github-actions")  # fmt: skip
    assert "::" not in printed  # warnings do not fail it


def test_types_of_the_clients_are_up_to_date(tmp_path: Path) -> None:
    python, typescript = tmp_path / PYTHON.name, tmp_path / TYPESCRIPT.name
    generate(python, typescript)
    for new, kept in ((python, PYTHON), (typescript, TYPESCRIPT)):
        assert new.read_text() == kept.read_text(), f"{kept.name} is old: run `make clients`."
