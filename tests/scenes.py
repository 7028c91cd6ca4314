"""Scenes that ray marching is tested and timed with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from golden import load_vector, make_input, make_weight
from torch import Tensor

from real3d_core.render import MarchSettings, PlaneDecoder, Planes, camera_from_pose

GOLDENS = Path(__file__).resolve().parent / "goldens"
DECODER_SHAPES = {"0.weight": (64, 32), "0.bias": (64,), "2.weight": (33, 64), "2.bias": (33,)}


@dataclass(frozen=True)
class Scene:
    """Something to march."""

    planes: Planes
    decoder: PlaneDecoder
    cameras: Tensor
    settings: MarchSettings


def noise_decoder() -> PlaneDecoder:
    """The decoder of the reference vectors."""
    keys = {f"decoder.net.{key}": shape for key, shape in DECODER_SHAPES.items()}
    return PlaneDecoder.from_checkpoint({key: torch.from_numpy(make_weight(key, shape)) for key, shape in keys.items()})


def golden_scene(name: str) -> Scene:
    """The scene of a reference vector renderer_*: planes full of noise."""
    expected, meta = load_vector(GOLDENS / f"{name}.npz")
    inputs, noise = meta["inputs"], meta["inputs"]["planes"]
    features = make_input(noise["label"], noise["shape"], noise["seed"], noise["low"], noise["high"])
    settings = MarchSettings(inputs["rays_per_side"], inputs["samples_coarse"], inputs["samples_fine"])
    return Scene(Planes(torch.from_numpy(features)), noise_decoder(), torch.from_numpy(expected["camera"]), settings)


RADII = (0.20, 0.27, 0.18)
STEEPNESS = 1500.0


def solid_scene(settings: MarchSettings, texels: int = 256, yaw: float = 0.3) -> Scene:
    """An ellipsoid with a hard surface that carries its own x and y, written as spec 08 section 1 says.

    The plane (x, z) holds a ramp and the plane (x, y) both surfaces, so that their sum is the signed distance along z. Channels
    3 and 4 hold 4 x and 4 y; colour channels 0 and 1 return them behind a sigmoid.
    """
    axis = (torch.arange(texels) + 0.5) / texels - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    z = y  # the rows of plane 1
    inside = 1 - (x / RADII[0]) ** 2 - (y / RADII[1]) ** 2
    front = RADII[2] * inside.clamp(min=0).sqrt()
    features = torch.zeros(1, 3, 32, texels, texels)
    features[0, 0, 0] = STEEPNESS * front
    features[0, 1, 0] = -STEEPNESS * z
    features[0, 0, 1] = STEEPNESS * front
    features[0, 1, 1] = STEEPNESS * z
    features[0, 0, 2] = (40 * inside).clamp(-10, 10)
    features[0, 0, 3], features[0, 0, 4] = 4 * x, 4 * y
    bounds = torch.tensor([[-1.0], [1.0]]) * (torch.tensor(RADII) + 0.01)
    cameras = camera_from_pose(torch.tensor([[0.0, yaw, 0.0]]), torch.zeros(1, 3)).float()
    return Scene(Planes(3 * features, bounds=bounds), solid_decoder(), cameras, settings)


def solid_decoder(carried: int = 9) -> PlaneDecoder:
    """Dense inside the three inequalities of channels 0-2; channels 3, 4, ... come out as colours 0, 1, ... unchanged."""
    weight1, weight2, bias2 = torch.zeros(64, 32), torch.zeros(33, 64), torch.zeros(33)
    for side in range(3):
        weight1[side, side] = -1
        weight2[0, side] = -STEEPNESS
    bias2[0] = STEEPNESS
    for channel in range(carried):
        plus, minus = 3 + 2 * channel, 4 + 2 * channel
        weight1[plus, 3 + channel], weight1[minus, 3 + channel] = 1, -1
        weight2[1 + channel, plus], weight2[1 + channel, minus] = 1, -1
    return PlaneDecoder(weight1, torch.zeros(64), weight2, bias2)


def soft_scene(settings: MarchSettings) -> Scene:
    """Like a trained head: dense inside an ellipsoid that fills two thirds of the picture, thin outside, every hidden unit in use."""
    axis = (torch.arange(256) + 0.5) / 256 - 0.5
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    coarse_noise = torch.from_numpy(make_input("soft scene", (3, 32, 24, 24), low=-60, high=60))
    features = torch.nn.functional.interpolate(coarse_noise, 256, mode="bicubic")[None]
    features[0, :, 0] = 0
    features[0, 0, 0] = 3 * (1 - (x / 0.27) ** 2 - (y / 0.30) ** 2)
    features[0, 1, 0] = 3 * -((y / 0.25) ** 2)  # the rows of plane 1 are z
    noise = noise_decoder()
    weight1, weight2 = noise.weight1.clone(), noise.weight2.clone()
    weight1[:2] = 0
    weight1[0, 0], weight1[1, 0] = 20, -20
    weight2[0] /= 20
    weight2[0, 0], weight2[0, 1] = 5, -5
    cameras = camera_from_pose(torch.tensor([[0.1, 0.3, 0.0]]), torch.zeros(1, 3)).float()
    return Scene(Planes(features), PlaneDecoder(weight1, noise.bias1, weight2, noise.bias2), cameras, settings)


def sharp_scene(settings: MarchSettings) -> Scene:
    """The soft scene with ten times its density: a skin that stops light within a few samples, and air that holds none."""
    scene = soft_scene(settings)
    weight2, bias2 = scene.decoder.weight2.clone(), scene.decoder.bias2.clone()
    weight2[0] *= 10
    bias2[0] *= 10
    return replace(scene, decoder=replace(scene.decoder, weight2=weight2, bias2=bias2))


def trigrid_scene(settings: MarchSettings, depth: int = 3, height: int = 40, width: int = 40) -> Scene:
    """Planes of noise with depth; what is seen is half transparent, so that every layer shows."""
    features = torch.from_numpy(make_input(f"trigrid of {depth}", (1, 3, 32 * depth, height, width), low=-60, high=60))
    cameras = camera_from_pose(torch.tensor([[0.1, 0.3, 0.0]]), torch.zeros(1, 3)).float()
    return Scene(Planes(features), noise_decoder(), cameras, settings)


def denser(scene: Scene, density: float) -> Scene:
    """The same with so much added to every density."""
    bias2 = scene.decoder.bias2.clone()
    bias2[0] += density
    return replace(scene, decoder=replace(scene.decoder, bias2=bias2))
