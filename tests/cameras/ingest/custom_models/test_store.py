"""Where checked models lie, and what is seen when one fails or is gone."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models import store as shelving
from cameras.ingest.custom_models.store import ModelStore
from cameras.ingest.labels import DEFAULT_CLASSES
from cameras.ingest.worker import follower as seeing
from cameras.ingest.worker.follower import Sight
from tests.cameras.ingest.custom_models import onnx_models
from tests.cameras.ingest.custom_models.checks import RED, own
from tests.cameras.ingest.custom_models.onnx_models import picture
from tests.cameras.ingest.worker.clip import plaza


def test_pictures_go_on_while_a_model_fails_and_it_is_told_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a dark picture it computes for ever; the shipped weights take over at once."""
    monkeypatch.setattr(protocol, "ANSWER_S", 60)
    monkeypatch.setattr(seeing, "AGAIN_S", 60)
    told: list[tuple[str, str]] = []
    sight = Sight(0.4, DEFAULT_CLASSES, lambda model, why: told.append((model, why)))
    model = own(tmp_path, onnx_models.endless(below=0.3))
    sight.use(model)
    try:
        assert [one.label for one in sight.detect(picture(RED, 64, 32))] == ["red thing"]
        monkeypatch.setattr(protocol, "ANSWER_S", 1)  # none comes
        sight.use(None)  # its process is told the limit when it begins
        sight.use(model)
        assert sight.detect(picture((0, 0, 0), 0, 0, 100)) == []
        assert told == [("the model", "It took longer than a detector may.")]
        people = [one.label for one in sight.detect(plaza(50))]
        assert people.count("person") >= 4
        assert len(told) == 1
    finally:
        sight.use(None)


def test_a_model_whose_file_is_gone_or_damaged_is_not_blamed(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    sight = Sight(0.4, ["person"], lambda model, why: told.append((model, why)))
    brought_along = own(tmp_path, onnx_models.finder())
    Path(brought_along.path).write_bytes(b"other bytes")
    sight.use(brought_along)
    assert len(sight.detect(plaza(50))) >= 4
    assert told == []
    assert not Path(brought_along.path).exists()


def test_the_shelf_keeps_what_was_checked_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "detectors"
    shelf, data = ModelStore(folder), b"a model"
    sha256 = hashlib.sha256(data).hexdigest()
    assert shelf.put(sha256, lambda: b"another") is None
    shelf = ModelStore(folder)
    path = shelf.put(sha256, lambda: data)
    assert path is not None
    assert path.read_bytes() == data
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    shelf.keep([sha256])
    assert path.exists()
    shelf.keep([])
    assert list(folder.iterdir()) == []


def test_a_model_that_cannot_be_stored_leaves_nothing_and_is_not_tried_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, data, loaded = tmp_path / "detectors", b"a model", []
    shelf, sha256 = ModelStore(folder), hashlib.sha256(data).hexdigest()

    def load() -> bytes:
        loaded.append(sha256)
        return data

    with monkeypatch.context() as patched:
        patched.setattr(
            "cameras.ingest.custom_models.store.os.replace",
            Mock(side_effect=OSError("no space left")),
        )
        assert shelf.put(sha256, load) is None
        assert list(folder.iterdir()) == []
    assert shelf.put(sha256, load) is None
    assert len(loaded) == 1
    later = time.monotonic() + shelving.PAUSE_S
    monkeypatch.setattr("cameras.ingest.custom_models.store.time.monotonic", lambda: later)
    assert shelf.put(sha256, load) is not None


def test_what_a_process_that_died_was_writing_goes(tmp_path: Path) -> None:
    left, present = tmp_path / "left.part", tmp_path / "present.part"
    left.touch()
    present.touch()
    long_ago = time.time() - shelving.LEFT_S - 1
    os.utime(left, (long_ago, long_ago))
    ModelStore(tmp_path).keep([])
    assert list(tmp_path.iterdir()) == [present]
