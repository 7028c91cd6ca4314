"""The explicit bfloat16 choice against float32."""

import torch

from real3d_core.real3d.weights.checkpoint import load_networks


def test_bfloat16_frames_are_close_to_float32_ones(checkpoint, framed, scene_inputs):
    """Reference weights and noise as inputs, the worst that can be shown; 1e-2 is the design's bound for half precision."""
    network = load_networks(checkpoint, dtype=torch.bfloat16).super_resolution
    with torch.inference_mode():
        scene = network.encode(scene_inputs.torso, scene_inputs.background, scene_inputs.segmentation, scene_inputs.source_keypoints)
        image = network(scene_inputs.features, scene_inputs.opacity, scene_inputs.driven_keypoints, scene, 0.9)
    assert image.dtype == torch.float32
    difference = (image - framed.image).abs()
    assert difference.square().mean().sqrt() < 2e-3
    # which pixel is worst, and by how much, depends on the order in which a processor adds: one in a hundred thousand may lie beyond
    assert difference.flatten().sort().values[-difference.numel() // 10**5] < 1e-2
    assert difference.max() < 1.5e-2


def test_only_what_runs_for_every_frame_is_narrowed(checkpoint):
    networks = load_networks(checkpoint, dtype=torch.bfloat16)
    assert networks.motion_adapter.prenet.weight.dtype == torch.bfloat16
    assert networks.super_resolution.frame.to_rgb.weight.dtype == torch.float32
    assert networks.image_to_plane.triplane_predictor.final.weight.dtype == torch.float32
