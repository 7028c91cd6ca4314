"""Nothing that drives the paper's avatar gives its networks a folded face or a head that has left its torso."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from official_files import NoNetworks
from wild_motions import WILD, wild_motion

from real3d_core.motion.motion import Motion
from real3d_core.real3d.avatar import BASIS, Real3DAvatar
from real3d_core.real3d.face_model.driven import DrivenFace
from real3d_core.real3d.face_model.fit import FaceFit

FIT = FaceFit(torch.zeros(1, 80), torch.zeros(1, 64), torch.zeros(1, 3), torch.zeros(1, 3))
PORTRAIT = object()


@dataclass(frozen=True)
class SeenFace(DrivenFace):
    """Writes down the expressions that the networks are driven by."""

    asked: list[torch.Tensor] = field(default_factory=list)

    def pictures(self, fit):
        draw = super().pictures(fit)

        def drawn(expression):
            self.asked.append(expression)
            return draw(expression)

        return drawn

    def driving_key_points(self, fit, expression, trajectory):
        self.asked.append(expression)
        return super().driving_key_points(fit, expression, trajectory)


@pytest.fixture(scope="module")
def seen(face):
    return SeenFace(face)


@pytest.fixture(scope="module")
def avatar(seen):
    networks = SimpleNamespace(decoder=NoNetworks.decoder, config=SimpleNamespace(march_settings=None), super_resolution=None)
    return Real3DAvatar(networks, seen, prepare=lambda portrait: SimpleNamespace(fit=FIT))


@pytest.mark.parametrize("name", WILD)
def test_whatever_drives_it_the_face_is_one(avatar, seen, face, name):
    motion = wild_motion(name, BASIS, 2)
    seen.asked.clear()
    picture = avatar.condition(PORTRAIT, motion).frames(1, 2)
    assert picture.shape == (1, 512, 512, 3) and 0.1 < (picture > 0).any(dim=-1).float().mean() < 0.8
    avatar._stage(None, PORTRAIT, motion, None)
    for expression in seen.asked:
        assert expression.norm(dim=1).max() < 8.501
        assert turned_over(face, expression) < 0.04
    cameras = avatar.cameras(PORTRAIT, motion).cameras
    assert torch.isfinite(cameras).all()


def turned_over(face, expression) -> float:
    """The part of the mesh whose triangles show their back though they do not at rest."""

    def areas(expressions):
        x, y = face.shape.points(torch.zeros(1, 80), expressions)[..., face.drawn_triangles, :2].unbind(-1)
        return (x[..., 1] - x[..., 0]) * (y[..., 2] - y[..., 0]) - (x[..., 2] - x[..., 0]) * (y[..., 1] - y[..., 0])

    rest = areas(torch.zeros(1, 64))
    return float(((areas(expression) * rest < 0) * rest.abs()).sum() / (len(expression) * rest.abs().sum()))


def test_what_faces_do_reaches_the_networks_as_it_is(avatar, seen):
    draw = torch.Generator().manual_seed(0)
    motion = Motion(BASIS, torch.rand(3, 65, generator=draw), torch.rand(3, 3, generator=draw) / 2, torch.rand(3, 3, generator=draw) / 3)
    seen.asked.clear()
    avatar._stage(None, PORTRAIT, motion, None)
    assert torch.equal(seen.asked[0], motion.expression[:, 1:])
