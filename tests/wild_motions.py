"""Motions that no head makes: what a broken file, a wrong tracker or a joker sends through a socket."""

from __future__ import annotations

import torch

from real3d_core.motion.motion import Motion, MotionBasis

WILD = ("noise", "faint noise", "to and fro", "one point", "fifty times", "minus fifty times", "spun", "thrown", "everything")


def wild_motion(name: str, basis: MotionBasis, frames: int = 2) -> Motion:
    """A motion of WILD, its frames all different."""
    draw = torch.Generator().manual_seed(WILD.index(name))
    still = torch.zeros(frames, basis.size)
    noise = torch.randn(frames, basis.size, generator=draw)
    alternating = torch.ones(basis.size)
    alternating[1::2] = -1
    first = len(basis.controls)
    expressions = {
        "noise": 1e6 * noise,
        "faint noise": 0.02 * noise,
        "to and fro": 10 * alternating * torch.linspace(-1, 1, frames)[:, None],
        "one point": still.index_fill(1, torch.arange(first + 12, first + 15), 1.0) * torch.arange(1.0, frames + 1)[:, None],
        "fifty times": 50 * noise.abs(),
        "minus fifty times": -50 * noise.abs(),
        "everything": 1e30 * noise,
    }
    pose = torch.randn(2, frames, 3, generator=draw)
    euler = {"spun": 10.0, "everything": 1e30}.get(name, 0.0) * pose[0]
    translation = {"thrown": 30.0, "everything": 1e30}.get(name, 0.0) * pose[1]
    return Motion(basis, expressions.get(name, still), euler, translation)
