"""Image-to-plane against the reference vectors of spec 01 section 15, weights through the official loader."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from small_networks import SMALL, every_weight_learns

from real3d_core.real3d.image_to_plane import ImageToPlane

LAYERS = {
    "aspp.project": "low_resolution_encoder.final<",
    "low_reso_encoder": "low_resolution_encoder.final",
    "vit.patch_embed": "low_resolution_vit.embed.norm",
    "vit.block1.attn": "low_resolution_vit.blocks.0.attention",
    **{f"vit.block{i + 1}": f"low_resolution_vit.blocks.{i}" for i in range(5)},
    "vit.pixel_shuffle": "low_resolution_vit.draw.shuffle",
    "vit.up1": "low_resolution_vit.draw.up1",
    "vit.act1": "low_resolution_vit.draw.relu1",
    "vit.act2": "low_resolution_vit.draw.relu2",
    "low_reso_vit": "low_resolution_vit",
    "hi.first": "high_resolution_encoder.first",
    "hi.conv_layers": "high_resolution_encoder.final<",
    "high_reso_encoder": "high_resolution_encoder",
    "tri.second_conv_preact": "triplane_predictor.join.1",
    "tri.patch_embed": "triplane_predictor.embed.norm",
    "tri.block1.attn": "triplane_predictor.block.attention",
    "tri.block1": "triplane_predictor.block",
    "tri.pixel_shuffle": "triplane_predictor.shuffle",
    "tri.first_after_cat_preact": "triplane_predictor.draw.0",
    "tri.third_after_cat_preact": "triplane_predictor.draw.2",
    "triplane_predictor_vit": "triplane_predictor",
    "net_input": "low_resolution_encoder.stem<",
    **{f"enc.layer{i}": f"low_resolution_encoder.stage{i}" for i in range(1, 5)},
}


def test_planes_are_the_references(canonical, golden):
    golden("i2p_512").compare("planes", canonical.planes)


def test_every_intermediate_is_the_references(canonical, golden):
    reference = golden("i2p_512")
    for name, layer in LAYERS.items():
        reference.compare(name, canonical.seen[layer])
    # the activations after these layers are not layers of their own
    reference.compare("enc.stem", F.relu(canonical.seen["low_resolution_encoder.stem_norm"]))
    reference.compare("aspp.rate12", F.relu(canonical.seen["low_resolution_encoder.pyramid.reaches.0"]))
    reference.compare("aspp.rate36", F.relu(canonical.seen["low_resolution_encoder.pyramid.reaches.2"]))
    whole = canonical.seen["low_resolution_encoder.pyramid.whole"]
    reference.compare("aspp.pool_branch", F.relu(whole).expand(-1, -1, 64, 64))


def test_layer_norms_have_the_eps_of_this_network(canonical, golden):
    """8e-6 tells an eps of 1e-6 from the right 1e-5 (spec 01 section 15)."""
    reference = golden("i2p_512")
    reference.compare("vit.block5", canonical.seen["low_resolution_vit.blocks.4"], (8e-6, 0))
    reference.compare("tri.block1", canonical.seen["triplane_predictor.block"], (8e-6, 0))


def test_a_picture_that_is_not_square_is_refused(small_networks):
    with pytest.raises(ValueError, match="square"):
        small_networks.image_to_plane(torch.zeros(1, 3, 64, 80))


@pytest.mark.parametrize(("depth", "refined"), [(1, False), (2, True)])
def test_a_small_network_can_be_trained(depth, refined):
    torch.manual_seed(0)
    network = ImageToPlane(replace(SMALL.image_to_plane, depth=depth, refined=refined))
    planes = network(torch.rand(2, 3, 32, 32) * 2 - 1)
    assert planes.shape == (2, 3, 32 * depth, 16, 16) and planes.isfinite().all()
    assert every_weight_learns(network, planes)
