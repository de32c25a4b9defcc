"""The store of checked models, and detection while a model fails or its file is missing."""

from __future__ import annotations

import hashlib
import os
import resource
import time
from pathlib import Path

import pytest

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models import store as store_module
from cameras.ingest.custom_models.store import ModelStore
from cameras.ingest.labels import DEFAULT_CLASSES
from cameras.ingest.worker import follower
from cameras.ingest.worker.follower import FallbackDetector
from tests.cameras.ingest.custom_models import onnx_models
from tests.cameras.ingest.custom_models.checks import RED, stored_model
from tests.cameras.ingest.custom_models.onnx_models import picture
from tests.cameras.ingest.worker.clip import plaza


def test_builtin_detector_takes_over_while_a_model_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model never ends on a dark picture; the built-in detector takes over at once."""
    monkeypatch.setattr(protocol, "ANSWER_S", 60)
    monkeypatch.setattr(follower, "RETRY_S", 60)
    failures: list[tuple[str, str]] = []
    detector = FallbackDetector(
        0.4, DEFAULT_CLASSES, lambda model, why: failures.append((model, why))
    )
    model = stored_model(tmp_path, onnx_models.endless(below=0.3))
    detector.set_model(model)
    try:
        assert [one.label for one in detector.detect(picture(RED, 64, 32))] == ["red thing"]
        monkeypatch.setattr(protocol, "ANSWER_S", 1)  # no response comes
        detector.set_model(None)  # the process gets its limit at the start
        detector.set_model(model)
        assert detector.detect(picture((0, 0, 0), 0, 0, 100)) == []
        assert failures == [("the model", "It took longer than a detector may.")]
        people = [one.label for one in detector.detect(plaza(50))]
        assert people.count("person") >= 4
        assert len(failures) == 1
    finally:
        detector.set_model(None)


def test_damaged_model_file_is_not_a_model_failure(tmp_path: Path) -> None:
    failures: list[tuple[str, str]] = []
    detector = FallbackDetector(0.4, ["person"], lambda model, why: failures.append((model, why)))
    model = stored_model(tmp_path, onnx_models.finder())
    Path(model.path).write_bytes(b"other bytes")
    detector.set_model(model)
    assert len(detector.detect(plaza(50))) >= 4
    assert failures == []
    assert not Path(model.path).exists()


def test_store_keeps_only_checked_models_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "detectors"
    store, data = ModelStore(folder), b"a model"
    sha256 = hashlib.sha256(data).hexdigest()
    assert store.put(sha256, lambda: b"another") is None
    store = ModelStore(folder)
    path = store.put(sha256, lambda: data)
    assert path is not None
    assert path.read_bytes() == data
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    store.keep([sha256])
    assert path.exists()
    store.keep([])
    assert list(folder.iterdir()) == []


def test_model_that_cannot_be_stored_leaves_no_file_and_is_retried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, data, loaded = tmp_path / "detectors", bytes(8 * 2**20), []
    store, sha256 = ModelStore(folder), hashlib.sha256(data).hexdigest()

    def load() -> bytes:
        loaded.append(sha256)
        return data

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) - 1, hard))  # Python ignores SIGXFSZ
    try:
        assert store.put(sha256, load) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(folder.iterdir()) == []
    assert store.put(sha256, load) is None
    assert len(loaded) == 1
    later = time.monotonic() + store_module.PAUSE_S
    monkeypatch.setattr("cameras.ingest.custom_models.store.time.monotonic", lambda: later)
    assert store.put(sha256, load) is not None


def test_folder_that_cannot_be_used_stops_nothing(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "detectors"
    file.touch()
    sha256 = hashlib.sha256(b"a model").hexdigest()
    assert ModelStore(file).put(sha256, lambda: b"a model") is None
    ModelStore(file).keep([])
    (folder / "lost+found").mkdir(parents=True)
    ModelStore(folder).keep([])
    assert ModelStore(folder).put(sha256, lambda: b"a model") is not None


def test_files_that_are_no_models_in_use_are_removed(tmp_path: Path) -> None:
    (tmp_path / "left by an earlier version.part").touch()
    ModelStore(tmp_path).keep([])
    assert list(tmp_path.iterdir()) == []


def test_model_that_is_not_written_whole_is_stored_again(tmp_path: Path) -> None:
    model = stored_model(tmp_path, onnx_models.finder())
    os.truncate(model.path, 400)
    with pytest.raises(OSError, match="still being written"):
        model.read_bytes()
    assert stored_model(tmp_path, onnx_models.finder()).read_bytes() == onnx_models.finder()
