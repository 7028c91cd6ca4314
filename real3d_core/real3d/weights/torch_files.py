"""Files written by torch.save, in its zip format or in the one before that; nothing in them is executed.

Only the tensors that are asked for are read; they are views of the file where their place in it allows, so the states of an optimiser
beside them cost nothing. `torch.load` would build everything, and refuses what it does not know although nobody needs it.
"""

from __future__ import annotations

import io
import math
import mmap
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, cast

import torch
from torch import Tensor

from .pickle_reader import Made, Name, Persistent, Pickle, read_pickle

ZIP_START = b"PK\x03\x04"
LEGACY_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # ends the first pickle of the older format
_LARGEST_PICKLE = 256 * 2**20

_DTYPES = {
    **{"DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16},
    **{"LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16, "CharStorage": torch.int8},
    **{"ByteStorage": torch.uint8, "BoolStorage": torch.bool, "ComplexFloatStorage": torch.complex64},
    **{"ComplexDoubleStorage": torch.complex128, "UntypedStorage": torch.uint8},
}
_QUANTISED_SIZES = {"QInt8Storage": 1, "QUInt8Storage": 1, "QInt32Storage": 4, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1}
_OTHER_MACHINE = "it was written on a machine with another order of bytes"
_STRIDED = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"}
_WRAPPED = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
_TYPED = {"torch._tensor._rebuild_from_type", "torch._tensor._rebuild_from_type_v2"}  # function, class, arguments and maybe attributes
_OTHERS = {
    "torch._utils._rebuild_sparse_tensor": "sparse",
    "torch._utils._rebuild_sparse_csr_tensor": "sparse",
    "torch._utils._rebuild_qtensor": "quantised",
    "torch._utils._rebuild_meta_tensor_no_storage": "empty (meta)",
    "torch._utils._rebuild_nested_tensor": "nested",
}


def is_torch_file(start: bytes) -> bool:
    """Whether a file that begins with these bytes, 32 or more, is one of torch's."""
    return start.startswith(b"PK") or LEGACY_MAGIC in start[:32]


class UnusableTensorError(ValueError):
    """A tensor that is not an ordinary dense one; says what it is."""


class TorchFile:
    """What torch.save wrote: `pickle`, and the tensors that its records stand for.

    Raises:
        ValueError: damaged or incomplete, or a zip file of another kind; says what is wrong.
    """

    def __init__(self, path: Path):
        with open(path, "rb") as file:
            self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        is_zip = self._memory[:2] == b"PK"
        self.pickle, self._place = _open_zip(path, self._memory) if is_zip else _open_legacy(self._memory)

    def is_tensor(self, record: object) -> bool:
        """Whether a value of the pickle stands for a tensor of any kind."""
        return isinstance(record, Made) and record.maker in _STRIDED | _WRAPPED | _TYPED | _OTHERS.keys()

    def tensor(self, record: Made) -> Tensor:
        """The tensor that a record stands for.

        Raises:
            UnusableTensorError: it is not an ordinary dense tensor. ValueError: it is damaged or not all there.
        """
        record = _unwrapped(record)
        if record.maker in _OTHERS:
            raise UnusableTensorError(f"is a {_OTHERS[record.maker]} tensor")
        view = _view(record)
        place = self._place(view.storage)
        if place.start + view.last * view.dtype.itemsize > place.stop:
            raise UnusableTensorError("reaches beyond its storage")
        first, count = place.start + view.first * view.dtype.itemsize, view.last - view.first
        if count == 0:
            return torch.empty(view.shape, dtype=view.dtype)
        if first % view.dtype.itemsize:  # not a place that processors like to read from
            memory = bytearray(self._memory[first : first + count * view.dtype.itemsize])
            return torch.frombuffer(memory, dtype=view.dtype).as_strided(view.shape, view.strides)
        return torch.frombuffer(self._memory, dtype=view.dtype, count=count, offset=first).as_strided(view.shape, view.strides)


Place = Callable[[str], slice]  # from a storage's key to its bytes in the file; raises ValueError if they are not there


@dataclass(frozen=True)
class _View:
    """A tensor within its storage; first and last (exclusive) element that it touches."""

    storage: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    first: int
    last: int


def _unwrapped(record: Made) -> Made:
    while record.maker in _WRAPPED | _TYPED:
        inner = record.arguments[0] if record.arguments else None
        if isinstance(inner, Name) and len(record.arguments) > 2:
            inner = Made(inner, record.arguments[2])
        if not isinstance(inner, Made):
            raise UnusableTensorError("is not a tensor")
        record = inner
    return record


def _view(record: Made) -> _View:
    if record.maker not in _STRIDED or len(record.arguments) < 4:
        raise UnusableTensorError("is not a tensor")
    reference, first, shape, strides = record.arguments[:4]
    numbers = (first, *shape, *strides) if isinstance(shape, tuple) and isinstance(strides, tuple) else (None,)
    if not all(type(number) is int and 0 <= number < 2**48 for number in numbers) or len(shape) != len(strides) or len(shape) > 64:
        raise UnusableTensorError("has an impossible shape")
    key, dtype = _storage(reference)
    if record.maker.endswith("_v3"):
        named = record.arguments[6] if len(record.arguments) > 6 else None
        dtype = getattr(torch, named.rpartition(".")[2], None) if isinstance(named, Name) else None
    if any(isinstance(mark, dict) and mark for mark in record.arguments[6:]):
        raise UnusableTensorError("is a negated or conjugated view")
    if not isinstance(dtype, torch.dtype):
        raise UnusableTensorError("has numbers of an unknown kind")
    empty = 0 in shape
    span = 0 if empty else 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if math.prod(shape) > span:
        raise UnusableTensorError("repeats the numbers of a smaller one")
    return _View(key, dtype, shape, strides, first, first + span)


def _storage(reference: object) -> tuple[str, torch.dtype | None]:
    parts = _parts(reference)
    if parts is None:
        raise UnusableTensorError("has no numbers in this file")
    return parts[2], _DTYPES.get(parts[1].rpartition(".")[2]) if isinstance(parts[1], Name) else None


def _parts(reference: object) -> tuple | None:
    """("storage", type, key, device, length) of a reference to a storage."""
    parts = reference.identification if isinstance(reference, Persistent) else None
    if not isinstance(parts, tuple) or len(parts) < 5 or parts[0] != "storage" or not isinstance(parts[2], str):
        return None
    return parts if len(parts) == 5 or parts[5] is None else None


def _open_zip(path: Path, memory: mmap.mmap) -> tuple[Pickle, Place]:
    try:
        with zipfile.ZipFile(path) as archive:
            records = {info.filename: info for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, UnicodeError):
        raise ValueError("its end is missing") from None
    root = next((name.removesuffix("data.pkl") for name in records if name.endswith("/data.pkl") and name.count("/") == 1), None)
    if root is None:
        raise ValueError("it is a zip file but torch did not write it; unpack it")

    def place(name: str) -> slice:
        info = records.get(root + name)
        if info is None:
            raise ValueError(f"{name} is missing")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise ValueError("it was packed again after torch wrote it")
        header = memory[info.header_offset : info.header_offset + 30]
        if len(header) < 30 or not header.startswith(ZIP_START):
            raise ValueError(f"{name} is damaged")
        found = info.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26))
        return slice(found, found + info.file_size)

    @cache
    def checked(name: str) -> slice:
        where, expected = place(name), records[root + name].CRC  # 0: torch was asked not to compute it
        if where.stop > len(memory) or (expected and zlib.crc32(memoryview(memory)[where]) != expected):
            raise ValueError(f"{name} is damaged")
        return where

    if root + "byteorder" in records and memory[checked("byteorder")] != b"little":
        raise ValueError(_OTHER_MACHINE)
    content = memory[checked("data.pkl")] if records[root + "data.pkl"].file_size <= _LARGEST_PICKLE else b""
    return read_pickle(io.BytesIO(content)), lambda key: checked(f"data/{key}")


def _open_legacy(memory: mmap.mmap) -> tuple[Pickle, Place]:
    """Magic number, version, machine, object and the storages' keys, a pickle each; then every storage's length and numbers."""
    _magic, _version, machine, read, keys = (read_pickle(cast("IO[bytes]", memory)) for _ in range(5))
    if isinstance(machine.value, Mapping) and machine.value.get("little_endian") is False:
        raise ValueError(_OTHER_MACHINE)
    sizes = {parts[2]: _element_size(parts) for parts in map(_parts, read.references) if parts}
    places, at = {}, memory.tell()
    for key in keys.value if isinstance(keys.value, list) else ():
        size = sizes.get(key) if isinstance(key, str) else None
        if size is None or at + 8 > len(memory):
            break
        (length,) = struct.unpack_from("<q", memory, at)
        places[key] = slice(at + 8, at + 8 + length * size)
        at = places[key].stop
        if length < 0 or at > len(memory):
            raise ValueError("its end is missing")

    def place(key: str) -> slice:
        if key not in places:
            raise ValueError("its end is missing")
        return places[key]

    return read, place


def _element_size(parts: tuple) -> int | None:
    kind = parts[1].rpartition(".")[2] if isinstance(parts[1], Name) else ""
    return _DTYPES[kind].itemsize if kind in _DTYPES else _QUANTISED_SIZES.get(kind)
