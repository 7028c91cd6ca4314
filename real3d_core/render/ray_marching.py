"""Planes and a camera become the picture of a head: two-pass importance ray marching (spec 03), in plain PyTorch.

This file is the readable truth. Faster marchers have the signature of `march` and are tested against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import Real3DError
from .camera import camera_rays
from .decoder import PlaneDecoder
from .march_inputs import checked_inputs, full_float32
from .planes import Planes


@dataclass(frozen=True)
class MarchSettings:
    """How finely a head is marched.

    resolution: pixels, that is rays, along a side of the rendered image.
    coarse: depths per ray in the first pass, at least 4.
    fine: depths per ray added by the second pass where the first one found something; 0 leaves the second pass out.
    seed: None spaces the depths evenly (spec 03 section 12): the same picture every time, and no shimmer between frames.
        A number (0 or more) draws them at random as the paper does, for each frame from the seed and the frame's number.
    rays_per_chunk: how many rays are in memory at once; no influence on the result.
    """

    resolution: int = 128
    coarse: int = 48
    fine: int = 48
    seed: int | None = None
    rays_per_chunk: int = 1024

    def __post_init__(self) -> None:
        if self.resolution < 1 or self.coarse < 4 or self.fine < 0 or self.rays_per_chunk < 1 or (self.seed or 0) < 0:
            raise ValueError(f"marching needs resolution >= 1, coarse >= 4, fine >= 0, rays_per_chunk >= 1 and seed >= 0, got {self}")


OFFICIAL = MarchSettings()  # of the released model, but for its randomness


@dataclass(frozen=True)
class HeadRender:
    """What marching returns, R pixels along a side.

    features: [N, 32, R, R], about -1..1, -1 where nothing is; the first three channels are the raw colour.
    depth: [N, 1, R, R], mean distance from the camera's centre along the ray, in world units; where nothing is, the greatest
        distance at which anything was looked for.
    opacity: [N, 1, R, R], 0..1.
    cameras: [N, 25] from which it was seen.
    colour_change: [N, 3, P, P], what a picture put in place of the raw colour adds to it (0..1 scale), at any resolution P, for
        avatars that take their pixels from the photo; None where nothing was replaced.
    """

    features: Tensor
    depth: Tensor
    opacity: Tensor
    cameras: Tensor
    colour_change: Tensor | None = None

    def to(self, device: torch.device) -> HeadRender:
        """The same on a device; itself where it is there."""
        if self.opacity.device == device:
            return self
        features, depth, opacity, cameras = (part.to(device) for part in (self.features, self.depth, self.opacity, self.cameras))
        return HeadRender(features, depth, opacity, cameras, None if self.colour_change is None else self.colour_change.to(device))


def march(planes: Planes, decoder: PlaneDecoder, cameras: Tensor, settings: MarchSettings = OFFICIAL, first_frame: int = 0) -> HeadRender:
    """Renders a head.

    As in the paper, a ray that misses the cube borrows its near and far depth from the rays of the *whole call* that hit it,
    and an empty ray's depth is the greatest of the whole call. All else is decided per frame. Frames that must not
    depend on the others of the call are marched one by one (as render_head does).

    With `planes.bounds`, rays are marched between their entry to and exit from that box, and those that miss it are not marched.

    The result is always finite: a ray that meets features which are infinite or not numbers is empty.

    This is the differentiable marcher: gradients reach the features, the decoder and the cameras. All others hand over to it
    where a tensor requires them and grad mode is on; it needs much more memory and time than they do.

    Args:
        planes: of N heads, or of one that all cameras share.
        decoder: turns features into density and colour.
        cameras: [N, 25].
        settings: how finely.
        first_frame: number of the first frame, which random depths are drawn from.

    Raises:
        Real3DError: planes, decoder or cameras have other shapes or types of numbers (see checked_inputs), are not as many as each
            other, or a camera has no rays.
    """
    planes, decoder, cameras = checked_inputs(planes, decoder, cameras)

    def prepare(features: Tensor, reach: Tensor) -> MarchRays:
        return lambda *rays: march_rays(features, planes.box_side, decoder, *rays)

    return march_frames(prepare, planes, cameras, settings, first_frame)


MarchRays = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""(origins [r, 3], directions [r, 3], coarse depths [r, Nc], fine positions [r or 1, Nf]) -> colour [r, 32], depth [r], opacity [r].

Colour is 0..1 and premultiplied with opacity; the depth of an empty ray is not finite.
"""


def march_frames(
    prepare: Callable[[Tensor, Tensor], MarchRays], planes: Planes, cameras: Tensor, settings: MarchSettings, first_frame: int
) -> HeadRender:
    """What all marchers share: casts the rays, marches them chunk by chunk, and lays the results out as images.

    Args:
        prepare: (grids of one frame's planes, [3, C, H, W] or [3, C, D, H, W], lower and upper corner [2, 3] of the box that all
            its samples lie in) -> the function that marches rays through them.
        planes, cameras: checked; settings, first_frame: see `march`.
    """
    require_as_many(planes, cameras)
    with full_float32(cameras.device):
        return _march_frames(prepare, planes, cameras, settings, first_frame)


def require_as_many(planes: Planes, cameras: Tensor) -> None:
    """Raises Real3DError unless there is one head, or one for each camera."""
    if len(planes) not in (1, len(cameras)):
        raise Real3DError(f"{len(planes)} heads cannot be seen by {len(cameras)} cameras: give one head, or as many as cameras.")


def blind_camera(frame: int) -> Real3DError:
    """What is to be raised where a camera has no rays."""
    return Real3DError(
        f"The camera of frame {frame} sees nothing: its numbers must be finite, its focal lengths not zero and its matrix a rotation."
    )


def refuse_blind(origins: Tensor, directions: Tensor, first_frame: int) -> None:
    """Raises Real3DError where the rays [N, M, 3] of a frame are none."""
    sound = (directions.square().sum(-1) > 0.5).all(dim=1) & origins[:, 0].isfinite().all(dim=1)
    if not sound.all():
        raise blind_camera(first_frame + int(sound.int().argmin()))


def _march_frames(
    prepare: Callable[[Tensor, Tensor], MarchRays], planes: Planes, cameras: Tensor, settings: MarchSettings, first_frame: int
) -> HeadRender:
    side = settings.resolution
    origins, directions = camera_rays(cameras, side)
    refuse_blind(origins, directions, first_frame)
    near, far, hit = ray_span(origins, directions, planes)
    marched = hit if planes.bounds is not None else hit.any().expand_as(hit)

    features = origins.new_zeros(*hit.shape, 32)
    opacity = origins.new_zeros(hit.shape)
    depth = torch.full_like(opacity, torch.inf)
    column_by_column = torch.arange(side * side, device=cameras.device).view(side, side).T.flatten()  # keeps lookups close together
    closest, farthest = [], []
    for frame in range(len(cameras)):
        rays = column_by_column[marched[frame, column_by_column]]
        if not len(rays):
            continue
        jitter, positions = sample_numbers(settings, first_frame + frame, cameras.device)
        depths = coarse_depths(near[frame, rays], far[frame, rays], _of(rays, jitter))
        closest.append(depths[:, 0].amin())
        farthest.append(depths[:, -1].amax())
        starts, towards = (of_all[frame].mT.index_select(1, rays).mT.contiguous() for of_all in (origins, directions))
        ends = torch.cat([starts + depths[:, end, None] * towards for end in (0, -1)])
        march_rays = prepare(planes.frame(frame).grids()[0], torch.stack(ends.aminmax(dim=0)))
        parts = (part.split(settings.rays_per_chunk) for part in (rays, starts, towards, depths))
        for chunk, start, toward, coarse in zip(*parts, strict=True):
            features[frame, chunk], depth[frame, chunk], opacity[frame, chunk] = march_rays(start, toward, coarse, _of(chunk, positions))
    broken = ~(features.sum(dim=-1) + opacity).isfinite()
    if broken.any():
        features, opacity = features.masked_fill(broken[..., None], 0), opacity.masked_fill(broken, 0)
        depth = depth.masked_fill(broken, torch.inf)
    if farthest:
        depth = depth.nan_to_num(nan=torch.inf).clamp(torch.stack(closest).amin(), torch.stack(farthest).amax())
    else:
        depth = origins.norm(dim=-1)

    def image(values: Tensor) -> Tensor:
        turned = values.new_empty(len(values), values.shape[2], side * side)
        for frame in range(len(values)):  # one matrix at a time is copied twice as fast as all of them
            turned[frame].copy_(values[frame].T)
        return turned.unflatten(2, (side, side))

    return HeadRender(image(features.mul_(2).sub_(1)), image(depth[..., None]), image(opacity[..., None]), cameras)


def march_rays(
    planes: Tensor, box_side: float, decoder: PlaneDecoder, origins: Tensor, directions: Tensor, depths: Tensor, positions: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Both passes for r rays through one head (spec 03 sections 7-9).

    Args:
        planes: [3, 32, H, W] or [3, 32, D, H, W].
        box_side: of the cube that the planes span.
        decoder: turns features into density and colour.
        origins, directions: [r, 3].
        depths: [r, Nc] of the first pass, ascending.
        positions: [r or 1, Nf] in 0..1, where in the distribution found by the first pass the second one looks.

    Returns:
        colour [r, 32] 0..1 (premultiplied), depth [r] (not finite on an empty ray), opacity [r].
    """

    def look(depths: Tensor) -> tuple[Tensor, Tensor]:
        points = origins[:, None] + depths[..., None] * directions[:, None]
        return decoder(sample_planes(planes, points, box_side))

    densities, colours = look(depths)
    weights = interval_weights(depths, densities)
    if positions.shape[1]:
        fine = importance_depths(depths, weights, positions)
        fine_densities, fine_colours = look(fine)
        depths, order = torch.cat([depths, fine], dim=1).sort(dim=1)
        densities = torch.cat([densities, fine_densities], dim=1).gather(1, order)
        colours = torch.cat([colours, fine_colours], dim=1).gather(1, order[..., None].expand(-1, -1, colours.shape[-1]))
        weights = interval_weights(depths, densities)
    return integrate(weights, colours), mean_depth(weights, depths), weights.sum(dim=1)


def ray_span(origins: Tensor, directions: Tensor, planes: Planes) -> tuple[Tensor, Tensor, Tensor]:
    """Between which depths each ray is marched (spec 03 section 3).

    A ray that misses the cube gets the smallest near as its near and the largest near as its far, over all rays of the call.
    (The second looks like a mistake of the reference, but its numbers depend on it.)

    Args:
        origins, directions: [N, M, 3].
        planes: their cube is hit or missed, or their bounds where they have them.

    Returns:
        near [N, M], far [N, M], hit [N, M] bool.
    """
    lower, upper = marched_box(planes).to(origins)
    near, far = ray_box(origins, directions, lower, upper)
    hit = far > near
    if hit.any():
        first, last = near[hit].amin(), near[hit].amax()
        near, far = near.where(hit, first), far.where(hit, last)
    return near, far, hit


def marched_box(planes: Planes) -> Tensor:
    """[2, 3] float32 corners of the world box that is marched: the planes' bounds, or their cube."""
    if planes.bounds is not None:
        return planes.bounds
    half = planes.features.new_full((3,), planes.box_side / 2, dtype=torch.float32)
    return torch.stack([-half, half])


def ray_box(origins: Tensor, directions: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Depths [...] at which rays [..., 3] enter and leave the box between two corners [3]; a miss has its exit before its entry."""
    # along an axis the others' faces are as good as infinitely far away; 1 / 0 would make gradients of 0 * inf
    inverse = 1 / directions.where(directions != 0, torch.finfo(torch.float32).tiny)
    to_lower, to_upper = (lower - origins) * inverse, (upper - origins) * inverse
    backwards = inverse < 0
    entries, exits = torch.where(backwards, to_upper, to_lower), torch.where(backwards, to_lower, to_upper)
    return entries.amax(dim=-1), exits.amin(dim=-1)


def sample_numbers(settings: MarchSettings, frame: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """The numbers that place the depths of one frame (spec 03 section 12); without a seed the same for every ray.

    Returns:
        jitter [M or 1, Nc] in [0, 1) for coarse_depths, positions [M or 1, Nf] in 0..1, ascending, for importance_depths.
    """
    if settings.seed is None:
        kind: dict[str, Any] = {"device": device, "dtype": torch.float32}
        return torch.full((1, settings.coarse), 0.5, **kind), torch.linspace(0, 1, settings.fine, **kind)[None]
    rays = settings.resolution**2
    generator = np.random.Generator(np.random.PCG64([settings.seed, frame]))
    jitter, positions = (
        torch.from_numpy(generator.random((rays, count), dtype=np.float32)).to(device) for count in (settings.coarse, settings.fine)
    )
    return jitter, positions.sort(dim=1).values


def coarse_depths(near: Tensor, far: Tensor, jitter: Tensor) -> Tensor:
    """Evenly spaced depths, each moved up by its jitter: the last one lies beyond far (spec 03 section 4).

    near, far [r], jitter [r or 1, Nc] -> [r, Nc] ascending.
    """
    steps = jitter.shape[1] - 1
    strata = torch.linspace(0, 1, steps + 1, device=near.device, dtype=near.dtype)
    span = (far - near)[:, None]
    return (strata * span).add_(near[:, None]).add_(jitter * (span / steps))


def sample_planes(planes: Tensor, points: Tensor, box_side: float) -> Tensor:
    """Mean of the three planes' values at points (spec 03 section 5): see `look_up`; points [r, S, 3] world -> [r, S, C]."""
    return look_up(planes, points, box_side).mean(dim=0).permute(1, 2, 0)


def look_up(planes: Tensor, points: Tensor, box_side: float) -> Tensor:
    """Each plane's values at points, between texels bilinear, and between the layers of a trigrid linear (spec 09); zeros outside.

    planes [3, C, H, W] or [3, C, D, H, W], points [r, S, 3] world -> [3, C, r, S].
    """
    x, y, z = (2 / box_side * points).unbind(-1)
    if planes.ndim == 5:
        grid = torch.stack([torch.stack([x, y, z], -1), torch.stack([x, z, y], -1), torch.stack([z, x, y], -1)])
        return F.grid_sample(planes, grid[:, None], align_corners=False)[:, :, 0]
    grid = torch.stack([torch.stack([x, y], -1), torch.stack([x, z], -1), torch.stack([z, x], -1)])
    return F.grid_sample(planes, grid, align_corners=False)


def interval_weights(depths: Tensor, densities: Tensor) -> Tensor:
    """How much each interval between neighbouring depths adds to the picture (spec 03 section 7).

    depths [r, S] ascending, densities [r, S] before activation -> [r, S-1], summing to the opacity.
    """
    density = F.softplus((densities[:, :-1] + densities[:, 1:]) / 2 - 1)
    alpha = 1 - torch.exp(-density * depths.diff(dim=1))
    passed = torch.cumprod(1 - alpha + 1e-10, dim=1)
    reaching = torch.cat([torch.ones_like(passed[:, :1]), passed[:, :-1]], dim=1)
    return alpha * reaching


def integrate(weights: Tensor, values: Tensor) -> Tensor:
    """Sum over the intervals of weight times the mean of the values at both ends: [r, S-1], [r, S, C] -> [r, C]."""
    return (weights[:, None] @ ((values[:, :-1] + values[:, 1:]) / 2))[:, 0]


def mean_depth(weights: Tensor, depths: Tensor) -> Tensor:
    """Depth of the picture: [r, S-1], [r, S] -> [r]; infinite where the weights are all zero."""
    total = weights.sum(dim=1)
    shown = total > 0
    return (integrate(weights, depths[..., None])[:, 0] / total.where(shown, 1)).where(shown, torch.inf)


def importance_depths(depths: Tensor, weights: Tensor, positions: Tensor) -> Tensor:
    """Where the second pass looks: often where the first one found weight (spec 03 section 8).

    The weights are widened and smoothed first. Interval j of the distribution reaches from bin j to bin j + 1 although its
    weight is that of coarse interval j + 1; this half-bin shift, and the last bin that is never used, belong to the model.

    Args:
        depths: [r, Nc].
        weights: [r, Nc-1] of the first pass.
        positions: [r or 1, Nf] in 0..1.

    Returns:
        [r, Nf], ascending where positions are.
    """
    widened = F.max_pool1d(weights[:, None], 2, stride=1, padding=1)[:, 0]
    smoothed = (widened[:, :-1] + widened[:, 1:]) / 2 + 0.01
    share = smoothed[:, 1:-1] + 1e-5
    share = share / share.sum(dim=1, keepdim=True)
    cumulative = F.pad(share.cumsum(dim=1), (1, 0))
    bins = ((depths[:, :-1] + depths[:, 1:]) / 2)[:, :-1]

    positions = positions.to(depths).expand(len(depths), -1).contiguous()
    right = torch.searchsorted(cumulative, positions, right=True)
    left = (right - 1).clamp(min=0)
    right = right.clamp(max=cumulative.shape[1] - 1)
    start, end = cumulative.gather(1, left), cumulative.gather(1, right)
    nearer, farther = bins.gather(1, left), bins.gather(1, right)
    width = (end - start).where(end - start >= 1e-5, 1)
    # fmin: rounding must not reach the next bin, and depths stay finite where weights are not
    return (nearer + (positions - start) / width * (farther - nearer)).fmin(farther)


def _of(rays: Tensor, numbers: Tensor) -> Tensor:
    """The numbers of some rays, where each ray has its own."""
    return numbers if len(numbers) == 1 else numbers[rays]
