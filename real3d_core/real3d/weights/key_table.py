"""The key table: how the official checkpoint names what our layers hold.

Each row names one of our layers and says which tensors of the checkpoint it comes from, with their shapes, and what is
folded into it. Nothing else knows the checkpoint's names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from ...errors import brief
from ...render.planes import CHANNELS
from ..grid_refinement import grid_blocks
from ..super_resolution.torso_layers import DEPTH
from . import folding
from .folding import Kernel, Norm, Part, Style

Rows = Iterator[tuple[str, Kernel | Part]]

IGNORED = re.compile(
    r"\.num_batches_tracked$"  # counters of the training
    r"|\.resample_filter$"  # a constant, spec 04 section 2
    r"|\.noise_(strength|const)$"  # the noise is off
    r"|^superresolution\.head_torso_alpha_predictor\."  # of another fusion variant
    r"|^superresolution\.torso_model\.motion_field_estimator\.occlusion_conv\."  # an output that is not used
    r"|^lambda_pertube_(blink_)?secc$"  # training loss weights
)


class StoredTensors:
    """The checkpoint's tensors, handed out under a prefix; notes what is missing, misshapen or no weights, and what was asked for.

    What cannot be had is replaced by ones, so that one pass over the table finds everything that is wrong.
    """

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str = "", parent: StoredTensors | None = None):
        self.tensors = tensors
        self.prefix = prefix
        self.taken: set[str] = parent.taken if parent else set()
        self.missing: list[str] = parent.missing if parent else []
        self.misshapen: list[str] = parent.misshapen if parent else []
        self.unusable: list[str] = parent.unusable if parent else []

    def at(self, prefix: str) -> StoredTensors:
        """The tensors whose names begin with `prefix` too."""
        return StoredTensors(self.tensors, self.prefix + prefix, self)

    def unexpected(self) -> list[str]:
        """Names that nobody asked for and that are not known to be useless."""
        return [brief(name) for name in self.tensors if name not in self.taken and not IGNORED.search(name)]

    def take(self, key: str, *shape: int) -> Tensor:
        """The tensor as float64."""
        name = self.prefix + key
        self.taken.add(name)
        found = self.tensors.get(name)
        if found is None:
            self.missing.append(name)
        elif tuple(found.shape) != shape:
            self.misshapen.append(f"{name} (is {_size(found.shape)}, must be {_size(shape)})")
        elif flaw := flaw_of(found):
            self.unusable.append(f"{name} ({flaw})")
        else:
            return found.detach().double()
        return torch.ones(shape, dtype=torch.float64)

    def kernel(self, key: str, *shape: int) -> Kernel:
        """A convolution, dense layer or layer norm; shape of its weight."""
        return Kernel(self.take(f"{key}.weight", *shape), self.take(f"{key}.bias", shape[0]))

    def unbiased(self, key: str, *shape: int) -> Part:
        """A convolution without bias; shape of its weight."""
        return Part(self.take(f"{key}.weight", *shape))

    def spectral(self, key: str, *shape: int) -> Kernel:
        """A convolution with spectral norm."""
        stored = (
            self.take(f"{key}.weight_orig", *shape),
            self.take(f"{key}.weight_u", shape[0]),
            self.take(f"{key}.weight_v", math.prod(shape[1:])),
        )
        effective = folding.without_spectral_norm(*stored)
        if not effective.isfinite().all():
            self.unusable.append(f"{self.prefix}{key}.weight_orig (its spectral norm is not a positive number)")
            effective = torch.ones_like(effective)
        return Kernel(effective, self.take(f"{key}.bias", shape[0]))

    def norm(self, key: str, channels: int) -> Norm:
        """A batch norm."""
        norm = Norm(*(self.take(f"{key}.{part}", channels) for part in ("weight", "bias", "running_mean", "running_var")))
        if norm.variance.min() < 0:
            self.unusable.append(f"{self.prefix}{key}.running_var (negative variances)")
            return norm._replace(variance=torch.ones_like(norm.variance))
        return norm

    def style(self, key: str, channels: int) -> Style:
        """The dense layer of a modulated layer."""
        return Style(self.take(f"{key}.affine.weight", channels, 512), self.take(f"{key}.affine.bias", channels))


def flaw_of(tensor: Tensor) -> str | None:
    """Why a stored tensor cannot be the weights of a layer; None: it can."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return "not an ordinary tensor"
    if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        return f"{str(tensor.dtype).removeprefix('torch.')} instead of floating point"
    return None if tensor.float().isfinite().all() else "not all finite"


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


# Image-to-plane, spec 01


def image_to_plane(stored: StoredTensors, depth: int = 1) -> Rows:
    yield from _low_resolution_encoder(stored.at("low_reso_encoder."))
    yield from _low_resolution_vit(stored.at("low_reso_vit."))
    yield from _high_resolution_encoder(stored.at("high_reso_encoder."))
    yield from _triplane_predictor(stored.at("triplane_predictor_vit."), depth)


def grid_refinement(stored: StoredTensors, depth: int) -> Rows:
    """Of image-to-plane, though stored beside it (spec 09)."""
    for block in range(grid_blocks(depth)):
        ours, theirs = f"refine.blocks.{block}", stored.at(f"res_blocks_3d.{block}.")
        yield f"{ours}.norm1", theirs.kernel("norm1", CHANNELS)
        yield f"{ours}.conv1", theirs.kernel("conv1", CHANNELS, CHANNELS, 3, 3, 3)
        yield f"{ours}.norm2", theirs.kernel("norm2", CHANNELS)
        yield f"{ours}.conv2", folding.scaled(theirs.kernel("conv2", CHANNELS, CHANNELS, 3, 3, 3), theirs.take("alpha", 1))


def _low_resolution_encoder(stored: StoredTensors) -> Rows:
    ours, resnet, head = "low_resolution_encoder", stored.at("encoder."), stored.at("decoder.")
    yield f"{ours}.stem", resnet.unbiased("conv1", 64, 5, 7, 7)
    yield f"{ours}.stem_norm", folding.scale_shift(resnet.norm("bn1", 64))
    channels = 64
    for stage, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), start=1):
        for block in range(blocks):
            mine, theirs = f"{ours}.stage{stage}.{block}", resnet.at(f"layer{stage}.{block}.")
            yield f"{mine}.conv1", theirs.unbiased("conv1", width, channels, 3, 3)
            yield f"{mine}.norm1", folding.scale_shift(theirs.norm("bn1", width))
            yield f"{mine}.conv2", theirs.unbiased("conv2", width, width, 3, 3)
            yield f"{mine}.norm2", folding.scale_shift(theirs.norm("bn2", width))
            if channels != width:
                yield f"{mine}.shortcut.0", theirs.unbiased("downsample.0", width, channels, 1, 1)
                yield f"{mine}.shortcut.1", folding.scale_shift(theirs.norm("downsample.1", width))
            channels = width
    yield f"{ours}.pyramid.point", head.unbiased("0.convs.0.0", 256, 512, 1, 1)
    for reach in range(3):
        yield f"{ours}.pyramid.reaches.{reach}", head.unbiased(f"0.convs.{reach + 1}.0", 256, 512, 3, 3)
    yield f"{ours}.pyramid.whole", head.unbiased("0.convs.4.1", 256, 512, 1, 1)
    yield f"{ours}.pyramid.project", head.unbiased("0.project.0", 256, 1280, 1, 1)
    yield f"{ours}.final", head.unbiased("1", 256, 256, 3, 3)


def _low_resolution_vit(stored: StoredTensors) -> Rows:
    ours = "low_resolution_vit"
    yield from _patch_embedding(f"{ours}.embed", stored.at("patch_embed."), 256, 1024, 3)
    for block in range(5):
        yield from _mix_block(f"{ours}.blocks.{block}", stored.at(f"block{block + 1}."), 1024, 2048, 1)
    yield f"{ours}.draw.conv1", stored.kernel("conv_after_upsample1", 128, 256, 3, 3)
    yield f"{ours}.draw.conv2", stored.kernel("conv_after_upsample2", 128, 128, 3, 3)
    yield f"{ours}.draw.final", stored.kernel("final_conv", 96, 128, 3, 3)


def _high_resolution_encoder(stored: StoredTensors) -> Rows:
    ours = "high_resolution_encoder"
    yield f"{ours}.first", stored.kernel("first", 64, 5, 7, 7)
    for conv, channels in enumerate((64, 96, 96, 96)):
        yield f"{ours}.convs.{conv}", stored.kernel(f"conv_layers.{2 * conv}", 96, channels, 3, 3)
    yield f"{ours}.final", stored.kernel("final", 96, 96, 3, 3)


def _triplane_predictor(stored: StoredTensors, depth: int) -> Rows:
    ours = "triplane_predictor"
    yield f"{ours}.join.0", stored.kernel("first_conv", 256, 192, 3, 3)
    yield f"{ours}.join.1", stored.kernel("second_conv", 128, 256, 3, 3)
    yield from _patch_embedding(f"{ours}.embed", stored.at("patch_embed."), 128, 1024, 3)
    yield from _mix_block(f"{ours}.block", stored.at("block1."), 1024, 2048, 2)
    yield f"{ours}.draw.0", stored.kernel("first_conv_after_cat", 256, 352, 3, 3)
    yield f"{ours}.draw.1", stored.kernel("second_conv_after_cat", 128, 256, 3, 3)
    yield f"{ours}.draw.2", stored.kernel("third_conv_after_cat", 128, 128, 3, 3)
    yield f"{ours}.final", stored.kernel("final_conv", 96 * depth, 128, 3, 3)


def _patch_embedding(ours: str, stored: StoredTensors, channels: int, width: int, kernel: int) -> Rows:
    yield f"{ours}.project", stored.kernel("proj", width, channels, kernel, kernel)
    yield f"{ours}.norm", stored.kernel("norm", width)


def _mix_block(ours: str, stored: StoredTensors, width: int, hidden: int, reduction: int) -> Rows:
    yield f"{ours}.norm1", stored.kernel("norm1", width)
    yield f"{ours}.attention.query", stored.kernel("attn.q", width, width)
    if reduction > 1:
        yield f"{ours}.attention.reduce", stored.kernel("attn.sr", width, width, reduction, reduction)
        yield f"{ours}.attention.reduced_norm", stored.kernel("attn.norm", width)
    yield f"{ours}.attention.key_value", stored.kernel("attn.kv", 2 * width, width)
    yield f"{ours}.attention.project", stored.kernel("attn.proj", width, width)
    yield f"{ours}.norm2", stored.kernel("norm2", width)
    yield f"{ours}.feed_forward.expand", stored.kernel("mlp.fc1", hidden, width)
    yield f"{ours}.feed_forward.depthwise", stored.kernel("mlp.dwconv.dwconv", hidden, 1, 3, 3)
    yield f"{ours}.feed_forward.contract", stored.kernel("mlp.fc2", width, hidden)


# Motion adapter, spec 02


def motion_adapter(stored: StoredTensors, depth: int = 1) -> Rows:
    prenet = stored.kernel("prenet", 3, 9, 1, 1)
    yield "prenet", Kernel(prenet.weight / 3, prenet.bias)  # the run-time gain 1/sqrt(9), spec 02 section 4
    channels = 3
    for stage, (width, kernel, reduction) in enumerate(((32, 7, 8), (64, 3, 4), (160, 3, 2), (256, 3, 1)), start=1):
        ours, theirs = f"transformer.stages.{stage - 1}", stored.at("mix_vit.")
        yield from _patch_embedding(f"{ours}.embed", theirs.at(f"patch_embed{stage}."), channels, width, kernel)
        for block in range(2):
            yield from _mix_block(f"{ours}.blocks.{block}", theirs.at(f"block{stage}.{block}."), width, 4 * width, reduction)
        yield f"{ours}.norm", theirs.kernel(f"norm{stage}", width)
        channels = width
    widen = [stored.kernel(f"fuse_head.linear_c{level}.proj", 256, width) for level, width in ((4, 256), (3, 160), (2, 64), (1, 32))]
    join = stored.take("fuse_head.linear_fuse.conv.weight", 256, 1024, 1, 1)
    shares = folding.shares_of_join(folding.normed_weight(join, stored.norm("fuse_head.linear_fuse.bn", 256)), widen)
    for level, share in zip((3, 2, 1, 0), shares, strict=True):  # the coarsest level comes first in the join
        yield f"fuse.levels.{level}", share
    for conv in range(3):
        yield f"draw.convs.{conv}", stored.kernel(f"to_plane_cnn.{2 * conv}", 256, 256, 3, 3)
    yield "draw.final", stored.kernel("to_plane_cnn.7", 96 * depth, 256, 3, 3)


# Super-resolution, spec 04


def super_resolution(stored: StoredTensors) -> Rows:
    yield from _upsampling_block("head", stored.at("block0."), 32, 256)
    yield from _appearance("torso.appearance", stored.at("torso_model.appearance_extractor."))
    yield from _motion_field("torso.motion_field", stored.at("torso_model.motion_field_estimator."))
    yield from _generator("torso.generator", stored.at("torso_model.deform_based_generator."))
    for ours, (theirs, out, channels) in enumerate(((0, 32, 65), (2, 32, 32), (4, 1, 32)), start=1):
        yield f"torso.opacity.conv{ours}", stored.kernel(f"torso_model.occlusion_2_predictor.{theirs}", out, channels, 3, 3)

    person_background = stored.kernel("fuse_fg_bg_convs.0", 64, 512, 1, 1)
    yield "background.conv1", stored.kernel("bg_encoder.0", 64, 3, 3, 3)
    yield "background.conv2", stored.kernel("bg_encoder.2", 256, 64, 3, 3)
    yield "background.conv3", stored.kernel("bg_encoder.4", 256, 256, 3, 3)
    yield "background.to_fusion", Part(person_background.weight[:, 256:])

    widen, join = stored.kernel("torso_encoder.0", 256, 64, 1, 1), stored.kernel("fuse_head_torso_convs.0", 256, 512, 3, 3)
    yield "head_torso.conv1", folding.widened_then_joined(widen, join, own=256)
    yield "head_torso.conv2", stored.kernel("fuse_head_torso_convs.2", 256, 256, 3, 3)
    refine = stored.at("head_torso_block.")
    yield "refine.conv1", _modulated(refine, "conv0", 256, 256)
    yield "refine.conv2", _modulated(refine, "conv1", 256, 256)
    yield "refine.to_rgb", _to_rgb(refine, 256)
    yield "person_background.person", Part(person_background.weight[:, :256])
    yield "person_background", Part(bias=person_background.bias)
    yield "person_background.conv1", stored.kernel("fuse_fg_bg_convs.2", 256, 64, 3, 3)
    yield "person_background.conv2", stored.kernel("fuse_fg_bg_convs.4", 256, 256, 3, 3)
    yield from _upsampling_block("frame", stored.at("block1."), 256, 128)


def head_super_resolution(stored: StoredTensors) -> Rows:
    yield from _upsampling_block("head", stored.at("block0."), 32, 256)
    yield from _upsampling_block("frame", stored.at("block1."), 256, 128)


def _upsampling_block(ours: str, stored: StoredTensors, channels: int, width: int) -> Rows:
    yield f"{ours}.up", folding.transposed(_modulated(stored, "conv0", width, channels))
    yield f"{ours}.conv", _modulated(stored, "conv1", width, width)
    yield f"{ours}.to_rgb", _to_rgb(stored, width)


def _modulated(stored: StoredTensors, key: str, out: int, channels: int) -> Kernel:
    return folding.modulated(stored.kernel(key, out, channels, 3, 3), stored.style(key, channels))


def _to_rgb(stored: StoredTensors, channels: int) -> Kernel:
    return folding.modulated_to_rgb(stored.kernel("torgb", 3, channels, 1, 1), stored.style("torgb", channels))


def _appearance(ours: str, stored: StoredTensors) -> Rows:
    yield f"{ours}.first", folding.normed(stored.kernel("in_conv.layers.0", 64, 5, 7, 7), stored.norm("in_conv.layers.1", 64))
    for level, (channels, width) in enumerate(((64, 128), (128, 256))):
        theirs = stored.at(f"down.{level}.layers.0.")
        yield f"{ours}.down.{level}.conv", folding.normed(theirs.kernel("layers.0", width, channels, 3, 3), theirs.norm("layers.1", width))
    yield f"{ours}.lift", stored.kernel("mid_conv", 512, 256, 1, 1)
    for block in range(6):
        yield from _residual_block(f"{ours}.residuals.{block}", stored.at(f"res.{block}."), 32, StoredTensors.kernel, dimensions=3)


def _motion_field(ours: str, stored: StoredTensors) -> Rows:
    yield f"{ours}.compress", stored.kernel("compress", 4, 34, 1, 1, 1)
    widths = (25, 64, 128, 256, 512, 1024)
    for level in range(5):
        theirs, channels, width = stored.at(f"down.{level}.layers.0."), widths[level], widths[level + 1]
        conv = theirs.kernel("layers.0", width, channels, 3, 3, 3)
        if level == 0:
            conv = Kernel(conv.weight[:, 1:], conv.bias)  # its first input, the still candidate's heat map, is always zero
        yield f"{ours}.down.{level}.conv", folding.normed(conv, theirs.norm("layers.1", width))
    widths = (1024, 512, 256, 128, 64, 32)
    for level in range(5):
        theirs, channels, width = stored.at(f"up.{level}.layers.1."), widths[level], widths[level + 1]
        conv = folding.normed(theirs.kernel("layers.0", width, channels, 3, 3, 3), theirs.norm("layers.1", width))
        yield f"{ours}.up.{level}.conv", folding.enlarged(conv)

    head = stored.at("tgt_head_encoder.")
    yield f"{ours}.head.first", folding.normed(head.kernel("0.layers.0", 32, 4, 7, 7), head.norm("0.layers.1", 32))
    for block in range(3):
        yield from _residual_block(f"{ours}.head.residuals.{block}", head.at(f"{block + 1}."), 32, StoredTensors.kernel, dimensions=2)

    fuser = stored.kernel("tgt_head_fuser", 32, 89, 7, 7, 7)
    yield f"{ours}.fuse.volume", Kernel(fuser.weight[:, 1:57], fuser.bias)  # without the heat map that is zero
    yield f"{ours}.fuse.head", folding.depth_constant(fuser.weight[:, 57:])
    choice = folding.depth_as_channels(stored.kernel("mask_conv", 5, 32, 7, 7, 7), DEPTH)
    yield f"{ours}.choose.conv", folding.stacked(choice, stored.kernel("occlusion_conv2", 1, 512, 7, 7))


def _generator(ours: str, stored: StoredTensors) -> Rows:
    yield f"{ours}.first", folding.normed(stored.spectral("in_conv.layers.0", 256, 512, 3, 3), stored.norm("in_conv.layers.1", 256))
    yield f"{ours}.mid", stored.kernel("mid_conv", 256, 256, 1, 1)
    for block in range(6):
        yield from _residual_block(f"{ours}.residuals.{block}", stored.at(f"res.{block}."), 256, StoredTensors.spectral, dimensions=2)
    for level, (channels, width) in enumerate(((256, 128), (128, 64))):
        theirs = stored.at(f"up.{level}.layers.1.")
        conv = folding.normed(theirs.spectral("layers.0", width, channels, 3, 3), theirs.norm("layers.1", width))
        yield f"{ours}.up.{level}.conv", folding.enlarged(conv)
    yield f"{ours}.to_rgb", stored.kernel("out_conv", 3, 64, 7, 7)


def _residual_block(ours: str, stored: StoredTensors, channels: int, kind: Callable[..., Kernel], dimensions: int) -> Rows:
    """`kind`: StoredTensors.kernel or StoredTensors.spectral, how its convolutions are stored."""
    shape = (channels, channels, *(3,) * dimensions)
    yield f"{ours}.norm", folding.scale_shift(stored.norm("layers.0.layers.0", channels))
    first = kind(stored, "layers.0.layers.2", *shape)
    yield f"{ours}.conv1", folding.normed(first, stored.norm("layers.1.layers.0", channels))
    yield f"{ours}.conv2", kind(stored, "layers.1.layers.2", *shape)
