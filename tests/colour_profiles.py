"""ICC profiles made by hand, as small as they can be (ICC.1:2001-04)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
TO_D50 = np.array([[1.0479, 0.0229, -0.0502], [0.0296, 0.9904, -0.0171], [-0.0092, 0.0151, 0.7519]])  # Bradford, from D65


def _profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    described = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": _xyz(D50),
        **tags,
    }
    start, table, body = 128 + 4 + 12 * len(described), b"", b""
    for name, content in described.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(">I4sI4s4s4s12s4s", start + len(body), b"none", 0x02400000, kind, space, connection, bytes(12), b"acsp")
    head += bytes(68 - len(head)) + struct.pack(">3i", *_fixed(D50)) + bytes(48)
    return head + struct.pack(">I", len(described)) + table + body


def _fixed(values: Sequence[float]) -> list[int]:
    return [round(value * 65536) for value in values]


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *_fixed(values))


def _curve(gamma: float) -> bytes:
    """A power, or sRGB's curve for 0."""
    if gamma:
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    value = np.arange(1024) / 1023
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *np.rint(light * 65535).astype(int).tolist())


def matrix_profile(primaries: Sequence[tuple[float, float]], gamma: float, white_is_d50: bool = False) -> bytes:
    """Of red, green and blue (x, y each) about D65, or D50."""
    white = D50 if white_is_d50 else np.array([0.95047, 1.0, 1.08883])
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]).T
    columns = columns * np.linalg.solve(columns, white)
    columns = columns if white_is_d50 else TO_D50 @ columns
    colourants = {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True)}
    return _profile(b"RGB ", b"XYZ ", colourants | {name: _curve(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")})


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def ink_profile(cyan: tuple[int, int, int]) -> bytes:
    """CMYK on white paper whose cyan has this Lab (lightness of 255, a and b about 128), and whose every other ink is black."""
    places = {(0, 0, 0, 0): (255, 128, 128), (1, 0, 0, 0): cyan}
    grid = b"".join(bytes(places.get(inks, (0, 128, 128))) for inks in np.ndindex(2, 2, 2, 2))
    one_to_one = bytes(range(256))
    table = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *_fixed(np.eye(3).ravel())) + 4 * one_to_one + grid + 3 * one_to_one
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table})


SRGB = matrix_profile(((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)), 0)
DISPLAY_P3 = matrix_profile(((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), 0)
ADOBE_RGB = matrix_profile(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)
PROPHOTO = matrix_profile(((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), 1.8, white_is_d50=True)
