"""Head poses as curves: how a head turns, and the cameras that see it (spec 06 section 8)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..portrait.portrait import Portrait
from ..render.camera import CameraPath, camera_from_pose, euler_to_matrix
from .motion import Motion

NECK = (0.0, -0.75, -0.85)  # where head meets neck, decimetres from the face's centre


def turn_about_neck(euler: Tensor) -> Tensor:
    """The translation [T, 3] (decimetres) that makes a head turned by euler [T, 3] (radians) turn about its neck, not about its face."""
    neck = torch.tensor(NECK)
    return neck - euler_to_matrix(euler) @ neck


def camera_path(portrait: Portrait, motion: Motion) -> CameraPath:
    """The cameras that show a portrait's head in the poses of a motion: the motion's pose is added to the portrait's own.

    Decimetres of a real head become those of this portrait's head, whose size in the world depends on the photo's framing.
    """
    cameras = camera_from_pose(portrait.euler + motion.euler, portrait.translation + portrait.scale * motion.translation)
    return CameraPath(cameras.float(), motion.fps)
