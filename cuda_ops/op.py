"""The op as one function of tensors, for callers who have feature planes and cameras and nothing else of this project."""

from __future__ import annotations

import torch
from torch import Tensor

from . import core
from .back_ends import march


def march_planes(
    planes: Tensor,
    weight1: Tensor,
    bias1: Tensor,
    weight2: Tensor,
    bias2: Tensor,
    camera_to_world: Tensor,
    intrinsics: Tensor,
    *,
    box_side: float = 1.0,
    bounds: Tensor | None = None,
    resolution: int = 128,
    coarse: int = 48,
    fine: int = 48,
    seed: int | None = None,
    first_frame: int = 0,
    backend: str = "auto",
) -> tuple[Tensor, Tensor, Tensor]:
    """Renders radiance fields on feature planes: two-pass importance ray marching (spec 03), one picture per camera.

    A point's features are the mean of its lookups in the three planes (bilinear, zero outside the cube). Two dense layers decode them:
    `h = softplus(weight1 @ features + bias1)`, `d, c = split(weight2 @ h + bias2, [1, 32])`. The density is `softplus(d - 1)` per world
    unit, the colour `1.002 sigmoid(c) - 0.001`, in as many as 32 channels. All layers' weights are effective ones.

    Works on the device of the planes, in float32; narrower numbers are widened. The first call on a machine builds a back end, which takes
    some seconds. Features and opacity are within 1e-4 of the plain PyTorch program's (real3d_core.render.march), and always finite. If grad
    mode is on and a tensor requires gradients, that program itself renders, and gradients reach planes, weights and cameras.

    A ray that misses the cube borrows its range of depths from the other rays of the call: frames that must not depend on each other need
    calls of their own.

    Args:
        planes: [N, 3, 32, H, W], or [1, 3, 32, H, W] for one head seen by N cameras. Columns and rows of plane 0 run along world x and y,
            of plane 1 along x and z, of plane 2 along z and x, from the lower to the upper face of the cube. With D layers along the
            remaining axis (a trigrid, D up to 64): [N, 3, 32 D, H, W], channel c D + d being feature c of layer d.
        weight1, bias1: [hidden, 32] and [hidden], any hidden width.
        weight2, bias2: [33, hidden] and [33], row 0 being the density.
        camera_to_world: [N, 4, 4] rigid; the camera's x axis points right, y down, z forward (OpenCV).
        intrinsics: [N, 3, 3], for a picture whose sides are 1 long: focal lengths in sides, the principal point usually (0.5, 0.5).
        box_side: side, in world units, of the cube that the planes span, centred on the world's origin.
        bounds: [2, 3] lower and upper corner of a world box outside which nothing is dense: rays that miss it are not marched. None: the
            whole cube.
        resolution: pixels R along a side.
        coarse: depths per ray in the first pass, at least 4.
        fine: depths per ray that the second pass adds where the first one found something; 0 leaves it out.
        seed: draws the depths at random, for each frame from the seed and the frame's number; None spaces them evenly.
        first_frame: number of the first frame.
        backend: one of `cuda_ops.NAMES`, to be preferred where it can be used; "auto": the fastest that works here.

    Returns:
        features [N, 32, R, R]: `2 colour - 1` of the colour that reaches the camera, about -1..1, and -1 where nothing is.
        depth [N, 1, R, R]: mean distance from the camera's centre along the ray, in world units; the greatest marched one where nothing is.
        opacity [N, 1, R, R]: 0..1.

    Raises:
        Real3DError: shapes or types of numbers do not fit (float64 is refused: rounding it is the caller's decision), a camera sees
            nothing, a number is out of range, or there is no such back end.

    >>> import torch, cuda_ops
    >>> y, x = torch.meshgrid(*[(torch.arange(64) + 0.5) / 64 - 0.5] * 2, indexing="ij")
    >>> planes = torch.zeros(1, 3, 32, 64, 64)
    >>> planes[0, :, 0] = 400 * (0.3**2 - x**2 - y**2)  # the three of them: the inside of a ball of radius 0.37
    >>> weight1, bias1 = torch.eye(32), torch.zeros(32)
    >>> weight2, bias2 = torch.eye(32)[[0, *range(32)]], torch.zeros(33)
    >>> camera_to_world = torch.eye(4)[None]
    >>> camera_to_world[0, 2, 3] = -3  # looks along z at the origin
    >>> intrinsics = torch.tensor([[[4, 0, 0.5], [0, 4, 0.5], [0, 0, 1]]])
    >>> features, depth, opacity = cuda_ops.march_planes(
    ...     planes, weight1, bias1, weight2, bias2, camera_to_world, intrinsics, resolution=33
    ... )
    >>> features.shape, round(depth[0, 0, 16, 16].item(), 1), round(opacity[0, 0, 16, 16].item(), 2)
    (torch.Size([1, 32, 33, 33]), 2.7, 1.0)
    """
    try:
        head = core.render.Planes(planes, box_side, bounds)
        settings = core.render.MarchSettings(resolution, coarse, fine, seed)
    except ValueError as reason:
        raise core.errors.Real3DError(f"Planes cannot be marched with these arguments: {reason}.") from None
    decoder = core.render.PlaneDecoder(weight1, bias1, weight2, bias2)
    drawn = march(head, decoder, _cameras(camera_to_world, intrinsics), settings, first_frame, backend)
    return drawn.features, drawn.depth, drawn.opacity


def _cameras(camera_to_world: Tensor, intrinsics: Tensor) -> Tensor:
    """[N, 25], as the core keeps cameras."""
    count = len(camera_to_world) if camera_to_world.ndim else 0
    if camera_to_world.shape != (count, 4, 4) or intrinsics.shape != (count, 3, 3):
        shapes = f"{list(camera_to_world.shape)} and {list(intrinsics.shape)}"
        raise core.errors.Real3DError(f"Cameras must be [N, 4, 4] matrices and [N, 3, 3] intrinsics, these are {shapes}.")
    return torch.cat([camera_to_world.flatten(1), intrinsics.to(camera_to_world.device).flatten(1)], dim=1)
