"""Arrays of numbers out of MATLAB 5 files. A damaged file is an error here; scipy's reader can end the process on one."""

from __future__ import annotations

import math
import mmap
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

LARGEST = 10**8  # numbers of an array; the face model's largest has a third of that

_HEADER = 128  # bytes before the first element
_START = 4096  # bytes of a compressed variable in which its shape and name are
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x800


def read_arrays(path: Path, names: Collection[str]) -> dict[str, np.ndarray | None]:
    """Those of the named variables that the file has; None for one that is no real array of numbers.

    Raises:
        ValueError: it is no MATLAB 5 file, is damaged, or claims arrays that cannot be meant. OSError: it cannot be opened.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        order = {b"IM": "<", b"MI": ">"}.get(memory[126:128])
        if order is None or not memory[:6] == b"MATLAB":
            raise ValueError("it does not begin as one")
        if memory[124:126] not in (b"\x00\x01", b"\x01\x00"):
            raise ValueError("it is of another version; MATLAB writes this one with the option -v7")
        try:
            return dict(found for content in _elements(memory, order, names) if (found := _variable(content, order, names)))
        except (struct.error, zlib.error, OverflowError, MemoryError) as failure:
            raise ValueError("it is damaged") from failure


def _elements(memory: mmap.mmap, order: str, names: Collection[str]) -> Iterator[bytes]:
    """The content of each variable, unpacked; of one that nobody wants maybe only the start."""
    at = _HEADER
    while at < len(memory):
        kind, size = struct.unpack_from(f"{order}II", memory, at)
        if at + 8 + size > len(memory):
            raise ValueError("its end is missing")
        if kind == _COMPRESSED:
            yield _unpacked(memory[at + 8 : at + 8 + size], order, names)
        elif kind == _MATRIX:
            yield memory[at + 8 : at + 8 + size]
        at += 8 + size


def _unpacked(packed: bytes, order: str, names: Collection[str]) -> bytes:
    reader = zlib.decompressobj()
    start = reader.decompress(packed, _START)
    kind, size = struct.unpack_from(f"{order}II", start)
    if kind != _MATRIX or _name(start[8:], order) not in names:
        return b""
    if size > 8 * LARGEST + _START:
        raise ValueError("it claims an array that is far too large")
    missing = 8 + size - len(start)
    whole = start + (reader.decompress(reader.unconsumed_tail, missing) if missing > 0 else b"")
    reader.decompress(reader.unconsumed_tail, 1)  # reads the checksum
    if len(whole) < 8 + size or not reader.eof:
        raise ValueError("it is damaged")
    return whole[8:]


def _variable(content: bytes, order: str, names: Collection[str]) -> tuple[str, np.ndarray | None] | None:
    name = _name(content, order) if content else None
    if name is None or name not in names:
        return None
    flags, at = _part(content, 0, order)[1:]
    (meaning,) = struct.unpack_from(f"{order}I", flags)
    target = _CLASSES.get(meaning & 0xFF)
    if target is None or meaning & _COMPLEX:
        return name, None
    sizes, at = _part(content, at, order)[1:]
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    count = math.prod(shape)
    if not 2 <= len(shape) <= 32 or min(shape) < 0 or count > LARGEST:
        raise ValueError("it claims an array that is far too large")
    _, _, at = _part(content, at, order)
    kind, numbers, _ = _part(content, at, order) if count else (1, b"", at)
    if kind not in _STORED:
        raise ValueError("it is damaged")
    stored = np.dtype(order + _STORED[kind])
    if len(numbers) != count * stored.itemsize:
        raise ValueError("it is damaged")
    with np.errstate(invalid="ignore"):
        return name, np.frombuffer(numbers, stored).astype(target).reshape(shape, order="F")


def _name(content: bytes, order: str) -> str:
    """Of a variable; its flags and its shape come before."""
    at = 0
    for _ in range(2):
        at = _part(content, at, order)[2]
    return _part(content, at, order)[1].decode("latin-1")


def _part(content: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Kind and bytes of the part that begins at `at`, and where the next one begins."""
    kind, size = struct.unpack_from(f"{order}II", content, at)
    if kind >> 16:  # a short one, packed into its own tag
        return kind & 0xFFFF, content[at + 4 : at + 4 + min(kind >> 16, 4)], at + 8
    stop = at + 8 + size
    if stop > len(content):
        raise ValueError("it is damaged")
    return kind, content[at + 8 : stop], stop + -size % 8
