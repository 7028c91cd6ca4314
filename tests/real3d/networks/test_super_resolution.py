"""Super-resolution against the reference vectors of spec 04 section 11, weights through the official loader."""

from copy import deepcopy

import torch
import torch.nn.functional as F
from small_networks import SMALL, every_weight_learns, small_tensors
from torch import Tensor

from real3d_core.real3d.layers import resize_smooth
from real3d_core.real3d.super_resolution.frame import HeadSuperResolution, SuperResolution
from real3d_core.real3d.weights.checkpoint import build_networks

PREFIX = "superresolution."


def small_portrait() -> tuple[Tensor, ...]:
    """Torso, background, segmentation and key points for a small network."""
    classes = F.one_hot(torch.randint(0, 6, (1, 8, 8)), 6).repeat_interleave(8, 1).repeat_interleave(8, 2).permute(0, 3, 1, 2).float()
    return torch.rand(1, 3, 64, 64) * 2 - 1, torch.rand(1, 3, 64, 64) * 2 - 1, classes, torch.rand(1, 68, 3) * 2 - 1


def small_frames(count: int, side: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """Features, opacity and key points of frames for a small network."""
    return torch.rand(count, 32, side, side) * 2 - 1, torch.rand(count, 1, side, side), torch.rand(count, 68, 3) * 2 - 1


def test_frame_is_the_references(framed, golden):
    golden("sr_htb").compare("image", framed.image)


def test_head_upsampler_is_the_references(framed, golden):
    features, colour = framed.seen["head"]
    golden("sr_htb").compare("block0_x", features)
    golden("sr_htb").compare("block0_rgb", colour)


def test_torso_appearance_is_the_references(framed, golden):
    reference = golden("sr_htb")
    reference.compare("appearance_mid", framed.seen["torso.appearance.lift"])
    reference.compare("appearance_unmasked", framed.seen["torso.appearance"])
    reference.compare("motion_input", framed.seen["torso.motion_field.compress<"])
    reference.compare("compressed", framed.scene.torso.compressed)


def test_torso_motion_field_is_the_references(framed, golden, official_tensors):
    reference, seen = golden("sr_htb"), framed.seen
    entries = seen["torso.motion_field.down<"]
    # the still candidate's heat map is always zero and is not computed
    reference.compare("motion_net_input", torch.cat((torch.zeros_like(entries[:, :1]), entries), dim=1))
    reference.compare("motion_down", seen["torso.motion_field.down"])
    reference.compare("motion_up", seen["torso.motion_field.up"])
    reference.compare("head_feats_128", seen["torso.motion_field.head.residuals"])
    fused = seen["torso.motion_field.fuse"]
    reference.compare("motion_fused", fused)
    reference.compare("mask_logits", seen["torso.motion_field.choose.conv"][:, :80].unflatten(1, (5, 16)))
    field = seen["torso.motion_field"]
    reference.compare("deformation", field.deformation)
    reference.compare("occlusion_2_64", field.occlusion)
    # an output of the reference that nothing uses and that is not loaded: it shows that what it is made from is right
    unused = f"{PREFIX}torso_model.motion_field_estimator.occlusion_conv."
    occlusion = F.conv2d(fused.flatten(1, 2), official_tensors[f"{unused}weight"], official_tensors[f"{unused}bias"], padding=3)
    reference.compare("occlusion_64", occlusion.sigmoid())


def test_torso_generator_is_the_references(framed, golden):
    reference, seen = golden("sr_htb"), framed.seen
    reference.compare("deformed_features", seen["torso.generator<"])
    reference.compare("generator_mid", seen["torso.generator.mid"])
    reference.compare("generator_res", seen["torso.generator.residuals"])
    reference.compare("torso_hidden", seen["torso"].hidden)
    reference.compare("torso_rgb", seen["torso"].colour)
    reference.compare("torso_occlusion_256", seen["torso"].opacity)


def test_fusion_is_the_references(framed, golden, official_tensors, scene_inputs):
    reference, seen = golden("sr_htb"), framed.seen
    reference.compare("bg_x", seen["background.conv3"])
    # the torso's 1x1 encoder and both concatenations are folded away: put together here from what is computed instead
    torso_x = F.conv2d(
        seen["torso"].hidden, official_tensors[f"{PREFIX}torso_encoder.0.weight"], official_tensors[f"{PREFIX}torso_encoder.0.bias"]
    )
    reference.compare("torso_x", torso_x)
    opacity = resize_smooth(scene_inputs.opacity, 256)
    reference.compare("head_torso_cat", torch.cat((seen["head"][0] * opacity, torso_x * (1 - opacity)), dim=1))
    reference.compare("head_torso_fused", seen["head_torso"])
    features, colour = seen["refine"]
    reference.compare("head_torso_block_x", features)
    reference.compare("head_torso_block_rgb", colour)
    person = seen["person_background<"][2]
    reference.compare("fg_bg_cat", torch.cat((features * person, seen["background.conv3"] * (1 - person)), dim=1))
    reference.compare("fg_bg_fused", seen["person_background"])
    reference.compare("block1_input_rgb", seen["frame<"][1])
    reference.compare("block1_x", seen["frame"][0])


def test_a_lower_threshold_hides_the_background_as_the_reference_does(networks, framed, scene_inputs, golden, monkeypatch):
    """At 0.9 nothing snaps in these vectors; at 0.5, 27 percent of the pixels do. What comes before is the same."""
    reference, network, fused = golden("sr_htb_thr05"), networks.super_resolution, []
    for name in ("torso", "head", "head_torso", "refine"):
        monkeypatch.setattr(getattr(network, name), "forward", lambda *_, name=name: deepcopy(framed.seen[name]))
    hook = network.person_background.register_forward_hook(lambda layer, given, output: fused.append(output.clone()))
    with torch.inference_mode():
        image = network(scene_inputs.features, scene_inputs.opacity, scene_inputs.driven_keypoints, framed.scene, 0.5)
    hook.remove()
    opacity = resize_smooth(scene_inputs.opacity, 256)
    person = (framed.seen["torso"].opacity + torch.where(opacity > 0.5, 1.0, opacity)).clamp(0, 1)
    _, colour = framed.seen["refine"]
    reference.compare("head_torso_block_rgb", colour)
    reference.compare("block1_input_rgb", colour * person + framed.scene.background.colour * (1 - person))
    reference.compare("fg_bg_fused", *fused)
    reference.compare("image", image)


def test_the_head_alone_is_the_references(head_framed, golden):
    reference = golden("sr_head")
    features, colour = head_framed.seen["head"]
    reference.compare("block0_x", features)
    reference.compare("block0_rgb", colour)
    reference.compare("block1_x", head_framed.seen["frame"][0])
    reference.compare("image", head_framed.image)


def test_a_checkpoint_without_a_torso_shows_the_head_alone():
    blocks = (f"{PREFIX}block0.", f"{PREFIX}block1.")
    head_only = {name: value for name, value in small_tensors().items() if not name.startswith(PREFIX) or name.startswith(blocks)}
    assert isinstance(build_networks(head_only, {}, sizes=SMALL).super_resolution, HeadSuperResolution)


def test_small_networks_can_be_trained():
    torch.manual_seed(0)
    network, head = SuperResolution(SMALL.super_resolution), HeadSuperResolution(SMALL.super_resolution)
    features, opacity, keypoints = small_frames(2)
    image = network(features, opacity, keypoints, network.encode(*small_portrait()), 0.9)
    assert image.shape == head(features).shape == (2, 3, 64, 64) and image.isfinite().all()
    assert every_weight_learns(network, image) and every_weight_learns(head, head(features))


def test_a_head_of_any_size_is_brought_to_the_trained_one(small_networks):
    network = small_networks.super_resolution
    scene, frames = network.encode(*small_portrait()), small_frames(1, side=24)
    features, opacity, keypoints = frames
    assert torch.equal(network(*frames, scene, 0.9), network(resize_smooth(features, 16), opacity, keypoints, scene, 0.9))


def test_only_what_is_above_the_threshold_hides_the_background(small_networks):
    network = small_networks.super_resolution
    scene, frames = network.encode(*small_portrait()), small_frames(1)
    snapping = (resize_smooth(frames[1], 32) > 0.5).sum()
    soft, hard = (network.person(*frames, scene, threshold) for threshold in (1.0, 0.5))
    assert 0 < (hard != soft).sum() <= snapping and hard[hard != soft].eq(1).all()
    assert not torch.equal(network(*frames, scene, 1.0), network(*frames, scene, 0.5))


def test_two_frames_at_once_are_the_same_as_one_by_one(small_networks):
    """The torso of a frame follows its own key points and head; the scene serves both."""
    network = small_networks.super_resolution
    scene, frames = network.encode(*small_portrait()), small_frames(2)
    second = [part[1:] for part in frames]
    for draw in (network.person, network):
        together = draw(*frames, scene, 0.9)
        torch.testing.assert_close(together[1:], draw(*second, scene, 0.9), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_another_background_leaves_the_torso(small_networks):
    network, portrait = small_networks.super_resolution, small_portrait()
    behind = torch.rand(1, 3, 64, 64) * 2 - 1
    again = network.encode(portrait[0], behind, *portrait[2:])
    replaced = network.with_background(network.encode(*portrait), behind)
    assert torch.equal(replaced.torso.volume, again.torso.volume)
    assert torch.equal(replaced.background.features, again.background.features)
