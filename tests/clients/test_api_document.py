"""The examples in docs/api.md work as they are written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import ROOT
from tests.asyncapi import DOCUMENT
from tests.cameras.temporary_camera import temporary_camera
from tests.clients.conftest import WHO
from tests.clients.tools import TOOLS
from tests.installation import Installation
from tests.sockets import jpeg

pytestmark = pytest.mark.extended
TEXT = (ROOT / "docs" / "api.md").read_text()
# Before and after the example in JavaScript, which expects these names to be there.
_BEFORE = """\
globalThis.WebSocket ??= (await import(process.env.WS)).WebSocket;
const { URL, TOKEN, CAMERA } = process.env;
let shown = 0;
async function show(picture, header) {
  const start = new Uint8Array(await picture.arrayBuffer()).slice(0, 2);
  console.log("picture", picture.type, header.width > 0, ...start);
  if (++shown === 5) process.exit();
}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def run(command: Sequence[str], folder: Path = ROOT, **more: str) -> str:
    environment = {"PATH": os.environ["PATH"], **more}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def printed(club: Installation) -> str:
    """The output of all commands of the shell, one after the other, and the values they set."""
    script = "set -eu\n" + "\n".join(blocks("sh")) + '\necho "TOKEN $TOKEN $CAMERA"\n'
    return run(["bash", "-c", script], URL=club.url, USERNAME=WHO[0], PASSWORD=WHO[1])


@pytest.fixture(scope="module")
def known(club: Installation, printed: str) -> dict[str, str]:
    token, camera = printed.rpartition("TOKEN ")[2].split()
    return {"URL": club.url, "TOKEN": token, "CAMERA": camera}


def test_commands_of_the_shell_sign_in_list_and_ask(printed: str) -> None:
    assert '"name":"Court"' in printed
    assert 'data: {"type":"start"' in printed
    assert 'data: {"type":"done","status":"complete"}' in printed


def test_python_example_acknowledges(known: dict[str, str]) -> None:
    example, _ = blocks("python")
    lines = run([sys.executable, "-c", example], **known).splitlines()
    assert lines[0] == "status"
    assert len([line for line in lines if re.fullmatch(r"\d+ \d+", line)]) == 5


def test_python_example_publishes(
    club: Installation, known: dict[str, str], tmp_path: Path
) -> None:
    _, example = blocks("python")
    (tmp_path / "pictures").mkdir()
    with temporary_camera(club, name="Pushed", kind="push") as camera:
        for name in ("1.jpg", "2.jpg"):
            (tmp_path / "pictures" / name).write_bytes(jpeg())
        environment = {**known, "CAMERA": camera}
        lines = run([sys.executable, "-c", example], tmp_path, **environment).splitlines()
    assert ["ack" in json.loads(line) for line in lines] == [True, True]


def test_javascript_example_acknowledges(known: dict[str, str]) -> None:
    (example,) = blocks("js")
    node, ws = shutil.which("node"), str(TOOLS / "node_modules" / "ws" / "wrapper.mjs")
    assert node
    script = ["--input-type=module", "--eval", _BEFORE + example]
    lines = run([node, *script], WS=ws, **known).splitlines()
    assert lines[0] == "status"
    assert lines.count("picture image/jpeg true 255 216") == 5


def test_every_close_code_and_event_is_in_the_document() -> None:
    channels = DOCUMENT["channels"]
    sockets = channels["stream"]["description"] + channels["publish"]["description"]
    codes = set(re.findall(r"\b(?:10|44)\d\d\b", sockets))
    assert {"1001", "4401", "4429"} <= codes
    for code in codes:
        assert re.search(rf"^\|[^|]*\b{code}\b", TEXT, re.MULTILINE), code
    for event in channels["events"]["messages"]:
        assert f"\n| `{event}` |" in TEXT, event
