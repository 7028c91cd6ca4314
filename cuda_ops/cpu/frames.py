"""From a camera to the picture of a frame, each step compiled: what march_frames of real3d_core does around the rays (spec 07 section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core import render
from ..fused_marching import CHANNELS, Cutoffs, PackedDecoder, PackedHead, Project


@dataclass(frozen=True)
class CastRays:
    """One ray through each of the M = side * side pixels of a picture, from one point.

    origin: world. directions [3, M], unit. near, far [M]: where each enters and leaves the marched box; far <= near: it misses it.
    """

    side: int
    origin: tuple[float, ...]
    directions: Tensor
    near: Tensor
    far: Tensor


@dataclass(frozen=True)
class Numbers:
    """What places the depths of a frame's rays.

    strata [Nc]: ascending, 0..1. jitter [M or 1, Nc], positions [M or 1, Nf]: see sample_numbers.
    """

    strata: Tensor
    jitter: Tensor
    positions: Tensor


@dataclass(frozen=True)
class Picture:
    """Of one frame: features [32, R, R], depth [1, R, R] and opacity [1, R, R], written to in place."""

    features: Tensor
    depth: Tensor
    opacity: Tensor


@dataclass(frozen=True)
class Steps:
    """What a back end compiles. Tensors are contiguous float32.

    cast: (camera [25], box [2, 3], rays, span [2]) -> whether the camera sees anything. Fills directions, near and far of the rays, and
        extends the span from the nearest to the farthest entry.
    choose: (rays, numbers, span, ends [2]) -> the pixels [r] int32 whose rays are marched, which are those that hit, and the corners
        [2, 3] of the box that their samples reach. With a span, those that miss are marched through it. Extends the ends from the
        nearest first to the farthest last depth.
    project: makes the table.
    march: (head, cutoffs, rays, numbers, pixels, picture): draws these pixels; the others are left as they are, and so are the depths of
        empty ones.
    """

    cast: Callable[[Tensor, Tensor, CastRays, Tensor], bool]
    choose: Callable[[CastRays, Numbers, Tensor | None, Tensor], tuple[Tensor, Tensor]]
    project: Project
    march: Callable[[PackedHead, Cutoffs, CastRays, Numbers, Tensor, Picture], None]


@dataclass(frozen=True)
class WholeFrames:
    """The marcher that a back end's steps make: a Draw."""

    steps: Steps

    def __call__(
        self,
        planes: render.Planes,
        decoder: PackedDecoder,
        cutoffs: Cutoffs,
        cameras: Tensor,
        settings: render.MarchSettings,
        first_frame: int,
    ) -> render.HeadRender:
        render.ray_marching.require_as_many(planes, cameras)
        span, ends = (cameras.new_tensor([math.inf, -math.inf]) for _ in range(2))
        every_ray = _cast_all(self.steps, planes, cameras.contiguous(), settings.resolution, first_frame, span)
        missed_too = span if planes.bounds is None and span[0] <= span[1] else None
        pictures = _empty(len(cameras), settings.resolution, cameras)
        for frame, rays in enumerate(every_ray):
            numbers = _numbers(settings, first_frame + frame)
            pixels, reach = self.steps.choose(rays, numbers, missed_too, ends)
            if len(pixels):
                grids = planes.frame(frame).grids()[0]
                table = render.plane_table.PlaneTable.of(grids, decoder.inputs, planes.box_side, reach)
                head = PackedHead.of(table, decoder, self.steps.project)
                picture = Picture(pictures.features[frame], pictures.depth[frame], pictures.opacity[frame])
                self.steps.march(head, cutoffs, rays, numbers, pixels, picture)
        nearest, farthest = ends.tolist()
        if nearest <= farthest:
            depth = pictures.depth.clamp_(nearest, farthest)
        else:
            depth = cameras[:, 3:12:4].norm(dim=-1)[:, None, None, None].expand_as(pictures.depth).contiguous()
        return render.HeadRender(pictures.features, depth, pictures.opacity, cameras)


def _cast_all(steps: Steps, planes: render.Planes, cameras: Tensor, side: int, first_frame: int, span: Tensor) -> list[CastRays]:
    box = render.ray_marching.marched_box(planes).to(cameras).contiguous()
    rays = []
    for frame, camera in enumerate(cameras):
        directions, near, far = cameras.new_empty(5, side * side).split((3, 1, 1))
        rays.append(CastRays(side, tuple(camera[3:12:4].tolist()), directions, near[0], far[0]))
        if not steps.cast(camera, box, rays[-1], span):
            raise render.ray_marching.blind_camera(first_frame + frame)
    return rays


def _numbers(settings: render.MarchSettings, frame: int) -> Numbers:
    jitter, positions = render.ray_marching.sample_numbers(settings, frame)
    return Numbers(torch.linspace(0, 1, settings.coarse, dtype=torch.float32), jitter, positions.contiguous())


def _empty(frames: int, side: int, like: Tensor) -> Picture:
    images = (like.new_full((frames, channels, side, side), value) for channels, value in ((CHANNELS, -1.0), (1, math.inf), (1, 0.0)))
    return Picture(*images)
