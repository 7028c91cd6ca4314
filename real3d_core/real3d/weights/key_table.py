"""The key table: how the official checkpoint names what our layers hold.

Each row gives one of our layers its weights: it says which tensors of the checkpoint they come from and what is folded into
them. Nothing else knows the checkpoint's names. The shapes that the tensors must have follow from those of our layers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import brief
from ..grid_refinement import GridRefinement
from ..image_to_plane import HighResolutionEncoder, ImageToPlane, LowResolutionEncoder, LowResolutionVit, TriplanePredictor
from ..layers import MixBlock, PatchEmbedding
from ..motion_adapter import MotionAdapter
from ..super_resolution.frame import HeadSuperResolution, SuperResolution
from ..super_resolution.head import UpsamplingBlock
from ..super_resolution.torso import AppearanceExtractor, TorsoGenerator
from ..super_resolution.torso_layers import ResidualBlock
from ..super_resolution.torso_motion import CANDIDATES, MotionFieldEstimator
from . import folding
from .folding import Kernel, Norm, Part

Layer = Any  # one of our layers; nn.Module itself does not say that its weight is a tensor and its bias one or None
Rows = Iterator[tuple[nn.Module, Kernel | Part]]
Take = Callable[..., Kernel]  # StoredTensors.kernel or StoredTensors.spectral: how a convolution is stored

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

    def like(self, key: str, layer: Layer) -> Kernel:
        """The same, of the shape of one of our layers."""
        return self.kernel(key, *layer.weight.shape)

    def rows(self, layers: Mapping[str, Layer]) -> Rows:
        """Layers that are stored as they are, by their keys; with a bias if ours has one."""
        for key, layer in layers.items():
            yield layer, self.like(key, layer) if layer.bias is not None else Part(self.take(f"{key}.weight", *layer.weight.shape))

    def spectral(self, key: str, *shape: int) -> Kernel:
        """A convolution with spectral norm."""
        stored = (
            self.take(f"{key}.weight_orig", *shape),
            self.take(f"{key}.weight_u", shape[0]),
            self.take(f"{key}.weight_v", math.prod(shape[1:])),
        )
        effective = folding.without_spectral_norm(*stored)
        if not all_finite(effective):
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


def flaw_of(tensor: Tensor) -> str | None:
    """Why a stored tensor cannot be the weights of a layer; None: it can."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return "not an ordinary tensor"
    if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        return f"{str(tensor.dtype).removeprefix('torch.')} instead of floating point"
    return None if all_finite(tensor) else "not all finite"


def all_finite(tensor: Tensor) -> bool:
    """Whether all numbers are, as float32; a finite sum says so in a tenth of the time."""
    return bool(tensor.sum(dtype=torch.float32).isfinite() or tensor.float().isfinite().all())


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _numbered(blocks: Iterable[Layer], start: int = 0) -> Iterator[tuple[int, Layer]]:
    """Any, because a container of layers does not say of what kind they are."""
    return enumerate(blocks, start)


# Image-to-plane, spec 01


def image_to_plane(network: ImageToPlane, stored: StoredTensors) -> Rows:
    yield from _low_resolution_encoder(network.low_resolution_encoder, stored.at("low_reso_encoder."))
    yield from _low_resolution_vit(network.low_resolution_vit, stored.at("low_reso_vit."))
    yield from _high_resolution_encoder(network.high_resolution_encoder, stored.at("high_reso_encoder."))
    yield from _triplane_predictor(network.triplane_predictor, stored.at("triplane_predictor_vit."))


def grid_refinement(refine: GridRefinement, stored: StoredTensors) -> Rows:
    """Of image-to-plane, though stored beside it (spec 09)."""
    for number, ours in _numbered(refine.blocks):
        theirs = stored.at(f"res_blocks_3d.{number}.")
        yield from theirs.rows({"norm1": ours.norm1, "conv1": ours.conv1, "norm2": ours.norm2})
        yield ours.conv2, folding.scaled(theirs.like("conv2", ours.conv2), theirs.take("alpha", 1))


def _low_resolution_encoder(ours: LowResolutionEncoder, stored: StoredTensors) -> Rows:
    resnet, head = stored.at("encoder."), stored.at("decoder.")
    yield from _conv_and_norm(ours.stem, ours.stem_norm, resnet, "conv1", "bn1")
    for stage, blocks in enumerate((ours.stage1, ours.stage2, ours.stage3, ours.stage4), start=1):
        for number, block in _numbered(blocks):
            theirs = resnet.at(f"layer{stage}.{number}.")
            yield from _conv_and_norm(block.conv1, block.norm1, theirs, "conv1", "bn1")
            yield from _conv_and_norm(block.conv2, block.norm2, theirs, "conv2", "bn2")
            if isinstance(block.shortcut, nn.Sequential):
                conv, norm = block.shortcut
                yield from _conv_and_norm(conv, norm, theirs, "downsample.0", "downsample.1")
    branches = {f"0.convs.{number}.0": conv for number, conv in enumerate((ours.pyramid.point, *ours.pyramid.reaches))}
    yield from head.rows({**branches, "0.convs.4.1": ours.pyramid.whole, "0.project.0": ours.pyramid.project, "1": ours.final})


def _conv_and_norm(conv: Layer, norm: Layer, stored: StoredTensors, conv_key: str, norm_key: str) -> Rows:
    """A convolution and its batch norm, which stay two layers."""
    yield from stored.rows({conv_key: conv})
    yield norm, folding.scale_shift(stored.norm(norm_key, len(norm.weight)))


def _low_resolution_vit(ours: LowResolutionVit, stored: StoredTensors) -> Rows:
    yield from _patch_embedding(ours.embed, stored.at("patch_embed."))
    for number, block in _numbered(ours.blocks, start=1):
        yield from _mix_block(block, stored.at(f"block{number}."))
    draw = ours.draw
    yield from stored.rows({"conv_after_upsample1": draw.conv1, "conv_after_upsample2": draw.conv2, "final_conv": draw.final})


def _high_resolution_encoder(ours: HighResolutionEncoder, stored: StoredTensors) -> Rows:
    convs = {f"conv_layers.{2 * number}": conv for number, conv in enumerate(ours.convs)}
    yield from stored.rows({"first": ours.first, **convs, "final": ours.final})


def _triplane_predictor(ours: TriplanePredictor, stored: StoredTensors) -> Rows:
    yield from stored.rows({"first_conv": ours.join[0], "second_conv": ours.join[1]})
    yield from _patch_embedding(ours.embed, stored.at("patch_embed."))
    yield from _mix_block(ours.block, stored.at("block1."))
    drawn = {f"{which}_conv_after_cat": conv for which, conv in zip(("first", "second", "third"), ours.draw, strict=True)}
    yield from stored.rows({**drawn, "final_conv": ours.final})


def _patch_embedding(ours: PatchEmbedding, stored: StoredTensors) -> Rows:
    return stored.rows({"proj": ours.project, "norm": ours.norm})


def _mix_block(ours: MixBlock, stored: StoredTensors) -> Rows:
    attention, mlp = ours.attention, ours.feed_forward
    yield from stored.rows({"norm1": ours.norm1, "attn.q": attention.query})
    if attention.reduce is not None:
        yield from stored.rows({"attn.sr": attention.reduce, "attn.norm": attention.reduced_norm})
    yield from stored.rows({"attn.kv": attention.key_value, "attn.proj": attention.project, "norm2": ours.norm2})
    yield from stored.rows({"mlp.fc1": mlp.expand, "mlp.dwconv.dwconv": mlp.depthwise, "mlp.fc2": mlp.contract})


# Motion adapter, spec 02


def motion_adapter(network: MotionAdapter, stored: StoredTensors) -> Rows:
    prenet = stored.like("prenet", network.prenet)
    yield network.prenet, Kernel(prenet.weight / 3, prenet.bias)  # the run-time gain 1/sqrt(9), spec 02 section 4
    transformer = stored.at("mix_vit.")
    for number, stage in _numbered(network.transformer.stages, start=1):
        yield from _patch_embedding(stage.embed, transformer.at(f"patch_embed{number}."))
        for block, ours in _numbered(stage.blocks):
            yield from _mix_block(ours, transformer.at(f"block{number}.{block}."))
        yield from transformer.rows({f"norm{number}": stage.norm})
    coarsest_first = list(enumerate(network.fuse.levels, start=1))[::-1]  # as in the join
    widen = [stored.like(f"fuse_head.linear_c{number}.proj", level) for number, level in coarsest_first]
    fused = len(widen[0].weight)
    weight = stored.take("fuse_head.linear_fuse.conv.weight", fused, fused * len(widen), 1, 1)
    join = folding.normed(Kernel(weight, weight.new_zeros(fused)), stored.norm("fuse_head.linear_fuse.bn", fused))
    shares = folding.shares_of_join(join, widen)
    yield from zip((level for _, level in coarsest_first), shares, strict=True)
    convs = {f"to_plane_cnn.{2 * number}": conv for number, conv in enumerate(network.draw.convs)}
    yield from stored.rows({**convs, "to_plane_cnn.7": network.draw.final})


# Super-resolution, spec 04


def super_resolution(network: SuperResolution | HeadSuperResolution, stored: StoredTensors) -> Rows:
    yield from _upsampling_block(network.head, stored.at("block0."))
    if isinstance(network, SuperResolution):
        yield from _torso_and_background(network, stored)
    yield from _upsampling_block(network.frame, stored.at("block1."))


def _torso_and_background(network: SuperResolution, stored: StoredTensors) -> Rows:
    yield from _appearance(network.torso.appearance, stored.at("torso_model.appearance_extractor."))
    yield from _motion_field(network.torso.motion_field, stored.at("torso_model.motion_field_estimator."))
    yield from _generator(network.torso.generator, stored.at("torso_model.deform_based_generator."))
    opacity, background = network.torso.opacity, network.background
    yield from stored.at("torso_model.occlusion_2_predictor.").rows({"0": opacity.conv1, "2": opacity.conv2, "4": opacity.conv3})

    fusion = network.person_background
    narrow, features = fusion.person.weight.shape[:2]
    person_background = stored.kernel("fuse_fg_bg_convs.0", narrow, 2 * features, 1, 1)
    yield from stored.rows({"bg_encoder.0": background.conv1, "bg_encoder.2": background.conv2, "bg_encoder.4": background.conv3})
    yield background.to_fusion, Part(person_background.weight[:, features:])

    hidden = network.head_torso.conv1.in_channels - features - 1
    widen = stored.kernel("torso_encoder.0", features, hidden, 1, 1)
    join = stored.kernel("fuse_head_torso_convs.0", features, 2 * features, 3, 3)
    yield network.head_torso.conv1, folding.widened_then_joined(widen, join, own=features)
    yield from stored.rows({"fuse_head_torso_convs.2": network.head_torso.conv2})
    refine = stored.at("head_torso_block.")
    yield network.refine.conv1, _modulated(refine, "conv0", features, features)
    yield network.refine.conv2, _modulated(refine, "conv1", features, features)
    yield network.refine.to_rgb, _to_rgb(refine, features)
    yield fusion.person, Part(person_background.weight[:, :features])
    yield fusion, Part(bias=person_background.bias)
    yield from stored.rows({"fuse_fg_bg_convs.2": fusion.conv1, "fuse_fg_bg_convs.4": fusion.conv2})


def _upsampling_block(ours: UpsamplingBlock, stored: StoredTensors) -> Rows:
    channels, width = ours.up.weight.shape[:2]
    yield ours.up, folding.transposed(_modulated(stored, "conv0", width, channels))
    yield ours.conv, _modulated(stored, "conv1", width, width)
    yield ours.to_rgb, _to_rgb(stored, width)


def _modulated(stored: StoredTensors, key: str, out: int, channels: int) -> Kernel:
    return folding.modulated(stored.kernel(key, out, channels, 3, 3), stored.kernel(f"{key}.affine", channels, 512))


def _to_rgb(stored: StoredTensors, channels: int) -> Kernel:
    return folding.modulated_to_rgb(stored.kernel("torgb", 3, channels, 1, 1), stored.kernel("torgb.affine", channels, 512))


def _appearance(ours: AppearanceExtractor, stored: StoredTensors) -> Rows:
    yield ours.first, _normed(ours.first, stored.at("in_conv."))
    for level, block in _numbered(ours.down):
        yield block.conv, _normed(block.conv, stored.at(f"down.{level}.layers.0."))
    yield from stored.rows({"mid_conv": ours.lift})
    for number, block in _numbered(ours.residuals):
        yield from _residual_block(block, stored.at(f"res.{number}."))


def _motion_field(ours: MotionFieldEstimator, stored: StoredTensors) -> Rows:
    yield from stored.rows({"compress": ours.compress})
    for level, block in _numbered(ours.down):
        theirs = stored.at(f"down.{level}.layers.0.")
        if level == 0:
            conv = theirs.kernel("layers.0", block.conv.out_channels, block.conv.in_channels + 1, 3, 3, 3)
            conv = Kernel(conv.weight[:, 1:], conv.bias)  # its first input, the still candidate's heat map, is always zero
        else:
            conv = theirs.like("layers.0", block.conv)
        yield block.conv, folding.normed(conv, theirs.norm("layers.1", block.conv.out_channels))
    for level, block in _numbered(ours.up):
        yield block.conv, _enlarging(block.conv, stored.at(f"up.{level}.layers.1."))

    head = stored.at("tgt_head_encoder.")
    yield ours.head.first, _normed(ours.head.first, head.at("0."))
    for number, block in _numbered(ours.head.residuals, start=1):
        yield from _residual_block(block, head.at(f"{number}."))

    volume, seen = ours.fuse.volume, ours.fuse.head.in_channels
    fuser = stored.kernel("tgt_head_fuser", volume.out_channels, 1 + volume.in_channels + seen, 7, 7, 7)
    yield volume, Kernel(fuser.weight[:, 1:-seen], fuser.bias)  # without the heat map that is zero
    yield ours.fuse.head, folding.depth_constant(fuser.weight[:, -seen:])
    choose, depth = ours.choose.conv, ours.choose.conv.in_channels // volume.out_channels
    choice = folding.depth_as_channels(stored.kernel("mask_conv", CANDIDATES, volume.out_channels, 7, 7, 7), depth)
    yield choose, folding.stacked(choice, stored.kernel("occlusion_conv2", 1, choose.in_channels, 7, 7))


def _generator(ours: TorsoGenerator, stored: StoredTensors) -> Rows:
    yield ours.first, _normed(ours.first, stored.at("in_conv."), StoredTensors.spectral)
    yield from stored.rows({"mid_conv": ours.mid})
    for number, block in _numbered(ours.residuals):
        yield from _residual_block(block, stored.at(f"res.{number}."), StoredTensors.spectral)
    for level, block in _numbered(ours.up):
        yield block.conv, _enlarging(block.conv, stored.at(f"up.{level}.layers.1."), StoredTensors.spectral)
    yield from stored.rows({"out_conv": ours.to_rgb})


def _normed(ours: nn.Conv2d | nn.Conv3d, stored: StoredTensors, take: Take = StoredTensors.kernel) -> Kernel:
    return folding.normed(take(stored, "layers.0", *ours.weight.shape), stored.norm("layers.1", ours.out_channels))


def _enlarging(ours: nn.ConvTranspose2d | nn.ConvTranspose3d, stored: StoredTensors, take: Take = StoredTensors.kernel) -> Kernel:
    shape = (ours.out_channels, ours.in_channels, *(3,) * len(ours.kernel_size))
    return folding.enlarged(folding.normed(take(stored, "layers.0", *shape), stored.norm("layers.1", ours.out_channels)))


def _residual_block(ours: ResidualBlock, stored: StoredTensors, take: Take = StoredTensors.kernel) -> Rows:
    shape = ours.conv1.weight.shape
    yield ours.norm, folding.scale_shift(stored.norm("layers.0.layers.0", shape[0]))
    first = take(stored, "layers.0.layers.2", *shape)
    yield ours.conv1, folding.normed(first, stored.norm("layers.1.layers.0", shape[0]))
    yield ours.conv2, take(stored, "layers.1.layers.2", *shape)
