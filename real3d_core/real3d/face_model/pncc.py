"""PNCC pictures: the face model without pose, each vertex coloured by its place on the mean face (spec 06 section 9).

A picture carries identity and expression only; the pose goes into the camera. The z-buffer is our own: every pixel sample in
every triangle's bounding box is tested at once, and one scatter-minimum keeps the nearest triangle of each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import MotionMismatchError
from .basel import CENTRE, FOCAL, FaceModel, place

SIDE = 512
_MOST_SAMPLES = 32  # per pixel; a face needs one or two
_NO_AREA = 1e-8  # twice the area of a triangle that is skipped, in units of half the image side


class PnccRenderer:
    """Draws PNCC pictures of one face model.

    Args:
        face: its triangles and colours are used, without those between the eyelids.
        device: where the pictures are drawn; the points given must lie there.
    """

    def __init__(self, face: FaceModel, device: torch.device | str = "cpu"):
        self._corners = face.drawn_triangles.T.contiguous().to(device)
        self._colours = face.colours.T.contiguous().to(device)

    def __call__(self, points: Tensor, euler: Tensor | None = None, translation: Tensor | None = None, side: int = SIDE) -> Tensor:
        """Pictures of B faces, drawn one by one: memory beyond the result does not grow with B.

        Args:
            points: [B, N, 3] all vertices without pose, dm (`LinearShape.points`).
            euler, translation: [B, 3] each; None, no pose, is what the published networks are given.
            side: pixels.

        Returns: [B, 3, side, side] in -1..1; -1 where there is no face, between the eyelids and in an open mouth.

        Raises: MotionMismatchError if the points are blown up as only coefficients of something else do.
        """
        still = points.new_zeros(len(points), 3)
        placed = place(points, still if euler is None else euler, still if translation is None else translation)
        pictures = points.new_full((len(points), 3, side * side), -1.0)
        for vertices, picture in zip(placed, pictures, strict=True):
            surface = visible_surface(vertices, self._corners, side)
            corners = self._corners.index_select(1, surface.triangles)
            for channel, colours in zip(picture, self._colours, strict=True):
                channel[surface.pixels] = (_pick(colours, corners) * surface.weights).sum(dim=0) * 2 - 1
        return pictures.unflatten(2, (side, side))


@dataclass(frozen=True)
class VisibleSurface:
    """What the covered pixels show, P of them in reading order.

    pixels: [P] row * side + column. triangles: [P] the nearest triangle. weights: [3, P] of its corners, perspective-correct.
    """

    pixels: Tensor
    triangles: Tensor
    weights: Tensor


def visible_surface(vertices: Tensor, corners: Tensor, side: int) -> VisibleSurface:
    """The nearest triangle at the centre of each pixel.

    One sample a pixel, no antialiasing; both sides of a triangle are drawn; a sample exactly on an edge belongs to neither
    side (spec 06 section 12, item 13). The published renderer takes triangle 0 for background, one pixel at most, which is
    not followed (item 12).

    Args:
        vertices: [N, 3] camera space (`face_model.place`), all in front of the camera.
        corners: [3, F] vertex numbers, contiguous.
        side: pixels.
    """
    boxes, number = _bounding_boxes(vertices, corners, side)
    if boxes.count.sum() > _MOST_SAMPLES * side * side:
        raise MotionMismatchError(
            "The expression is far outside of what a face can do, so it cannot be drawn: lower its strength, or use a motion that was "
            "made for this avatar."
        )
    box, right, down = boxes.samples()
    weights = boxes.weights(box, right, down)
    inside = (torch.minimum(torch.minimum(weights[0], weights[1]), weights[2]) > 0).nonzero()[:, 0]

    box, right, down = (_pick(track, inside) for track in (box, right, down))
    triangles = _pick(number, box)
    pixels = (_pick(boxes.top, box) + down).long() * side + (_pick(boxes.left, box) + right).long()
    distance = _pick(vertices[:, 2], corners.index_select(1, triangles))
    weights = torch.stack([_pick(weight, inside) for weight in weights]) / distance
    weights /= weights.sum(dim=0)
    depth = (weights * distance).sum(dim=0)

    # The bits of a positive float sort like integers: the key's upper half is the depth, its lower half the sample's number,
    # so that of equally near triangles the first one wins.
    key = (depth.view(torch.int32).long() << 32) | torch.arange(len(depth), device=depth.device)
    nothing = torch.iinfo(torch.int64).max
    nearest = key.new_full((side * side,), nothing).scatter_reduce_(0, pixels, key, "amin")
    covered = (nearest != nothing).nonzero()[:, 0]
    shown = _pick(nearest, covered) & 0xFFFFFFFF
    return VisibleSurface(covered, _pick(triangles, shown), weights.index_select(1, shown))


@dataclass(frozen=True)
class _BoundingBoxes:
    """Triangles in pixels, K of them, by the box of pixel samples that each may cover.

    left, top, columns, rows: [K] int32. planes: three (value at the box's upper left sample, slope to the right, slope down),
    [K] each: the screen-space weights of the three corners.
    """

    left: Tensor
    top: Tensor
    columns: Tensor
    rows: Tensor
    planes: list[tuple[Tensor, Tensor, Tensor]]

    @property
    def count(self) -> Tensor:
        """[K] samples in each box."""
        return (self.columns * self.rows).long()

    def samples(self) -> tuple[Tensor, Tensor, Tensor]:
        """All samples of all boxes: [S] number of the box, column and row within it."""
        box = torch.repeat_interleave(self.count)
        first = (self.count.cumsum(0) - self.count).int()
        place_in_box = torch.arange(len(box), dtype=torch.int32, device=box.device) - _pick(first, box)
        columns = _pick(self.columns, box)
        down = place_in_box // columns
        return box, place_in_box - down * columns, down

    def weights(self, box: Tensor, right: Tensor, down: Tensor) -> list[Tensor]:
        """[S] screen-space weight of each of the three corners; all positive inside the triangle."""
        right, down = right.float(), down.float()
        return [
            _pick(value, box) + _pick(to_right, box) * right + _pick(to_bottom, box) * down for value, to_right, to_bottom in self.planes
        ]


def _bounding_boxes(vertices: Tensor, corners: Tensor, side: int) -> tuple[_BoundingBoxes, Tensor]:
    """The boxes of those triangles that may cover a sample, and the numbers [K] of these triangles."""
    half = side / 2
    scale = half * (FOCAL / CENTRE) / vertices[:, 2]
    # in pixels: sample (row i, column j) lies at (j, i)
    x = _pick(vertices[:, 0] * scale + (half - 0.5), corners)
    y = _pick((half - 0.5) - vertices[:, 1] * scale, corners)
    left, right = x.amin(0).ceil().clamp(min=0), x.amax(0).floor().clamp(max=side - 1)
    top, bottom = y.amin(0).ceil().clamp(min=0), y.amax(0).floor().clamp(max=side - 1)
    area = (x[2] - x[0]) * (y[1] - y[0]) - (y[2] - y[0]) * (x[1] - x[0])
    kept = ((left <= right) & (top <= bottom) & (area.abs() > _NO_AREA * half * half)).nonzero()[:, 0]

    x, y, area, left, right, top, bottom = (track.index_select(-1, kept) for track in (x, y, area, left, right, top, bottom))
    planes = []
    for a, b in ((1, 2), (2, 0), (0, 1)):
        to_right, to_bottom = (y[b] - y[a]) / area, (x[a] - x[b]) / area
        planes.append(((left - x[a]) * to_right + (top - y[a]) * to_bottom, to_right, to_bottom))
    columns, rows = (right - left + 1).int(), (bottom - top + 1).int()
    return _BoundingBoxes(left.int(), top.int(), columns, rows, planes), kept


def _pick(values: Tensor, index: Tensor) -> Tensor:
    """values[index] of a vector; index_select is several times faster than square brackets."""
    return values.index_select(0, index.flatten()).view(index.shape)
