"""Loading, running and validating a custom model, inside its own process.

Accepted is the format that YOLOv8 and YOLO11 export and that the built-in detector has: one picture
[1, 3, height, width] in, [1, 4 + labels, boxes] or [1, boxes, 4 + labels] out. A box is centre x,
centre y, width, height in pixels of that picture, then a score from 0 to 1 for each label.
"""

from __future__ import annotations

import ast
import errno
import json
import resource
import time
from typing import Any

import numpy as np
import onnxruntime
from numpy.random import default_rng  # now: later no file can be opened
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf

from cameras.ingest.custom_models import protocol
from cameras.ingest.custom_models.protocol import ModelFailed
from cameras.ingest.labels import read_labels

ROUNDING = 1e-3
_CANNOT_OPEN = f"SystemError : {errno.EMFILE}"  # onnxruntime, in a process that may open no file
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

Picture = NDArray[np.uint8]  # BGR [height, width, 3]
Output = NDArray[np.float32]  # [4 + classes, boxes]


class Model:
    """An ONNX file in onnxruntime, on one thread of the CPU. Raises `ModelFailed`."""

    def __init__(self, data: bytes, colours: str, scale: str) -> None:
        self._session: Any = _session(data)
        self._rgb, self._unit = colours == "rgb", scale == "unit"
        self._meta = dict(self._session.get_modelmeta().custom_metadata_map)
        self._name, self._type, self.height, self.width = self._input()
        if len(self._session.get_outputs()) != 1:
            raise ModelFailed(
                f"It has {len(self._session.get_outputs())} outputs; a detector of boxes has one."
            )

    @property
    def names(self) -> list[str]:
        """The labels that the file names, if any."""
        return listed_names(self._meta.get("names", ""))

    def look(self, image: Picture, classes: int) -> Output:
        """What it sees in a picture [height, width, 3] of BGR bytes."""
        flipped = image[:, :, ::-1] if self._rgb else image
        pixels = flipped.transpose(2, 0, 1)[None].astype(np.float32)
        if self._unit:
            pixels /= 255
        given = np.ascontiguousarray(pixels, dtype=self._type)
        try:
            output = self._session.run(None, {self._name: given})[0]
        except Exception as error:  # onnxruntime's have no base of their own
            raise ModelFailed(_why("It cannot be run", error)) from None
        return _boxes(output, classes)

    def _input(self) -> tuple[str, Any, int, int]:
        """Name, type, height and width of its one input."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ModelFailed(f"It has {len(inputs)} inputs; a detector of pictures has one.")
        shape, kind = inputs[0].shape, inputs[0].type
        if kind not in _TYPES:
            raise ModelFailed("Its input must be of type float or float16.")
        if len(shape) != 4 or shape[1] != 3 or not _may_be_one(shape[0]):
            shown = " × ".join(str(side) for side in shape)
            raise ModelFailed(f"Its input must be 1 × 3 × height × width; it is {shown[:60]}.")
        usual = self._usual_size()
        height, width = (
            side if isinstance(side, int) else usual[at] for at, side in enumerate(shape[2:])
        )
        if not all(protocol.SMALLEST <= side <= protocol.LARGEST for side in (height, width)):
            raise ModelFailed(
                f"It looks at pictures of {width} × {height} pixels; each side may have from "
                f"{protocol.SMALLEST} to {protocol.LARGEST}."
            )
        return inputs[0].name, _TYPES[kind], height, width

    def _usual_size(self) -> tuple[int, int]:
        """Height and width where the file leaves them open: its `imgsz`, else a square."""
        try:
            height, width = json.loads(self._meta.get("imgsz", ""))
            return int(height), int(width)
        except (ValueError, TypeError, RecursionError):
            return protocol.USUAL_SIDE, protocol.USUAL_SIDE


def check(model: Model, wanted: list[str] | None) -> dict[str, Any]:
    """Judge it on three pictures. `wanted` are its labels; None takes those that the file names.

    Raises `ModelFailed`. Width, height, labels, seconds for a picture, and its peak of memory.
    """
    try:
        labels = read_labels(model.names if wanted is None else wanted)
    except ValueError as error:
        if wanted is None and not model.names:
            raise ModelFailed("The file names no labels; write them into the form.") from None
        raise ModelFailed(str(error)) from None
    seconds = 0.0
    for picture in _pictures(model.height, model.width):
        began = time.process_time()
        output = model.look(picture, len(labels))
        seconds = time.process_time() - began  # the last: the first also sets things up
        if not np.isfinite(output).all():
            raise ModelFailed("It answers with numbers that are none (NaN or infinite).")
        scores = output[4:]
        if scores.size and (scores.min() < -ROUNDING or scores.max() > 1 + ROUNDING):
            raise ModelFailed(
                "Its scores must be from 0 to 1; these are not. Export it with the sigmoid inside."
            )
    if seconds > protocol.PICTURE_S:
        raise ModelFailed(
            f"It needs {seconds:.1f} s for a picture on this machine; {protocol.PICTURE_S:.0f} s "
            "is the most. Export a smaller one, or for smaller pictures."
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sides = {"width": model.width, "height": model.height}
    return sides | {"labels": labels, "seconds": seconds, "memory": peak}


def _pictures(height: int, width: int) -> list[Picture]:
    """White, noise, and a shape on a slope of grey."""
    slope = np.linspace(0, 255, width)[None, :, None].repeat(height, 0).repeat(3, 2)
    slope[height // 4 : height // 2, width // 4 : width // 2] = (30, 120, 240)
    noise = default_rng(7).integers(0, 256, (height, width, 3))
    white = np.full((height, width, 3), 255)
    return [image.astype(np.uint8) for image in (white, noise, slope)]


def _boxes(output: Any, classes: int) -> Output:
    """[4 + classes, boxes], whichever way round it came. Raises `ModelFailed`."""
    rows = 4 + classes
    shape: tuple[int, ...] = getattr(output, "shape", ())
    if len(shape) == 3 and shape[0] == 1 and output.dtype in (np.float32, np.float16):
        if shape[1] == rows:
            return np.asarray(output[0], np.float32)
        if shape[2] == rows:
            return np.asarray(output[0].T, np.float32)
    shown = " × ".join(map(str, shape)) or "nothing"
    raise ModelFailed(
        f"With {classes} label{'s' * (classes != 1)} its output must be 1 × {rows} × boxes, or "
        f"1 × boxes × {rows}: place and size, then a score for each label. It is {shown[:60]}."
    )


def _session(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except InvalidProtobuf:
        raise ModelFailed("This is not an ONNX file, or it is damaged.") from None
    except Exception as error:  # onnxruntime's have no base of their own
        if "External data" in str(error) or _CANNOT_OPEN in str(error):
            sentence = "It keeps part of its data in other files. Export it as one file."
            raise ModelFailed(sentence) from None
        raise ModelFailed(_why("It cannot be loaded", error)) from None


def _may_be_one(side: object) -> bool:
    """True for 1, and for a side that the file leaves open: it has a name or is None."""
    return side in (1, None) or isinstance(side, str)


def listed_names(text: str) -> list[str]:
    """The labels in a model's metadata `names`; empty where it cannot be read.

    YOLO exports write a Python dictionary, `{0: 'person', 1: 'ball'}`; others JSON, or a list with
    commas.
    """
    text = text.strip()[:100_000]
    if not text.startswith(("{", "[", "(")):
        return [name.strip() for name in text.split(",")] if text else []
    try:
        found = ast.literal_eval(text)
        if isinstance(found, dict):
            found = [found[key] for key in sorted(found, key=int)]
        return [str(name) for name in found]
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return []


def _why(what: str, error: Exception) -> str:
    """A sentence with what onnxruntime says, in one short line."""
    said = "".join(c if c.isprintable() else " " for c in str(error))
    if isinstance(error, MemoryError) or "alloc" in said:
        return "It needs more memory than a detector may have."
    told = said.rpartition(" : ")[2].strip() if "[ONNXRuntimeError]" in said else said
    return f"{what}: {told[:200]}"
