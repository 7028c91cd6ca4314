"""MediaPipe's TFLite networks on PyTorch: a reader of the file's graph, and the operators that these networks use.

The file is a FlatBuffer. Numbers of fields, operators and options are those of TensorFlow Lite's published schema, version 3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_TYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
_SAME = 0  # padding that keeps the size but for the stride; the odd pixel goes to the bottom and the right
_RELU, _RELU6 = 1, 3  # activations fused into an operator

Values = dict[int, Tensor]
Step = Callable[[Values], Tensor]


class UnreadableNetworkError(ValueError):
    """The file is damaged, or holds something else."""


class UnknownOperatorError(ValueError):
    """The network is in order but needs an operator that is not implemented here."""


class TFLiteNetwork:
    """A network of a .tflite file, with float32 weights on the CPU.

    side: rows and columns of the square pictures that it takes.

    Raises:
        UnreadableNetworkError, UnknownOperatorError: see there.
    """

    def __init__(self, content: bytes):
        try:
            graph = read_graph(content)
            self._steps = [(operator.output, _step(graph, operator)) for operator in graph.operators]
        except UnknownOperatorError:
            raise
        except (struct.error, IndexError, KeyError, ValueError, RuntimeError) as failure:
            raise UnreadableNetworkError(f"the network cannot be read: {type(failure).__name__}: {failure}") from failure
        self._inputs, self._outputs = graph.inputs, graph.outputs
        self.side = graph.shapes[graph.inputs[0]][1]

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """Pictures [B, side, side, 3] float32 -> the network's outputs, batch first and channels last, in the file's order."""
        values: Values = {self._inputs[0]: _channels_first(pictures)}
        with torch.inference_mode():
            for output, step in self._steps:
                values[output] = step(values)
        return [_channels_last(values[number]) for number in self._outputs]


class _Table:
    """A FlatBuffer table; fields are asked for by their number in the schema."""

    def __init__(self, content: bytes, at: int):
        self._content, self._at = content, at
        self._fields = at - struct.unpack_from("<i", content, at)[0]
        self._size = struct.unpack_from("<H", content, self._fields)[0]

    def number(self, field: int, kind: str, default: int = 0) -> int:
        offset = self._offset(field)
        return struct.unpack_from("<" + kind, self._content, self._at + offset)[0] if offset else default

    def table(self, field: int) -> _Table | None:
        at = self._target(field)
        return None if at is None else _Table(self._content, at)

    def array(self, field: int, kind: type = np.int32) -> np.ndarray:
        at = self._target(field)
        if at is None:
            return np.zeros(0, kind)
        return np.frombuffer(self._content, np.dtype(kind).newbyteorder("<"), struct.unpack_from("<I", self._content, at)[0], at + 4)

    def tables(self, field: int) -> list[_Table]:
        at = self._target(field)
        places = [] if at is None else range(at + 4, at + 4 + 4 * struct.unpack_from("<I", self._content, at)[0], 4)
        return [_Table(self._content, place + struct.unpack_from("<I", self._content, place)[0]) for place in places]

    def _offset(self, field: int) -> int:
        slot = 4 + 2 * field
        return struct.unpack_from("<H", self._content, self._fields + slot)[0] if slot < self._size else 0

    def _target(self, field: int) -> int | None:
        offset = self._offset(field)
        return self._at + offset + struct.unpack_from("<I", self._content, self._at + offset)[0] if offset else None


@dataclass(frozen=True)
class Operator:
    """kind: its code, or its name if it is a custom one. inputs, output: numbers of tensors."""

    kind: int | str
    inputs: list[int]
    output: int
    options: _Table | None

    def option(self, field: int, kind: str, default: int = 0) -> int:
        return self.options.number(field, kind, default) if self.options else default


@dataclass(frozen=True)
class Graph:
    """shapes: of every tensor, channels last. constants: the tensors that the file holds, as it holds them."""

    shapes: list[list[int]]
    constants: dict[int, Tensor]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]

    def value(self, number: int) -> Step:
        """A tensor, constant or computed, channels first."""
        if number not in self.constants:
            return lambda values: values[number]
        constant = self.constants[number]
        constant = _channels_first(constant) if constant.ndim == 4 else constant.reshape(1, -1, 1, 1)
        return lambda values: constant


def read_graph(content: bytes) -> Graph:
    """The operators and constants of a .tflite file. Damaged ones raise whatever reading beyond their end raises."""
    model = _Table(content, struct.unpack_from("<I", content, 0)[0])
    kinds = [_kind(code) for code in model.tables(1)]
    graph, buffers = model.tables(2)[0], model.tables(4)
    shapes, constants = [], {}
    for number, tensor in enumerate(graph.tables(0)):
        shapes.append(tensor.array(0).tolist())
        held = buffers[tensor.number(2, "I")].array(0, np.uint8)
        if held.size:
            numbers = np.frombuffer(held.tobytes(), _TYPES[tensor.number(1, "b")]).reshape(shapes[-1])
            constants[number] = torch.from_numpy(numbers.astype(np.float32) if numbers.dtype == np.float16 else numbers.copy())
    operators = []
    for operator in graph.tables(3):
        inputs, outputs = operator.array(1).tolist(), operator.array(2).tolist()
        kind = kinds[operator.number(0, "I")]
        if kind == _DEQUANTIZE:
            constants[outputs[0]] = constants[inputs[0]]
        else:
            operators.append(Operator(kind, inputs, outputs[0], operator.table(4)))
    return Graph(shapes, constants, operators, graph.array(1).tolist(), graph.array(2).tolist())


def _step(graph: Graph, operator: Operator) -> Step:
    if operator.kind not in _BUILDERS:
        raise UnknownOperatorError(f"the operator {operator.kind} is not supported")
    return _BUILDERS[operator.kind](graph, operator)


def _kind(code: _Table) -> int | str:
    custom = bytes(code.array(1, np.uint8)).decode()
    return custom or max(code.number(3, "i"), code.number(0, "b"))  # codes beyond 127 stand in a later field


def _channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2) if x.ndim == 4 else x


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def _activated(x: Tensor, activation: int) -> Tensor:
    return F.relu(x) if activation == _RELU else F.relu6(x) if activation == _RELU6 else x


def _padding(graph: Graph, operator: Operator, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> list[int]:
    """Left, right, top, bottom."""
    if operator.option(0, "b") != _SAME:
        return [0, 0, 0, 0]
    padding = []
    for axis in (1, 0):
        size = graph.shapes[operator.inputs[0]][1 + axis]
        whole = (math.ceil(size / stride[axis]) - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - size
        padding += [max(whole, 0) // 2, max(whole, 0) - max(whole, 0) // 2]
    return padding


def _convolution(graph: Graph, operator: Operator, axes: tuple[int, ...], later_fields: int) -> Step:
    source, kernel, shift = operator.inputs
    weight, bias = graph.constants[kernel].permute(axes).contiguous(), graph.constants[shift]
    stride = operator.option(2, "i", 1), operator.option(1, "i", 1)
    dilation = operator.option(5 + later_fields, "i", 1), operator.option(4 + later_fields, "i", 1)
    activation = operator.option(3 + later_fields, "b")
    groups = graph.shapes[source][3] // weight.shape[1]
    padding = _padding(graph, operator, (weight.shape[2], weight.shape[3]), stride, dilation)
    even = padding[0] == padding[1] and padding[2] == padding[3]
    within = (padding[2], padding[0]) if even else (0, 0)

    def step(values: Values) -> Tensor:
        x = values[source] if even else F.pad(values[source], padding)
        return _activated(F.conv2d(x, weight, bias, stride, within, dilation, groups), activation)

    return step


def _transposed_convolution(graph: Graph, operator: Operator) -> Step:
    source, kernel, shift = operator.inputs
    weight, bias = graph.constants[kernel].permute(3, 0, 1, 2).contiguous(), graph.constants[shift]
    return lambda values: F.conv_transpose2d(values[source], weight, bias, stride=2)


def _of_two(graph: Graph, operator: Operator, function: Callable[[Tensor, Tensor], Tensor]) -> Step:
    a, b = (graph.value(number) for number in operator.inputs)
    activation = operator.option(0, "b")
    return lambda values: _activated(function(a(values), b(values)), activation)


def _window(operator: Operator) -> tuple[tuple[int, int], tuple[int, int]]:
    return (operator.option(4, "i"), operator.option(3, "i")), (operator.option(2, "i", 1), operator.option(1, "i", 1))


def _max_pool(graph: Graph, operator: Operator) -> Step:
    kernel, stride = _window(operator)
    padding = _padding(graph, operator, kernel, stride, (1, 1))
    return lambda values: F.max_pool2d(F.pad(values[operator.inputs[0]], padding, value=-math.inf), kernel, stride)


def _average_pool(graph: Graph, operator: Operator) -> Step:
    kernel, stride = _window(operator)
    if any(_padding(graph, operator, kernel, stride, (1, 1))):
        raise UnknownOperatorError("an average over a padded picture is not supported")
    return lambda values: F.avg_pool2d(values[operator.inputs[0]], kernel, stride)


def _pad(graph: Graph, operator: Operator) -> Step:
    _, rows, columns, channels = graph.constants[operator.inputs[1]].tolist()
    return lambda values: F.pad(values[operator.inputs[0]], [*columns, *rows, *channels])


def _prelu(graph: Graph, operator: Operator) -> Step:
    slope = graph.constants[operator.inputs[1]].reshape(-1)
    return lambda values: F.prelu(values[operator.inputs[0]], slope)


def _of_one(graph: Graph, operator: Operator, function: Callable[[Tensor], Tensor]) -> Step:
    return lambda values: function(values[operator.inputs[0]])


def _resize(graph: Graph, operator: Operator) -> Step:
    source, rows = operator.inputs[0], graph.constants[operator.inputs[1]].tolist()
    corners, centres = bool(operator.option(2, "?")), bool(operator.option(3, "?"))
    if not (corners or centres):
        raise UnknownOperatorError("a resize without half-pixel centres is not supported")
    return lambda values: F.interpolate(values[source], rows, mode="bilinear", align_corners=corners)


def _reshape(graph: Graph, operator: Operator) -> Step:
    shape = graph.shapes[operator.output][1:]

    def step(values: Values) -> Tensor:
        x = _channels_last(values[operator.inputs[0]])
        return _channels_first(x.reshape(len(x), *shape))

    return step


def _concatenation(graph: Graph, operator: Operator) -> Step:
    rank = len(graph.shapes[operator.output])
    axis = operator.option(0, "i") % rank
    axis = (0, 2, 3, 1)[axis] if rank == 4 else axis
    return lambda values: torch.cat([values[number] for number in operator.inputs], axis)


_DEQUANTIZE = 6  # these networks use it for constants alone
_BUILDERS: dict[int | str, Callable[[Graph, Operator], Step]] = {
    0: partial(_of_two, function=torch.add),
    1: _average_pool,
    2: _concatenation,
    3: partial(_convolution, axes=(0, 3, 1, 2), later_fields=0),
    4: partial(_convolution, axes=(3, 0, 1, 2), later_fields=1),  # depthwise
    14: partial(_of_one, function=torch.sigmoid),
    17: _max_pool,
    18: partial(_of_two, function=torch.mul),
    19: partial(_of_one, function=F.relu),
    22: _reshape,
    23: _resize,
    34: _pad,
    40: partial(_of_one, function=lambda x: x.mean((2, 3), keepdim=True)),
    54: _prelu,
    117: partial(_of_one, function=F.hardswish),
    "Convolution2DTransposeBias": _transposed_convolution,
}
