"""How a head turns."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..render.camera import euler_to_matrix
from ..smooth_step import smooth_step
from ..speech.acting import acted_head
from ..speech.loudness import STEP_RATE, at_times, loudness, voice_activity
from ..speech.prosody import prosody
from ..stream import FPS
from ..wander import wander

NECK = (0.0, -0.75, -0.85)  # where head meets neck, decimetres from the face's centre
REACH = np.radians([2.0, 3.0, 1.5])  # largest pitch, yaw and roll of the sway, before nods
NOD = np.radians(2.0)  # pitch of a strong nod
DRIFT = np.array([0.03, 0.015, 0.03])  # decimetres to the side, up and forward
STILLNESS = 0.35  # part of the sway that remains in silence
UNVOICED = 0.5  # part of the sway when there is no sound at all to follow
EASE = 0.5  # seconds from the rest pose into the movement


def turn_about_neck(euler: Tensor) -> Tensor:
    """The translation [T, 3] (decimetres) that makes a head turned by euler [T, 3] (radians) turn about its neck, not about its face."""
    neck = torch.tensor(NECK)
    return neck - euler_to_matrix(euler) @ neck


def speech_sway(
    samples: np.ndarray | None, frames: int, fps: float = FPS, seed: int = 0, amount: float = 1.0, acting: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Slow wandering of the head, calmer in silence, with small nods where the voice rises.

    Frame i is a function of the time i/fps, the seed and the few seconds of sound around it: neither the number of frames nor the
    rest of the sound changes it. Frame 0 is the rest pose.

    Args:
        samples: [L] float in [-1, 1] at 16 kHz, mono; None for a head that moves without a voice.
        frames: how many.
        fps: frames per second.
        seed: any integer.
        amount: scales the movement; 1 keeps within 3 degrees of yaw, 4 of pitch and 1.5 of roll.
        acting: scales nods, turns and breaths that go with what is said (speech.acting), within 4 degrees more.
    Returns:
        euler [frames, 3] float32, radians about x, y, z (spec 06 section 6; positive pitch looks down), and translation [frames, 3]
        float32, decimetres, a slight drift of its own: turning about the neck is pose.turn_about_neck's part.
    """
    time = np.arange(frames) / fps
    swaying = REACH * _settled_wander(time, seed, stream=0)
    if samples is None or len(samples) == 0:
        euler = UNVOICED * swaying
    else:
        activity = voice_activity(loudness(samples))
        lively = gaussian_filter1d(activity, 0.6 * STEP_RATE, mode="nearest")
        liveliness = STILLNESS + (1.0 - STILLNESS) * at_times(lively, time, after=None)
        euler = swaying * liveliness[:, None]
        euler[:, 0] += at_times(_nods(activity), time, after=None)
    ease = smooth_step(time / EASE)[:, None]
    euler = amount * euler * ease
    translation = amount * DRIFT * _settled_wander(time, seed, stream=1) * ease
    if acting and samples is not None and len(samples):
        turns, lift = acted_head(prosody(samples), time, seed)
        euler, translation = euler + amount * acting * turns, translation + amount * acting * lift
    return euler.astype(np.float32), translation.astype(np.float32)


def orbit(frames: int, fps: float = FPS, degrees: float = 20.0, period: float = 4.0) -> np.ndarray:
    """The head shown from both sides: a sine of yaw, with a slight pitch at twice its pace.

    Args:
        frames: how many.
        fps: frames per second.
        degrees: largest yaw.
        period: seconds of one full sweep.
    Returns:
        [frames, 3] float32, radians about x, y, z; frame 0 is the rest pose.
    """
    phase = 2.0 * np.pi * np.arange(frames) / fps / period
    reach = np.radians(degrees)
    return np.stack([0.15 * reach * np.sin(2.0 * phase), reach * np.sin(phase), np.zeros(frames)], axis=1).astype(np.float32)


def _settled_wander(time: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """[T, 3] within -1..1, starting at 0; the start has no influence after some seconds."""
    start = np.exp(-time / 2.0)[:, None] * wander(np.zeros(1), seed, stream)
    return np.tanh(1.5 * (wander(time, seed, stream) - start))


def _nods(activity: np.ndarray) -> np.ndarray:
    """[N] pitch per step of 10 ms: down where a syllable is louder than its phrase."""
    syllable = gaussian_filter1d(activity, 0.10 * STEP_RATE, mode="nearest")
    phrase = gaussian_filter1d(activity, 0.7 * STEP_RATE, mode="nearest")
    accent = gaussian_filter1d(np.maximum(syllable - phrase, 0.0), 0.08 * STEP_RATE, mode="nearest")
    return NOD * np.tanh(3.0 * accent)
