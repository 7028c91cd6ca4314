"""The avatar `real3d` through the nodes: the user's folder, its loader and its face model are real, the networks stand-ins."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from official_files import write_face_model, write_voice
from safetensors.torch import save_file
from torch import Tensor, nn

CHECKPOINT = "secc2plane_torso_orig/model_ckpt_steps_100000.ckpt"


class StandIn(nn.Module):
    """A network with something that can be moved to a device."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1), requires_grad=False)


class Drawing(StandIn):
    """Draws planes of a depth, no two layers alike."""

    def __init__(self, depth: int = 1):
        super().__init__()
        self.depth = depth

    def planes(self, value: Tensor) -> Tensor:
        return self.weight * value * torch.linspace(0.5, 1.5, 32 * self.depth).view(1, 1, -1, 1, 1).expand(1, 3, -1, 16, 16)


class Lifting(Drawing):
    def forward(self, head: Tensor) -> Tensor:
        return self.planes(head.mean())


class Adapting(Drawing):
    def forward(self, canonical: Tensor, source: Tensor, target: Tensor) -> Tensor:
        return self.planes((target - source).mean())


class Finishing(StandIn):
    """Shows the torso, brighter where the head is."""

    def encode(self, torso: Tensor, background: Tensor, classes: Tensor, keypoints: Tensor) -> Tensor:
        assert classes.shape == (1, 6, 512, 512) and keypoints.shape == (1, 68, 3)
        return torso

    def with_background(self, scene: Tensor, background: Tensor) -> Tensor:
        return background

    def person(self, features: Tensor, opacity: Tensor, keypoints: Tensor, scene: Tensor, threshold: float) -> Tensor:
        return opacity

    def forward(self, features: Tensor, opacity: Tensor, keypoints: Tensor, scene: Tensor, threshold: float) -> Tensor:
        assert keypoints.shape == (1, 68, 3) and features.shape[1] == 32
        return self.weight * scene / 2 + features.mean() / 2


@pytest.fixture(scope="module")
def official(host, tmp_path_factory):
    """The avatar as 'Load avatar' gives it."""
    pytest.importorskip("transformers")
    folder = host.folder / "models" / "real3d"
    write_face_model(folder)
    write_voice(folder)
    (folder / CHECKPOINT).parent.mkdir()
    (folder / CHECKPOINT).write_bytes(b"PK")
    checkpoint, config = host.core("real3d.weights.checkpoint"), host.core("real3d.weights.config")
    decoder = host.core("render.decoder").PlaneDecoder(torch.ones(4, 32), torch.zeros(4), torch.ones(33, 4), torch.zeros(33))
    networks = checkpoint.Real3DNetworks(config.Real3DConfig(resolution=16), Lifting(), Adapting(), decoder, Finishing())
    loader = host.core("real3d.official_files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader, "load_networks", lambda path, device, dtype: networks)
        yield host.execute("Real3DLoadAvatar", avatar=CHECKPOINT)[0]


@pytest.fixture(scope="module")
def portrait(host):
    return host.execute("Real3DPreparePortrait", image=host.inputs["portrait.png"])[0]


@pytest.fixture(scope="module")
def motion(host, official):
    spoken = host.execute("Real3DAudioToMotion", avatar=official, audio=host.inputs["voice.wav"], blink="none")[0]
    return host.execute("Real3DEditMotion", motion=spoken, end=0.12)[0]


def rendered(host, official, portrait, motion):
    planes = host.execute("Real3DImageToPlane", avatar=official, portrait=portrait)[0]
    moving = host.execute("Real3DMotionAdapter", avatar=official, planes=planes, motion=motion)[0]
    camera = host.execute("Real3DCameraPath", portrait=portrait, motion=motion)[0]
    return host.execute("Real3DRenderHead", avatar=official, planes=moving, camera=camera)[0], camera


def test_only_checkpoints_of_networks_are_offered(official, host):
    choices = host.part("runtime.folders").avatar_choices()
    assert CHECKPOINT in choices and not any(name.startswith(("audio2secc_vae", "hubert", "bfm")) for name in choices)


@pytest.mark.parametrize("top", ["", "real3dportrait_orig/", "somebody/elses/"])
def test_weights_of_other_models_are_not_offered_wherever_they_lie(host, top):
    folder = host.folder / "models" / "real3d"
    networks, voice = {"secc_img2plane_backbone.x": torch.ones(1)}, {"mel_encoder.0.weight": torch.ones(1)}
    files = {
        "mine.ckpt": {"state_dict": {"model": {**networks, "cano_img2plane_backbone.x": torch.ones(1)}}},
        "old/model_ckpt_steps_250000.ckpt": {"state_dict": {"model": {"module.cano_img2plane_backbone.x": torch.ones(1)}}},
        "voice.ckpt": {"state_dict": {"model": voice}},
        "model_ckpt_steps_400000.ckpt": {"state_dict": {"model": voice}},
        "mit_b0.ckpt": {"patch_embed1.proj.weight": torch.ones(1)},
        "pretrained_ckpts/mit_b0.pth": {"patch_embed1.proj.weight": torch.ones(1)},
        "speech/pytorch_model.bin": {"hubert.encoder.x": torch.ones(1)},
    }
    paths = [folder / f"{top}{name}" for name in (*files, "speech/model.safetensors", "notes.txt")]
    before = set(host.part("runtime.folders").avatar_choices())
    for path, content in zip(paths, files.values(), strict=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path, _use_new_zipfile_serialization=path.name.startswith("m"))
    save_file({"encoder.layers.0.x": torch.ones(1)}, paths[-2])
    paths[-1].write_text("nothing")
    try:
        offered = set(host.part("runtime.folders").avatar_choices()) - before
    finally:
        for path in paths:
            path.unlink()
    assert {name.replace("\\", "/") for name in offered} == {f"{top}mine.ckpt", f"{top}old/model_ckpt_steps_250000.ckpt"}


def test_the_stages_make_frames(host, official, portrait, motion):
    assert motion.basis.name == "real3d" and len(motion) == 3 and motion.expression[:, 1:].std() > 0
    render, camera = rendered(host, official, portrait, motion)
    inputs = {"avatar": official, "render": render, "portrait": portrait, "motion": motion, "size": 64}
    frames, masks, _ = host.execute("Real3DSuperResolution", **inputs)
    assert frames.shape == (3, 64, 64, 3) and masks.shape == (3, 64, 64)
    pictures, _ = host.execute("Real3DSideBySide", **inputs)
    assert pictures.shape == (3, 64, 320, 3) and torch.equal(pictures[:, :, 256:], frames)
    face = pictures[:, :, 64:128]
    assert 0.05 < (face > 0).any(-1).float().mean() < 0.9 and not torch.equal(face[0], face[2])
    # the paper's own cameras: the fitted pose, not the portrait's
    one = portrait.items[0]
    assert torch.equal(camera.seen_by(official)[0].cameras, official.cameras(one, motion).cameras)
    fit = official.avatar.source(one).fit
    wanted = host.core("render.camera").camera_from_pose(fit.euler, fit.translation).float()
    assert torch.allclose(wanted, render.streams[0].frames(0, 1).cameras, atol=1e-5)


@pytest.fixture(params=[1, 3], ids=["triplane", "trigrid"])
def deep(request, host, official):
    """The avatar with planes of a depth."""
    core = official.avatar
    networks = replace(core.networks, image_to_plane=Lifting(request.param), motion_adapter=Adapting(request.param))
    return type(official)(type(core)(networks, core._face, prepare=core.source))


def test_planes_pass_through_every_node_whatever_their_depth(host, deep, portrait, motion):
    depth = deep.avatar.networks.motion_adapter.depth
    planes = host.execute("Real3DImageToPlane", avatar=deep, portrait=portrait)[0]
    (head,) = planes.still("")
    assert head.depth == depth
    (kept,) = host.execute("Real3DLoadPlanes", file=host.execute("Real3DSavePlanes", planes=planes)[0])
    (mixed,) = host.execute("Real3DMixPlanes", first=kept, second=planes, weight=0.5)
    tensor, latent = host.execute("Real3DPlanesToTensor", planes=mixed)
    assert latent["samples"].shape == (1, 96 * depth, 16, 16)
    assert torch.equal(latent["samples"][:, 32 * depth : 64 * depth], head.features[:, 1])
    (again,) = host.execute("Real3DPlanesFromTensor", planes=planes, tensor=tensor)
    (drawn,) = host.execute("Real3DPlanesFromTensor", planes=again, tensor=latent)
    assert torch.equal(drawn.still("")[0].features, head.features)
    camera = host.execute("Real3DCameraPath", portrait=portrait, motion=motion)[0]

    def rendered_by(heads, backend="auto"):
        moving = host.execute("Real3DMotionAdapter", avatar=deep, planes=heads, motion=motion)[0]
        render = host.execute("Real3DRenderHead", avatar=deep, planes=moving, camera=camera, backend=backend)[0]
        return render.streams[0].frames(0, 3)

    straight, plain = rendered_by(planes), rendered_by(planes, "reference")
    assert (straight.features - plain.features).abs().max() < 1e-4 and straight.opacity.max() > 0.1
    for one in (kept, drawn):
        assert torch.equal(rendered_by(one).features, straight.features)


def test_numbers_of_another_depth_are_refused_in_words(host, official, portrait):
    planes = host.execute("Real3DImageToPlane", avatar=official, portrait=portrait)[0]
    (deeper,) = host.execute("Real3DPlanesFromTensor", planes=planes, tensor={"samples": torch.zeros(1, 288, 16, 16)})
    with pytest.raises(host.core("errors").Real3DError, match="only rows and columns may differ"):
        deeper.still("")


def test_one_expression_is_worn_throughout_a_longer_camera_path(host, official, portrait, motion):
    (held,) = host.execute("Real3DEditMotion", motion=motion, end=0.04)
    planes = host.execute("Real3DImageToPlane", avatar=official, portrait=portrait)[0]
    moving = host.execute("Real3DMotionAdapter", avatar=official, planes=planes, motion=held)[0]
    camera, _ = host.execute("Real3DCameraPath", portrait=portrait, mode="orbit", frames=8)
    (render,) = host.execute("Real3DRenderHead", avatar=official, planes=moving, camera=camera)
    inputs = {"avatar": official, "render": render, "portrait": portrait, "motion": held, "size": 64}
    frames, masks, _ = host.execute("Real3DSuperResolution", **inputs)
    assert len(held) == 1 and frames.shape == (8, 64, 64, 3) and masks.shape == (8, 64, 64)
    pictures, _ = host.execute("Real3DSideBySide", **inputs)
    assert torch.equal(pictures[:, :, 256:], frames)
    face = pictures[:, :, 64:128]
    assert torch.equal(face, face[:1].expand_as(face))
    cameras = render.streams[0].frames(0, 8).cameras
    assert cameras.shape == (8, 25) and not torch.allclose(cameras[0], cameras[7], atol=0.01)


def test_the_simple_node_makes_a_film(host, official, tmp_path):
    audio = {"waveform": host.inputs["voice.wav"]["waveform"][..., :5000], "sample_rate": host.inputs["voice.wav"]["sample_rate"]}
    videos, last, _ = host.execute(
        "Real3DTalkingPortrait", image=host.inputs["portrait.png"], audio=audio, avatar=official, size=64, head_pose="static"
    )
    videos[0].save_to(str(tmp_path / "film.mp4"))
    clip = host.core("media.clip").open_clip(tmp_path / "film.mp4")
    assert (clip.width, clip.height, clip.has_sound) == (64, 64, True) and last.shape == (1, 64, 64, 3)


def test_a_motion_passes_to_the_built_in_avatar_and_back(host, official, motion):
    built_in = host.execute("Real3DLoadAvatar", avatar="analytic (built in)")[0]
    (unchanged,) = host.execute("Real3DConvertMotion", motion=motion, avatar=official)
    assert unchanged is motion
    (there,) = host.execute("Real3DConvertMotion", motion=motion, avatar=built_in, made_with=official)
    assert there.basis == built_in.motion_basis and len(there) == 3
    (back,) = host.execute("Real3DConvertMotion", motion=there, avatar=official)
    assert back.basis == motion.basis
    with pytest.raises(host.core("errors").MotionMismatchError, match="real3d"):
        host.execute("Real3DConvertMotion", motion=motion, avatar=built_in)
