"""A model of one's own: what it can do to us."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from cameras.ingest.custom_models import check as checking
from cameras.ingest.custom_models import process, protocol
from cameras.ingest.custom_models.check import Busy, check
from cameras.ingest.custom_models.onnx_file import keeps_data_elsewhere
from tests.cameras.ingest.custom_models import onnx_models
from tests.cameras.ingest.custom_models.checks import refusal
from tests.cameras.ingest.custom_models.onnx_models import LABELS
from tests.waiting import until

PLAIN = "cameras/data/plaza.mp4"  # inside the folder where the process starts


def test_a_model_that_names_a_file_of_this_machine_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\x00\x00\x80\x3f")
    for location in (str(secret), "../" * 9 + str(secret), PLAIN):
        assert "other files" in refusal(onnx_models.with_outside_data(location))


def test_outside_data_is_found_in_every_corner_of_a_file() -> None:
    assert not keeps_data_elsewhere(memoryview(onnx_models.finder()))
    hidden = TensorProto(name="x", data_type=TensorProto.FLOAT, dims=[1])
    hidden.data_location = TensorProto.EXTERNAL
    constant = helper.make_node("Constant", [], ["c"], value=hidden)
    inner = helper.make_graph([constant], "inner", [], [])
    branch = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    function = helper.make_function(
        "own", "f", [], ["c"], [constant], [helper.make_opsetid("", 17)]
    )
    for nodes, functions in (([constant], []), ([branch], []), ([], [function])):
        made = onnx_models.model(nodes, [])
        made.functions.extend(functions)
        assert keeps_data_elsewhere(memoryview(made.SerializeToString()))


def test_a_models_process_cannot_open_a_file_even_where_nobody_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the first defence, reading the file for such names, were not there."""
    unguarded = (
        "import sys; from cameras.ingest.custom_models import main, validation;"
        "validation.keeps_data_elsewhere = lambda data: False; main.main(int(sys.argv[1]))"
    )
    monkeypatch.setattr(process, "COMMAND", ("-c", unguarded))
    assert check(onnx_models.finder(), LABELS, "rgb", "unit").labels == LABELS
    said = refusal(onnx_models.with_outside_data(PLAIN))
    assert "cannot be loaded" in said


def test_a_models_process_can_open_nothing_and_knows_no_secret() -> None:
    """Run its own confinement, then try."""
    tried = (
        "import socket, os, sys; from cameras.ingest.custom_models import main\n"
        "main.confine()\n"
        "def can(deed):\n"
        "    try: deed()\n"
        "    except OSError: return False\n"
        "    return True\n"
        "print(can(lambda: open('/etc/passwd')), can(socket.socket), can(lambda: os.pipe()))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", tried], stdout=subprocess.PIPE, check=True, text=True, timeout=60,
        cwd=process.ROOT,
    ).stdout  # fmt: skip
    assert printed.split() == ["False", "False", "False"]


def test_a_model_that_wants_too_much_memory_is_refused() -> None:
    assert "memory" in refusal(onnx_models.greedy())


def test_a_model_that_never_ends_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CHECK_S", 1.0)
    assert "took longer" in refusal(onnx_models.endless())


def test_a_process_that_crashes_is_told_with_its_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"
    monkeypatch.setattr(process, "COMMAND", ("-c", crash))
    assert "SIGSEGV" in refusal(onnx_models.finder())


def test_a_process_that_answers_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ("b'\\xff' * 99", "b'\\0\\0\\0\\2[]'", "b'\\0\\0\\0\\2{}'"):
        talk = (
            "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]));"
            f"s.sendall({answer}); s.recv(9999999)"
        )
        monkeypatch.setattr(process, "COMMAND", ("-c", talk))
        assert refusal(onnx_models.finder())


def test_one_model_is_checked_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    over = tmp_path / "over"
    waits = f"import os, time\nwhile not os.path.exists({str(over)!r}): time.sleep(0.05)"
    with monkeypatch.context() as patched:
        patched.setattr(process, "COMMAND", ("-c", waits))
        first = threading.Thread(target=refusal, args=(onnx_models.finder(),))
        first.start()
        try:
            until(checking._one_at_a_time.locked)
            with pytest.raises(Busy):
                check(onnx_models.finder(), LABELS, "rgb", "unit")
        finally:
            over.touch()
            first.join()
    assert check(onnx_models.finder(), LABELS, "rgb", "unit").labels == LABELS
