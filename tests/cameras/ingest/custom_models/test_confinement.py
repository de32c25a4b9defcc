"""A custom model cannot harm the server: its check and its confined process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cameras.ingest.custom_models import check as checking
from cameras.ingest.custom_models import process, protocol
from cameras.ingest.custom_models.check import check
from tests.cameras.ingest.custom_models import onnx_models
from tests.cameras.ingest.custom_models.checks import refusal
from tests.cameras.ingest.custom_models.onnx_models import LABELS
from tests.waiting import until

PLAIN = "cameras/data/plaza.mp4"  # inside the working directory of the process


def test_model_with_external_data_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\x00\x00\x80\x3f")
    for location in (str(secret), "../" * 9 + str(secret), PLAIN):
        assert "other files" in refusal(onnx_models.with_external_data(location))


@pytest.mark.parametrize("where", ["node", "branch", "function"])
def test_model_with_external_data_anywhere_is_refused(where: str) -> None:
    assert "other files" in refusal(onnx_models.with_hidden_external_data(where, PLAIN))


def test_confined_process_can_open_nothing() -> None:
    """Run `confine`, then try to open a file, a socket and a pipe."""
    script = (
        "import socket, os, sys; from cameras.ingest.custom_models import main\n"
        "main.confine()\n"
        "def can(action):\n"
        "    try: action()\n"
        "    except OSError: return False\n"
        "    return True\n"
        "print(can(lambda: open('/etc/passwd')), can(socket.socket), can(lambda: os.pipe()))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, text=True, timeout=60,
        cwd=process.ROOT,
    ).stdout  # fmt: skip
    assert printed.split() == ["False", "False", "False"]


def test_model_that_needs_too_much_memory_is_refused() -> None:
    assert "memory" in refusal(onnx_models.memory_hungry())


def test_model_that_never_ends_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "CHECK_S", 1.0)
    assert "took longer" in refusal(onnx_models.endless())


def test_crash_is_reported_with_its_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"
    monkeypatch.setattr(process, "COMMAND", ("-c", crash))
    assert "SIGSEGV" in refusal(onnx_models.finder())


def test_malformed_response_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ("b'\\xff' * 99", "b'\\0\\0\\0\\2[]'", "b'\\0\\0\\0\\2{}'"):
        talk = (
            "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]));"
            f"s.sendall({answer}); s.recv(9999999)"
        )
        monkeypatch.setattr(process, "COMMAND", ("-c", talk))
        assert refusal(onnx_models.finder())


def test_process_that_sends_half_an_answer_is_ended_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "CHECK_S", 1.0)
    talk = (
        "import signal, socket, sys, time; signal.signal(signal.SIGALRM, signal.SIG_IGN);"
        "s = socket.socket(fileno=int(sys.argv[1])); s.sendall(b'\\0\\0\\3\\xff');"
        "[(s.sendall(b'\\0'), time.sleep(0.1)) for _ in range(900)]"
    )
    monkeypatch.setattr(process, "COMMAND", ("-c", talk))
    assert "took longer" in refusal(onnx_models.finder())


def test_only_one_model_is_checked_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    over = tmp_path / "over"
    waits = f"import os, time\nwhile not os.path.exists({str(over)!r}): time.sleep(0.05)"
    with monkeypatch.context() as patched:
        patched.setattr(process, "COMMAND", ("-c", waits))
        first = threading.Thread(target=refusal, args=(onnx_models.finder(),))
        first.start()
        try:
            until(checking._one_at_a_time.locked)
            with pytest.raises(BlockingIOError):
                check(onnx_models.finder(), LABELS, "rgb", "unit")
        finally:
            over.touch()
            first.join()
    assert check(onnx_models.finder(), LABELS, "rgb", "unit").labels == LABELS
