"""An installation with one camera and a scripted model, for the clients."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chats.talking import chat_installation
from tests.clients.generate import PYTHON, TYPESCRIPT
from tests.clients.tools import run
from tests.endpoint import Model, endpoint
from tests.installation import Installation
from tests.prepared import KEEPER

WHO = (KEEPER["username"], KEEPER["password"])


@pytest.fixture(scope="session")
def model() -> Iterator[Model]:
    with endpoint() as running:
        yield running


@pytest.fixture(scope="session")
def club(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with chat_installation(tmp_path_factory.mktemp("clients"), model) as installation:
        installation.add_camera(name="Court", kind="demo")
        yield installation


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the Python client, imported as its users do: from its folder."""
    monkeypatch.syspath_prepend(str(PYTHON.parent))
    import sideline

    return sideline


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled module of the TypeScript client."""
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("sideline.ts", "types.d.ts", "tsconfig.json"):
        shutil.copy(TYPESCRIPT.parent / name, folder)
    run("tsc", "--project", folder, "--outDir", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder / "sideline.js"
