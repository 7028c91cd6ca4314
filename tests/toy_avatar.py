"""A third avatar, as short as one can be: a flat grey head that never changes. It proves what a folder and a line are enough for."""

from __future__ import annotations

import math
import sys
import types
from importlib import import_module

import numpy as np
import torch


def announce(core: str, monkeypatch) -> types.ModuleType:
    """Puts the folder `toy` into a copy of the core, by the package's name, and its name into AVATARS; the module of its kind."""
    module = types.ModuleType(f"{core}.toy.kind")
    kinds = import_module(f"{core}.avatar_kinds")
    module.KIND = kinds.AvatarKind("toy", "toy-1", lambda options: make(core), built_in="toy (of the tests)", trained=False)
    monkeypatch.setitem(sys.modules, f"{core}.toy", types.ModuleType(f"{core}.toy"))
    monkeypatch.setitem(sys.modules, f"{core}.toy.kind", module)
    monkeypatch.setattr(kinds, "AVATARS", (*kinds.AVATARS, "toy"))
    return module


def make(core: str):
    """The avatar of a copy of the core."""
    motions, stream = import_module(f"{core}.motion.motion"), import_module(f"{core}.stream")
    planes, marching = import_module(f"{core}.render.planes"), import_module(f"{core}.render.ray_marching")
    paths, decoders = import_module(f"{core}.render.camera_paths"), import_module(f"{core}.render.decoder")
    exchange, avatars = import_module(f"{core}.motion.landmark_motion"), import_module(f"{core}.avatar")
    basis = motions.MotionBasis("toy-1", ("jaw_open",), 1)

    def still(frames: int, fps: float = 25.0):
        return motions.Motion.still(basis, frames, fps)

    class Toy:
        name, motion_basis = "toy", basis
        decoder = decoders.PlaneDecoder(torch.zeros(4, 32), torch.zeros(4), torch.zeros(33, 4), torch.zeros(33))
        march_settings = marching.MarchSettings(resolution=16, coarse=8, fine=8)

        def video_networks(self):
            return ()

        def audio_networks(self):
            return ()

        def lift(self, portrait):
            return planes.Planes(torch.zeros(1, 3, 32, 8, 8))

        def adapt(self, planes, motion):
            motion.require_basis(basis)
            return stream.FrameStream(len(motion), motion.fps, lambda start, stop: planes)

        def cameras(self, portrait, motion, view=None):
            return paths.viewed_from(portrait.euler + motion.euler, motion.translation, view or paths.static_view(len(motion)), motion.fps)

        def condition(self, portrait, motion):
            return stream.FrameStream(len(motion), motion.fps, lambda start, stop: torch.zeros(stop - start, 8, 8, 3))

        def compose(self, renders, portrait, motion, background=None, size=512, head_threshold=None):
            return renders.map(lambda render, start, stop: torch.full((stop - start, size, size, 3), 0.5))

        def person_mask(self, renders, portrait, motion, size=512, head_threshold=None):
            return renders.map(lambda render, start, stop: torch.ones(stop - start, size, size))

        def audio_to_motion(self, sound, style=avatars.NATURAL, progress=lambda done, total: None):
            return still(math.ceil(sound.duration * 25 - 1e-6))

        def video_to_motion(self, track, neutral=None, smoothing=1.0, progress=lambda done, total: None):
            return still(len(track))

        def blinks(self, frames, mode, seed=0):
            return torch.zeros(frames)

        def with_blinks(self, motion, closed):
            return motion

        def from_rest(self, motion):
            return motion

        def to_landmarks(self, motion):
            nothing = np.zeros((len(motion), 468, 3))
            return exchange.LandmarkMotion(nothing[0], nothing, nothing[:, :2, 0], motion.euler, motion.translation, motion.fps)

        def from_landmarks(self, landmarks):
            return still(len(landmarks.displacements), landmarks.fps).with_pose(landmarks.euler, landmarks.translation)

    return Toy()
