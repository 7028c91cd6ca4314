"""The paper's face model, Basel Face Model 2009: shape, pose, projection and key points (spec 06 sections 5 and 6).

Axes: x to image right, y up, z towards the camera; decimetres. Vectors are rows. "224 units" are image coordinates in
which the image side is 224.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...render.camera import FACE_MODEL_CAMERA_DISTANCE, euler_to_matrix

IDENTITIES, EXPRESSIONS = 80, 64
FOCAL = 1015.0  # in 224 units
CENTRE = 112.0


@dataclass(frozen=True)
class LinearShape:
    """Points that move linearly with identity and expression.

    mean: [N, 3] dm. identity: [3 N, 80], expression: [3 N, 64], dm per unit; rows run x0 y0 z0 x1 ...
    """

    mean: Tensor
    identity: Tensor
    expression: Tensor

    def points(self, identity: Tensor, expression: Tensor) -> Tensor:
        """[B, 80] and [B, 64] coefficients (either may have B = 1) -> [B, N, 3] dm, without pose."""
        return self.mean + self.offsets(identity, expression)

    def offsets(self, identity: Tensor, expression: Tensor) -> Tensor:
        """The same without the mean."""
        return (identity @ self.identity.T + expression @ self.expression.T).unflatten(-1, (-1, 3))

    def at(self, vertices: Tensor) -> LinearShape:
        """The shape at the chosen vertices [n] only."""
        return LinearShape(
            self.mean[vertices],
            self.identity.unflatten(0, (-1, 3))[vertices].flatten(0, 1),
            self.expression.unflatten(0, (-1, 3))[vertices].flatten(0, 1),
        )

    def to(self, device: torch.device | str) -> LinearShape:
        """The shape on another device."""
        return LinearShape(self.mean.to(device), self.identity.to(device), self.expression.to(device))

    def of_person(self, identity: Tensor) -> LinearShape:
        """The shape of one person [1, 80]: the identity becomes part of the mean, so that a clip only pays for its expressions."""
        mean = self.points(identity, identity.new_zeros(1, self.expression.shape[1]))[0]
        return replace(self, mean=mean, identity=self.identity.new_zeros(3 * len(mean), self.identity.shape[1]))


@dataclass(frozen=True)
class FaceModel:
    """Everything read from the user's face model files (`face_model_files.load_face_model`).

    shape: all N vertices, the mean over them subtracted from the mean shape.
    triangles: [F, 3] vertex numbers. eye_triangles: [E] numbers of those between the eyelids.
    keypoints: [68] vertices of the 68 landmarks.
    mediapipe: [468] vertex of each MediaPipe point; 0 where there is none, such points have no weight in a fit.
    colours: [N, 3] in 0..1, the colour of each vertex in a PNCC picture: its place on the mean face.
    tables_estimated: the index tables were not among the files and are only estimates.
    """

    shape: LinearShape
    triangles: Tensor
    eye_triangles: Tensor
    keypoints: Tensor
    mediapipe: Tensor
    colours: Tensor
    tables_estimated: bool

    @property
    def drawn_triangles(self) -> Tensor:
        """[F', 3], the triangles without those between the eyelids."""
        drawn = torch.ones(len(self.triangles), dtype=torch.bool)
        drawn[self.eye_triangles] = False
        return self.triangles[drawn]

    @property
    def mediapipe_shape(self) -> LinearShape:
        """The 468 MediaPipe points."""
        return self.shape.at(self.mediapipe)

    @property
    def torso_shape(self) -> LinearShape:
        """The 68 points whose motion steers the torso.

        Each is the vertex AFTER the landmark's own: the published torso network was trained with that off-by-one index
        and depends on it (spec 06 section 12, item 3). For anything else use `keypoints`.
        """
        return self.shape.at((self.keypoints + 1).clamp(max=len(self.shape.mean) - 1))


def place(points: Tensor, euler: Tensor, translation: Tensor) -> Tensor:
    """[B, N, 3] points without pose, [B, 3] radians, [B, 3] dm -> [B, N, 3] camera space: x right, y up, depth from the camera."""
    posed = points @ euler_to_matrix(euler).transpose(-1, -2) + translation[:, None]
    return posed * posed.new_tensor([1.0, 1.0, -1.0]) + posed.new_tensor([0.0, 0.0, FACE_MODEL_CAMERA_DISTANCE])


def project(placed: Tensor) -> Tensor:
    """[..., 3] camera space -> [..., 2] in 224 units, x right, y UP: what a fit compares."""
    return CENTRE + FOCAL * placed[..., :2] / placed[..., 2:]


def picture_coordinates(projected: Tensor) -> Tensor:
    """[..., 2] in 224 units, y up -> 0..1 of the image side, y down."""
    side = 2 * CENTRE
    return torch.stack([projected[..., 0] / side, (side - projected[..., 1]) / side], dim=-1)


def torso_key_points(torso_shape: LinearShape, identity: Tensor, expression: Tensor, euler: Tensor, translation: Tensor) -> Tensor:
    """[B, 68, 2] in -1..1, clamped, y down, from coefficients and pose of B frames (spec 06 section 11)."""
    placed = place(torso_shape.points(identity, expression), euler, translation)
    return ((picture_coordinates(project(placed)) - 0.5) / 0.5).clamp(-1, 1)
