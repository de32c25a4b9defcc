"""A model of one's own: what is taken, what is refused and why, and what it can do to us."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from onnx import TensorProto, helper

from cameras.ingest import shelf as shelving
from cameras.ingest.detector import WEIGHTS
from cameras.ingest.labels import COCO, DEFAULT_CLASSES, chosen, read_labels
from cameras.ingest.own import process, terms
from cameras.ingest.own.check import Busy, check
from cameras.ingest.own.detector import Own, OwnDetector
from cameras.ingest.own.onnx_file import keeps_data_elsewhere, listed_names
from cameras.ingest.own.sight import Sight
from cameras.ingest.own.terms import ModelFailed
from cameras.ingest.shelf import Shelf
from tests.cameras.ingest import brought
from tests.cameras.ingest.brought import LABELS, picture
from tests.cameras.ingest.test_detector import plaza

PLAIN = "cameras/data/plaza.mp4"  # inside the folder where the process starts
RED, BLUE = (0, 0, 255), (255, 0, 0)


def own(folder: Path, data: bytes, labels: list[str] = LABELS, colours: str = "rgb") -> Own:
    """The model on a shelf, as a worker is told of it."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = Shelf(folder).put(sha256, lambda: data)
    return Own("the model", sha256, str(path), tuple(labels), colours, "unit")


def refusal(data: bytes, labels: list[str] | None = LABELS) -> str:
    with pytest.raises(ModelFailed) as refused:
        check(data, labels, "rgb", "unit")
    sentence = refused.value.sentence
    assert sentence.endswith((".", ")")) or ": " in sentence
    return sentence


@pytest.mark.parametrize("turned", [False, True], ids=["rows first", "boxes first"])
def test_a_detector_passes_and_finds_what_is_there(tmp_path: Path, turned: bool) -> None:
    data = brought.finder(turned=turned)
    passed = check(data, LABELS, "rgb", "unit")
    assert (passed.width, passed.height, passed.labels) == (96, 64, LABELS)
    detector = OwnDetector(own(tmp_path, data), 0.5, LABELS)
    try:
        (red,) = detector.detect(picture(RED, 64, 32))
        assert (red.label, red.bbox) == ("red thing", (64, 32, 32, 32))
        assert red.confidence == pytest.approx(1)
        (blue,) = detector.detect(picture(BLUE, 0, 96))
        assert (blue.label, blue.bbox) == ("blue thing", (0, 96, 32, 32))
        assert detector.detect(picture((90, 90, 90), 0, 0)) == []
    finally:
        detector.close()


def test_colours_are_given_in_the_order_that_was_chosen(tmp_path: Path) -> None:
    detector = OwnDetector(own(tmp_path, brought.finder(), colours="bgr"), 0.5, LABELS)
    try:
        assert [found.label for found in detector.detect(picture(RED, 64, 32))] == ["blue thing"]
    finally:
        detector.close()


def test_boxes_at_no_place_are_not_shown(tmp_path: Path) -> None:
    """Its check sees nothing of it: it does so on dark pictures only."""
    assert check(brought.shifty(), LABELS, "rgb", "unit")
    detector = OwnDetector(own(tmp_path, brought.shifty()), 0.5, LABELS)
    try:
        assert len(detector.detect(picture(RED, 64, 32))) == 1
        assert detector.detect(picture((0, 0, 0), 0, 0, 100)) == []
    finally:
        detector.close()


def test_only_the_chosen_labels_are_found(tmp_path: Path) -> None:
    detector = OwnDetector(own(tmp_path, brought.finder()), 0.5, ["blue thing"])
    try:
        assert detector.detect(picture(RED, 64, 32)) == []
        assert len(detector.detect(picture(BLUE, 64, 32))) == 1
    finally:
        detector.close()


def test_the_shipped_weights_pass_and_name_their_own_labels() -> None:
    passed = check(WEIGHTS.read_bytes(), None, "bgr", "bytes")
    assert (passed.width, passed.height) == (416, 256)
    assert passed.labels == list(COCO)
    assert "ms of one processor" in passed.sentence()


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ("{0: 'person', 1: 'ball'}", ["person", "ball"]),
        ('{"1": "ball", "0": "person"}', ["person", "ball"]),
        ("['person', 'ball']", ["person", "ball"]),
        ("person, ball", ["person", "ball"]),
        ("{0: __import__('os').getcwd()}", []),
        ("{'a': 'person'}", []),
        ("[" * 5000, []),
        ("", []),
    ],
)
def test_labels_are_read_from_the_file_as_exports_write_them(names: str, labels: list[str]) -> None:
    assert listed_names(names) == labels


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "no file": (lambda: b"", "It cannot be loaded"),
    "no ONNX": (lambda: b"\x89PNG" + bytes(500), "not an ONNX file"),
    "cut off": (lambda: brought.finder()[:-200], "not an ONNX file"),
    "too few labels": (lambda: brought.constantly(0.5, rows=9), "1 × 6 × boxes"),
    "too many inputs' channels": (
        lambda: brought.constantly(0.5, shape=(1, 1, 64, 96)), "1 × 3 × height × width",
    ),
    "a batch": (lambda: brought.constantly(0.5, shape=(8, 3, 64, 96)), "1 × 3 × height"),
    "huge pictures": (lambda: brought.constantly(0.5, shape=(1, 3, 4096, 4096)), "32 to 1280"),
    "tiny pictures": (lambda: brought.constantly(0.5, shape=(1, 3, 8, 8)), "32 to 1280"),
    "NaN": (lambda: brought.constantly(float("nan")), "NaN"),
    "infinite": (lambda: brought.constantly(float("inf")), "NaN or infinite"),
    "no sigmoid": (lambda: brought.constantly(7.0), "from 0 to 1"),
    "two outputs": (
        lambda: brought.model(
            [helper.make_node("Identity", ["images"], [name]) for name in ("out", "more")],
            outputs=("out", "more"),
        ).SerializeToString(), "2 outputs",
    ),
    "an unknown operator": (
        lambda: brought.spoiled(helper.make_node("Nonsense", ["found"], ["out"], domain="evil")),
        "cannot be loaded",
    ),
    "whole numbers": (
        lambda: brought.model(
            [helper.make_node("Identity", ["images"], ["out"])], kind=TensorProto.INT64
        ).SerializeToString(), "float",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_detector_is_refused_with_a_reason(name: str) -> None:
    made, reason = WRONG[name]
    assert reason in refusal(made())


def test_a_file_without_labels_asks_for_them() -> None:
    assert "names no labels" in refusal(brought.finder(), labels=None)


def test_a_label_of_the_file_is_one_printable_line() -> None:
    assert "one line" in refusal(brought.finder(names="{0: 'a', 1: 'b\\nc'}"), labels=None)
    for bad in (["a", "a"], [""], ["x" * 61], ["a\x1b[2J"], [f"{n}" for n in range(1001)]):
        with pytest.raises(ValueError, match="label"):
            read_labels(bad)


def test_a_model_that_names_a_file_of_this_machine_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\x00\x00\x80\x3f")
    for location in (str(secret), "../" * 9 + str(secret), PLAIN):
        assert "other files" in refusal(brought.with_outside_data(location))


def test_a_models_process_cannot_open_a_file_even_where_nobody_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the first defence, reading the file for such names, were not there."""
    unguarded = (
        "import sys; from cameras.ingest.own import judgement, runner;"
        "judgement.keeps_data_elsewhere = lambda data: False; runner.main(int(sys.argv[1]))"
    )
    monkeypatch.setattr(process, "COMMAND", ("-c", unguarded))
    assert check(brought.finder(), LABELS, "rgb", "unit").labels == LABELS
    said = refusal(brought.with_outside_data(PLAIN))
    assert "cannot be loaded" in said


def test_a_models_process_can_open_nothing_and_knows_no_secret() -> None:
    """Run its own confinement, then try."""
    import subprocess
    import sys

    tried = (
        "import socket, os, sys; from cameras.ingest.own import runner\n"
        "runner.confine()\n"
        "def can(deed):\n"
        "    try: deed()\n"
        "    except OSError: return False\n"
        "    return True\n"
        "print(can(lambda: open('/etc/passwd')), can(socket.socket), can(lambda: os.pipe()))\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", tried], stdout=subprocess.PIPE, check=True, text=True, timeout=30,
        cwd=process.ROOT,
    ).stdout  # fmt: skip
    assert printed.split() == ["False", "False", "False"]


def test_a_model_that_wants_too_much_memory_is_refused() -> None:
    assert "memory" in refusal(brought.greedy())


def test_a_model_that_never_ends_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "CHECK_S", 3.0)
    assert "took longer" in refusal(brought.endless())


def test_a_process_that_crashes_is_told_with_its_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})"
    monkeypatch.setattr(process, "COMMAND", ("-c", crash))
    assert "SIGSEGV" in refusal(brought.finder())


def test_a_process_that_answers_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ("b'\\xff' * 99", "b'\\0\\0\\0\\2[]'", "b'\\0\\0\\0\\2{}'"):
        talk = (
            "import socket, sys; s = socket.socket(fileno=int(sys.argv[1]));"
            f"s.sendall({answer}); s.recv(9999999)"
        )
        monkeypatch.setattr(process, "COMMAND", ("-c", talk))
        assert refusal(brought.finder())


def test_one_model_is_checked_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms, "CHECK_S", 4.0)
    first = threading.Thread(target=refusal, args=(brought.endless(),))
    first.start()
    try:
        from cameras.ingest.own import check as module
        from tests.waiting import until

        until(module._one_at_a_time.locked)
        with pytest.raises(Busy):
            check(brought.finder(), LABELS, "rgb", "unit")
    finally:
        first.join()
    assert check(brought.finder(), LABELS, "rgb", "unit").labels == LABELS


def test_pictures_go_on_while_a_model_fails_and_it_is_told_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a dark picture it computes for ever; the shipped weights take over at once."""
    monkeypatch.setattr(terms, "ANSWER_S", 0.5)
    told: list[tuple[str, str]] = []
    sight = Sight(0.4, DEFAULT_CLASSES, lambda model, why: told.append((model, why)))
    sight.use(own(tmp_path, brought.endless(below=0.3)))
    try:
        assert [one.label for one in sight.detect(picture(RED, 64, 32))] == ["red thing"]
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
    brought_along = own(tmp_path, brought.finder())
    Path(brought_along.path).write_bytes(b"other bytes")
    sight.use(brought_along)
    assert len(sight.detect(plaza(50))) >= 4
    assert told == []
    assert not Path(brought_along.path).exists()


def test_the_shelf_keeps_what_was_checked_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "detectors"
    shelf, data = Shelf(folder), b"a model"
    sha256 = hashlib.sha256(data).hexdigest()
    assert shelf.put(sha256, lambda: b"another") is None
    shelf = Shelf(folder)
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
    shelf, sha256 = Shelf(folder), hashlib.sha256(data).hexdigest()

    def load() -> bytes:
        loaded.append(sha256)
        return data

    with monkeypatch.context() as patched:
        patched.setattr(
            "cameras.ingest.shelf.os.replace", Mock(side_effect=OSError("no space left"))
        )
        assert shelf.put(sha256, load) is None
        assert list(folder.iterdir()) == []
    assert shelf.put(sha256, load) is None
    assert len(loaded) == 1
    later = time.monotonic() + shelving.PAUSE_S
    monkeypatch.setattr("cameras.ingest.shelf.time.monotonic", lambda: later)
    assert shelf.put(sha256, load) is not None


def test_what_a_process_that_died_was_writing_goes(tmp_path: Path) -> None:
    left, present = tmp_path / "left.part", tmp_path / "present.part"
    left.touch()
    present.touch()
    long_ago = time.time() - shelving.LEFT_S - 1
    os.utime(left, (long_ago, long_ago))
    Shelf(tmp_path).keep([])
    assert list(tmp_path.iterdir()) == [present]


def test_an_allow_list_that_was_made_for_another_detector_means_the_usual() -> None:
    assert chosen(["person"], COCO) == ["person"]
    assert chosen([], COCO) == []
    assert chosen(["player", "goal"], COCO) == list(DEFAULT_CLASSES)
    assert chosen(DEFAULT_CLASSES, ["person", "goal"]) == ["person", "goal"]
    assert chosen(["person"], ["person", "goal"]) == ["person"]
    assert chosen(["car"], ["player", "goal"]) == ["player", "goal"]


def test_outside_data_is_found_in_every_corner_of_a_file() -> None:
    assert not keeps_data_elsewhere(memoryview(brought.finder()))
    hidden = TensorProto(name="x", data_type=TensorProto.FLOAT, dims=[1])
    hidden.data_location = TensorProto.EXTERNAL
    constant = helper.make_node("Constant", [], ["c"], value=hidden)
    inner = helper.make_graph([constant], "inner", [], [])
    branch = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    function = helper.make_function(
        "own", "f", [], ["c"], [constant], [helper.make_opsetid("", 17)]
    )
    for nodes, functions in (([constant], []), ([branch], []), ([], [function])):
        made = brought.model(nodes, [])
        made.functions.extend(functions)
        assert keeps_data_elsewhere(memoryview(made.SerializeToString()))
