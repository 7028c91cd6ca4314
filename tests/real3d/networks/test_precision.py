"""The explicit bfloat16 choice against float32."""

from contextlib import nullcontext

import torch
from small_networks import SMALL, small_tensors
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from real3d_core.real3d.official_files import has_bfloat16
from real3d_core.real3d.super_resolution.frame import SuperResolution, SuperResolutionSizes
from real3d_core.real3d.weights import key_table
from real3d_core.real3d.weights.checkpoint import SUPER_RESOLUTION, build_networks, fill

PRODUCTS = [getattr(torch, name) for name in ("conv1d", "conv2d", "conv3d", "conv_transpose2d", "matmul", "bmm", "baddbmm", "einsum")]
PRODUCTS += [torch.nn.functional.linear, torch.Tensor.matmul]


class SummedInFloat32(TorchFunctionMode):
    """Sums of products in float32, rounded once: what processors with bfloat16 do, and others do a hundred times more slowly."""

    def __torch_function__(self, function, types, arguments=(), named=None):
        arguments, named = arguments, named or {}
        narrow = function in PRODUCTS and any(isinstance(one, Tensor) and one.dtype == torch.bfloat16 for one in arguments)
        if not narrow:
            return function(*arguments, **named)
        arguments, named = tree_map_only(Tensor, Tensor.float, (arguments, named))
        return function(*arguments, **named).bfloat16()


def test_bfloat16_frames_are_close_to_float32_ones(official_tensors, networks, scene_inputs):
    """Reference weights and noise as inputs, the worst that can be shown; 1e-2 is the design's bound for half precision.

    The published widths, which the error depends on, on a quarter of the pixels.
    """
    with torch.device("meta"):
        wide, narrow = (SuperResolution(SuperResolutionSizes(side=64)) for _ in range(2))
    wide.load_state_dict(networks.super_resolution.state_dict(), assign=True)
    stored = key_table.StoredTensors(official_tensors).at(SUPER_RESOLUTION)
    fill(narrow, key_table.super_resolution(narrow, stored), "cpu", torch.bfloat16)
    portrait = (scene_inputs.torso, scene_inputs.background, scene_inputs.segmentation, scene_inputs.source_keypoints)
    frame = (scene_inputs.features, scene_inputs.opacity, scene_inputs.driven_keypoints)
    emulated = nullcontext() if has_bfloat16("cpu") else SummedInFloat32()
    with torch.inference_mode(), emulated:
        reference, image = (network(*frame, network.encode(*portrait), 0.9) for network in (wide, narrow))
    assert image.dtype == torch.float32
    difference = (image - reference).abs()
    assert difference.square().mean().sqrt() < 2e-3
    # which pixel is worst, and by how much, depends on the order in which a processor adds: one in a hundred thousand may lie beyond
    assert difference.flatten().sort().values[-difference.numel() // 10**5] < 1e-2
    assert difference.max() < 1.5e-2


def test_only_what_runs_for_every_frame_is_narrowed():
    networks = build_networks(small_tensors(), {}, dtype=torch.bfloat16, sizes=SMALL)
    assert networks.motion_adapter.prenet.weight.dtype == torch.bfloat16
    assert networks.super_resolution.frame.to_rgb.weight.dtype == torch.float32
    assert networks.image_to_plane.triplane_predictor.final.weight.dtype == torch.float32
