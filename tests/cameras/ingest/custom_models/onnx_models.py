"""ONNX models for tests: a small valid detector, and models that must be refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

WIDTH, HEIGHT, CELL = 96, 64, 16
CELLS = (WIDTH // CELL) * (HEIGHT // CELL)
LABELS = ["red thing", "blue thing"]


def constant(name: str, value: Any, kind: Any = np.float32) -> Any:
    return numpy_helper.from_array(np.array(value, kind), name)


def cells() -> Any:
    """Return centre and size of each cell, [1, 4, CELLS]."""
    x, y = np.meshgrid(
        np.arange(CELL / 2, WIDTH, CELL), np.arange(CELL / 2, HEIGHT, CELL), indexing="xy"
    )
    size = np.full(CELLS, CELL)
    return np.stack((x.ravel(), y.ravel(), size, size))[None]


def model(
    nodes: Sequence[Any],
    constants: Sequence[Any] = (),
    *,
    shape: Sequence[Any] = (1, 3, HEIGHT, WIDTH),
    kind: int = TensorProto.FLOAT,
    outputs: Sequence[str] = ("out",),
    names: str | None = None,
) -> ModelProto:
    """A graph from `images` to `outputs`."""
    graph = helper.make_graph(
        list(nodes), "custom",
        [helper.make_tensor_value_info("images", kind, list(shape))],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        list(constants),
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names is not None:
        helper.set_model_props(proto, {"names": names})
    return proto


def finding(*, turned: bool = False) -> tuple[list[Any], list[Any]]:
    """Return nodes and constants that find red and blue cells in RGB from 0 to 1, as `found`."""
    weights = np.array([[1, -0.5, -0.5], [-0.5, -0.5, 1]]).reshape(2, 3, 1, 1)
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["colour"]),
        helper.make_node(
            "AveragePool", ["colour"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]
        ),
        helper.make_node("Clip", ["pooled", "none", "one"], ["clipped"]),
        helper.make_node("Reshape", ["clipped", "flat"], ["scores"]),
        helper.make_node("Concat", ["cells", "scores"], ["straight"], axis=1),
        helper.make_node("Transpose", ["straight"], ["found"], perm=[0, 2, 1])
        if turned
        else helper.make_node("Identity", ["straight"], ["found"]),
    ]  # fmt: skip
    return nodes, [
        constant("weights", weights), constant("none", 0), constant("one", 1),
        constant("flat", [1, 2, CELLS], np.int64), constant("cells", cells()),
    ]  # fmt: skip


def finder(*, turned: bool = False, names: str | None = None) -> bytes:
    """A detector of red and blue cells."""
    nodes, constants = finding(turned=turned)
    nodes.append(helper.make_node("Identity", ["found"], ["out"]))
    return model(nodes, constants, names=names).SerializeToString()


def with_more_nodes(*spoil: Any, constants: Sequence[Any] = ()) -> bytes:
    """A detector whose `found` passes through more nodes before `out`."""
    nodes, known = finding()
    return model([*nodes, *spoil], [*known, *constants]).SerializeToString()


def constant_output(value: float, rows: int = 6, boxes: int = CELLS, **more: Any) -> bytes:
    """A model whose output [1, rows, boxes] is the same number everywhere."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "answer"], ["out"]),
    ]
    answer = constant("answer", np.full((1, rows, boxes), value))
    return model(nodes, [constant("zero", 0), answer], **more).SerializeToString()


def memory_hungry() -> bytes:
    """A detector that allocates 40 GB per picture."""
    return with_more_nodes(
        helper.make_node("ReduceMax", ["found"], ["most"], keepdims=0),
        helper.make_node("Expand", ["most", "huge"], ["vast"]),
        helper.make_node("ReduceMean", ["vast"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nought"], ["nothing"]),
        helper.make_node("Add", ["found", "nothing"], ["out"]),
        constants=[constant("huge", [100_000, 100_000], np.int64), constant("nought", 0)],
    )


def endless(*, below: float = 9.0) -> bytes:
    """A detector that never ends on a picture whose mean, from 0 to 1, is below `below`."""
    keep = helper.make_tensor_value_info("keep", TensorProto.BOOL, [])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["keep"], ["keep_on"]),
            helper.make_node("Sin", ["value"], ["next"]),
        ],
        "again",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []), keep,
         helper.make_tensor_value_info("value", TensorProto.FLOAT, [])],
        [helper.make_tensor_value_info("keep_on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("next", TensorProto.FLOAT, [])],
    )  # fmt: skip
    return with_more_nodes(
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Less", ["mean", "below"], ["dark"]),
        helper.make_node("Cast", ["dark"], ["whether"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whether", "for_ever"], ["turns"]),
        helper.make_node("Loop", ["turns", "true", "mean"], ["after"], body=body),
        helper.make_node("Mul", ["after", "nought"], ["nothing"]),
        helper.make_node("Add", ["found", "nothing"], ["out"]),
        constants=[
            constant("below", below), constant("for_ever", 10**15, np.int64),
            constant("true", True, np.bool_), constant("nought", 0),
        ],
    )  # fmt: skip


def nan_boxes(*, below: float = 0.3) -> bytes:
    """A detector with NaN boxes on a picture whose mean, from 0 to 1, is below `below`."""
    return with_more_nodes(
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Less", ["mean", "below"], ["dark"]),
        helper.make_node("And", ["dark", "boxes"], ["these"]),
        helper.make_node("Where", ["these", "nan", "found"], ["placed"]),
        helper.make_node("And", ["dark", "scores_too"], ["those"]),
        helper.make_node("Where", ["those", "one", "placed"], ["out"]),
        constants=[
            constant("below", below), constant("nan", float("nan")),
            constant("boxes", [[[row < 4] for row in range(6)]], np.bool_),
            constant("scores_too", [[[row >= 4] for row in range(6)]], np.bool_),
        ],
    )  # fmt: skip


def external(name: str, dims: Sequence[int], location: str) -> TensorProto:
    """Return a tensor that is in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims)
    tensor.data_location = TensorProto.EXTERNAL
    length = str(4 * int(np.prod(dims)))
    for key, value in (("location", location), ("offset", "0"), ("length", length)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def with_external_data(location: str) -> bytes:
    """A detector with external data: it adds 74 KB of another file to each picture."""
    nodes, constants = finding()
    nodes[0].input[0] = "seen"
    nodes.insert(0, helper.make_node("Add", ["images", "secret"], ["seen"]))
    nodes.append(helper.make_node("Identity", ["found"], ["out"]))
    outside = external("secret", [1, 3, HEIGHT, WIDTH], location)
    return model(nodes, [*constants, outside]).SerializeToString()


def with_hidden_external_data(where: str, location: str) -> bytes:
    """A detector that adds external data in a node, in a branch of one, or in a function."""
    secret = helper.make_node("Constant", [], ["secret"], value=external("s", [1], location))
    add = helper.make_node("Add", ["found", "secret"], ["out"])
    nodes, constants = finding()
    if where == "node":
        return model([*nodes, secret, add], constants).SerializeToString()
    if where == "branch":
        inner = helper.make_graph(
            [secret], "inner", [], [helper.make_tensor_value_info("secret", TensorProto.FLOAT, [1])]
        )
        nodes.append(
            helper.make_node("If", ["yes"], ["chosen"], then_branch=inner, else_branch=inner)
        )
        nodes.append(helper.make_node("Add", ["found", "chosen"], ["out"]))
        constants.append(constant("yes", True, np.bool_))
        return model(nodes, constants).SerializeToString()
    nodes.append(helper.make_node("f", ["found"], ["out"], domain="own"))
    proto = model(nodes, constants)
    opset = helper.make_opsetid("", 17)
    proto.functions.append(
        helper.make_function("own", "f", ["found"], ["out"], [secret, add], [opset])
    )
    proto.opset_import.append(helper.make_opsetid("own", 1))
    return proto.SerializeToString()


def picture(colour: tuple[int, int, int], x: int, y: int, side: int = CELL) -> Any:
    """Return a grey picture, twice the model's size, with a square of a BGR colour."""
    image = np.full((HEIGHT * 2, WIDTH * 2, 3), 90, np.uint8)
    image[y : y + side * 2, x : x + side * 2] = colour
    return image
