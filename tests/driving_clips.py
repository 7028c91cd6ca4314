"""Driving clips in which things happen, made of two portraits that the pack itself has animated."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch

from cuda_ops import march, painting
from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.controls import BASIS
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.pipeline import PipelineOptions, render_frames
from real3d_core.portrait.portrait import Portrait, prepare_portrait

SIDE, FRAMES = 224, 48
WIDE = 400  # pixels of the frames in which somebody comes and goes
WALL = (150, 160, 168)


def film_of(avatar: AnalyticAvatar, portrait: Portrait, motion: Motion, size: int) -> np.ndarray:
    """[T, size, size, 3] uint8, rays marched by what this machine has."""
    with torch.inference_mode():
        shown = torch.cat(list(render_frames(avatar, portrait, motion, PipelineOptions(size=size), march=march).chunks(8)))
    return (shown * 255).round().byte().numpy()


@cache
def actor(folder: Path, name: str, turn: float = 0.25) -> np.ndarray:
    """[FRAMES, SIDE, SIDE, 3] uint8: a portrait that talks, nods and turns aside by `turn` radians, and does all that backwards."""
    portrait = prepare_portrait(load_picture(folder / name), ModelFolders())
    half = FRAMES // 2
    time = torch.arange(half) / 25
    opening = 0.3 - 0.3 * torch.cos(2 * torch.pi * 3 * time)
    yaw = turn * torch.sin(torch.pi / 2 * torch.arange(half) / (half - 1)) ** 2
    euler = torch.stack([0.05 * torch.sin(4 * time), yaw, 0.04 * torch.sin(3 * time)], dim=1)
    motion = Motion.still(BASIS, half).with_controls(jaw_open=opening).with_pose(euler, turn_about_neck(euler))
    shown = film_of(AnalyticAvatar(ModelFolders(), painting=painting()), portrait, motion, SIDE)
    return np.concatenate([shown, shown[::-1]])


def placed(frames: np.ndarray, lefts: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    """Frames at horizontal places on a wide wall, or over other wide frames."""
    wide = np.broadcast_to(np.array(WALL, np.uint8), (len(frames), SIDE, WIDE, 3)).copy() if before is None else before.copy()
    for picture, frame, left in zip(wide, frames, lefts.round().astype(int), strict=True):
        first, stop = max(left, 0), min(left + SIDE, WIDE)
        if stop > first:
            picture[:, first:stop] = frame[:, first - left : stop - left]
    return wide


def leaves_and_returns(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    way = np.clip((np.arange(FRAMES) - 10) / 8, 0, 1) - np.clip((np.arange(FRAMES) - 30) / 8, 0, 1)
    return placed(first, 40 + way * WIDE)


def second_person_passes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    larger = np.stack([cv2.resize(frame, None, fx=1.4, fy=1.4)[:SIDE, SIDE // 5 : SIDE // 5 + SIDE] for frame in second])
    lefts = np.concatenate([np.full(8, WIDE), np.linspace(WIDE, -SIDE, FRAMES - 20), np.full(12, -SIDE)])
    return placed(larger, lefts, placed(first, np.full(FRAMES, 20)))


def cut(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([first[: FRAMES // 2 + 4], second[FRAMES // 2 + 4 :]])


def comes_late(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([np.broadcast_to(np.array(WALL, np.uint8), (20, SIDE, SIDE, 3)), first[:-20]])


def hand_over_mouth(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    covered = first.copy()
    for number, frame in enumerate(covered[12:36]):
        rise = int(50 * max(0, 1 - number / 5, (number - 18) / 5))
        cv2.ellipse(frame, (SIDE // 2, 148 + rise), (46, 24), 15, 0, 360, (196, 150, 128), -1)
        for finger in range(4):
            cv2.line(frame, (84 + 16 * finger, 132 + rise), (82 + 17 * finger, 166 + rise), (170, 124, 104), 2)
    return covered


def compressed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([cv2.imdecode(cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, 7))[1], cv2.IMREAD_COLOR) for frame in first])


HAPPENINGS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "a face leaves and returns": leaves_and_returns,
    "a second person passes": second_person_passes,
    "a cut to another person": cut,
    "a face comes late": comes_late,
    "a hand over the mouth": hand_over_mouth,
    "heavily compressed": compressed,
}
