"""Official checkpoints become networks; conversion to safetensors.

    python -m real3d_core.real3d.weights.checkpoint IN.ckpt OUT.safetensors [--half]

A .ckpt file is a pickle. It is read so that nothing in it is ever executed, or refused.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ...console import Ended, ended_in_order, make_console_safe
from ...errors import MissingModelError, Real3DError, brief
from ...files import readable_file, refuse_overwriting, written_whole
from ...render.decoder import PlaneDecoder
from ...render.planes import MOST_LAYERS
from ..grid_refinement import GridRefinement
from ..image_to_plane import ImageToPlane, ImageToPlaneSizes
from ..layers import PLANE_CHANNELS
from ..model_folders import NETWORKS, latest_checkpoint
from ..motion_adapter import MotionAdapter, MotionAdapterSizes
from ..super_resolution.frame import HeadSuperResolution, SuperResolution, SuperResolutionSizes
from . import key_table
from .config import HONOURED, Real3DConfig, official_config, read_config
from .folding import Kernel
from .key_table import IGNORED, Rows, StoredTensors, all_finite
from .pickle_reader import code_in
from .torch_files import TorchFile, UnusableTensorError, is_torch_file

IMAGE_TO_PLANE, MOTION_ADAPTER, DECODER, SUPER_RESOLUTION = (
    "cano_img2plane_backbone.",
    "secc_img2plane_backbone.",
    "decoder.",
    "superresolution.",
)

GRID = "plane2grid_module."  # of trigrid_v2 only

_WRAPPERS = re.compile(r"^(?:(?:model|module|_orig_mod)\.)+")
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
DECODER_SHAPES = {"net.0.weight": (64, 32), "net.0.bias": (64,), "net.2.weight": (33, 64), "net.2.bias": (33,)}


@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of the networks of a checkpoint; the defaults are the published ones. The planes' depth follows from the checkpoint."""

    image_to_plane: ImageToPlaneSizes = field(default_factory=ImageToPlaneSizes)
    motion_adapter: MotionAdapterSizes = field(default_factory=MotionAdapterSizes)
    super_resolution: SuperResolutionSizes = field(default_factory=SuperResolutionSizes)


@dataclass(frozen=True)
class Real3DNetworks:
    """The networks of one checkpoint, ready for inference, all on one device."""

    config: Real3DConfig
    image_to_plane: ImageToPlane
    motion_adapter: MotionAdapter
    decoder: PlaneDecoder
    super_resolution: SuperResolution | HeadSuperResolution


def load_networks(
    path: str | Path, config: str | Path | None = None, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Real3DNetworks:
    """Reads an official checkpoint, or one converted to safetensors.

    Args:
        path: model_ckpt_steps_<n>.ckpt, a .safetensors file, or the folder of such files: there the largest n is taken.
        config: its config.yaml; None: the one beside the checkpoint if there is one, else what the file itself says, else
            the released settings.
        device: where the networks run.
        dtype: of the networks that run for every frame. Image-to-plane, which runs once, stays float32, and so do the
            decoder and all arithmetic on coordinates and colours. With bfloat16, noise images are within 0.0016 (rms), 0.0092 (at most).

    Raises:
        MissingModelError: no such file; not a checkpoint, damaged, holds code, another model, or an unsupported variant.
    """
    path = checkpoint_file(path, NETWORKS, "checkpoint")
    tensors, settings = read_tensors(path)
    beside = path.parent / "config.yaml"
    if config is not None:
        settings = read_config(readable_file(config, "configuration", MissingModelError))
    elif os.path.lexists(beside):
        settings = read_config(readable_file(beside, "configuration", MissingModelError))
    try:
        return build_networks(tensors, settings, device, dtype)
    except MissingModelError as failure:
        raise MissingModelError(f"The checkpoint '{path.name}' cannot be used: {failure}") from None


def checkpoint_file(path: str | Path, kind: str, what: str) -> Path:
    """The file that a user's choice means: itself, or the one of the most training steps in a folder.

    Args:
        kind: NETWORKS or VOICE, what is looked for in a folder. what: the word for it in messages.

    Raises:
        MissingModelError: there is none, or it is neither torch's nor safetensors.
    """
    if os.path.isdir(path):
        found = latest_checkpoint(Path(path), kind)
        if found is None:
            raise MissingModelError(
                f"There is no file model_ckpt_steps_<n>.ckpt in '{path}': put the official checkpoint and its config.yaml there."
            )
        path = found
    file = readable_file(path, what, MissingModelError)
    is_safetensors(file)
    return file


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The model's tensors under their official names, and the settings that a converted file carries; nothing is executed.

    The tensors are views of the file where that is possible.

    Raises:
        MissingModelError: damaged, not a checkpoint, or one that holds more than tensors.
    """
    return _read_safetensors(path) if is_safetensors(path) else (_read_ckpt(path), {})


def is_safetensors(path: Path) -> bool:
    """Whether a checkpoint is a safetensors file or else one of torch's, by its first bytes.

    Raises:
        MissingModelError: it is neither.
    """
    with open(path, "rb") as file:
        start = file.read(32)
    if is_torch_file(start):
        return False
    if start[8:9] == b"{":
        return True
    raise MissingModelError(
        f"'{path.name}' is not a checkpoint (neither torch's nor safetensors): download model_ckpt_steps_<n>.ckpt again."
    )


def _read_ckpt(path: Path) -> dict[str, Tensor]:
    try:
        file = TorchFile(path)
        code = code_in(file.pickle)
        if code:
            raise MissingModelError(
                f"The checkpoint '{path.name}' is refused because reading it could execute code (it calls {brief(code)}): "
                "use the official file, or a .safetensors one."
            )
        return _tensors(file, path)
    except ValueError as failure:
        raise MissingModelError(
            f"The checkpoint '{path.name}' is damaged or changed ({failure}): download or copy it again, completely."
        ) from None


def _tensors(file: TorchFile, path: Path) -> dict[str, Tensor]:
    model = file.pickle.value
    for entry in ("state_dict", "model"):
        if isinstance(model, dict) and isinstance(model.get(entry), dict):
            model = model[entry]
    found, unusable = {}, []
    for name, value in model.items() if isinstance(model, dict) else ():
        if file.is_tensor(value):
            try:
                found[_plain_name(str(name))] = file.tensor(value)
            except UnusableTensorError as failure:
                unusable.append(f"{brief(str(name))} {failure}")
    if unusable:
        raise MissingModelError(f"The checkpoint '{path.name}' cannot be used, {_few(unusable)}: use the official file.")
    if not found:
        raise MissingModelError(
            f"The checkpoint '{path.name}' holds no tensors under state_dict / model: use the official model_ckpt_steps_<n>.ckpt."
        )
    return found


def _plain_name(name: str) -> str:
    """Without what DDP, torch.compile and the flat form of a checkpoint put in: model.module.a._orig_mod.b is a.b."""
    return _WRAPPERS.sub("", name).replace("_orig_mod.", "").replace(".module.", ".")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {_plain_name(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            settings = json.loads((file.metadata() or {}).get("real3d", "{}"))
    except Exception:  # on foreign bytes its reader fails in many ways
        raise MissingModelError(f"The checkpoint '{path.name}' is damaged or incomplete: copy or convert it again.") from None
    if not isinstance(settings, dict):
        raise MissingModelError(f"The checkpoint '{path.name}' has no settings: convert it again.")
    return tensors, settings


def build_networks(
    tensors: Mapping[str, Tensor],
    settings: Mapping[str, object],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    sizes: NetworkSizes | None = None,
) -> Real3DNetworks:
    """Networks from tensors under their official names.

    Args:
        settings, device, dtype: as of load_networks; settings are what read_config gave.
        sizes: what the tensors were trained with; None: the published sizes.

    Raises:
        MissingModelError: the tensors are not those of a supported model; names the first three that do not fit.
    """
    refuse_other_models(tensors)
    refuse_other_variants(tensors)
    with_torso = any(name.startswith(f"{SUPER_RESOLUTION}torso_model.") for name in tensors)
    depth, refined = planes_depth(tensors), any(name.startswith(GRID) for name in tensors)
    config = official_config(settings, with_torso, "trigrid_v2" if refined else "trigrid" if depth > 1 else "triplane", depth)
    sizes, stored = sizes or NetworkSizes(), StoredTensors(tensors)
    with torch.device("meta"):
        image_to_plane = ImageToPlane(replace(sizes.image_to_plane, depth=depth, refined=refined))
        motion_adapter = MotionAdapter(replace(sizes.motion_adapter, depth=depth))
        super_resolution = (SuperResolution if with_torso else HeadSuperResolution)(sizes.super_resolution)
    fill(super_resolution, key_table.super_resolution(super_resolution, stored.at(SUPER_RESOLUTION)), device, dtype)
    fill(motion_adapter, key_table.motion_adapter(motion_adapter, stored.at(MOTION_ADAPTER)), device, dtype)
    fill(image_to_plane, key_table.image_to_plane(image_to_plane, stored.at(IMAGE_TO_PLANE)), device, torch.float32)
    if isinstance(image_to_plane.refine, GridRefinement):
        fill(image_to_plane, key_table.grid_refinement(image_to_plane.refine, stored.at(GRID)), device, torch.float32)
    layers = {key: stored.at(DECODER).take(key, *shape) for key, shape in DECODER_SHAPES.items()}
    refuse_misfits(stored)
    decoder = PlaneDecoder.from_checkpoint(layers, prefix="").to(device)
    return Real3DNetworks(config, image_to_plane, motion_adapter, decoder, super_resolution)


def fill(network: nn.Module, rows: Rows, device: torch.device | str, dtype: torch.dtype) -> None:
    """Gives every layer of a network built without storage its weights.

    Convolutions are channels last and all weights are `dtype`, unless a layer has a `layout` or `precision` of its own.
    """
    names = {layer: name for name, layer in network.named_modules()}
    for layer, kernel in rows:
        for part, value in zip(Kernel._fields, kernel, strict=True):
            if value is not None:
                parameter = getattr(layer, part)
                if parameter.shape != value.shape:
                    raise ValueError(f"{names[layer]}.{part} is {tuple(parameter.shape)}, the key table gives {tuple(value.shape)}")
                layout = getattr(layer, "layout", None) or CHANNELS_LAST.get(value.ndim, torch.contiguous_format)
                value = value.to(device, getattr(layer, "precision", dtype)).contiguous(memory_format=layout)
                if not all_finite(value):
                    raise MissingModelError(f"its numbers are so large that the layer {names[layer]} cannot be computed.")
                setattr(layer, part, nn.Parameter(value, requires_grad=False))


def refuse_other_models(tensors: Mapping[str, Tensor]) -> None:
    """Raises MissingModelError unless the tensors are those of a model from pictures to frames."""
    for prefix in (IMAGE_TO_PLANE, MOTION_ADAPTER, DECODER, SUPER_RESOLUTION):
        if not any(name.startswith(prefix) for name in tensors):
            what = "it is the audio-to-motion model" if any(name.startswith("vae.") for name in tensors) else "it is another model"
            raise MissingModelError(f"{what}, without tensors named {prefix}* (it holds {_few(list(tensors))}).")


def refuse_other_variants(tensors: Mapping[str, Tensor]) -> None:
    """Raises MissingModelError with the name of the variant, where a shape tells it."""
    for name, axis, wanted, variants in VARIANTS:
        shape = tensors[name].shape if name in tensors else ()
        if len(shape) > axis and shape[axis] != wanted:
            variant = variants.get(shape[axis], f"{shape[axis]} channels instead of {wanted}")
            raise MissingModelError(f"it is a variant that is not supported, {variant} ({name}); use the released checkpoint.")


def planes_depth(tensors: Mapping[str, Tensor]) -> int:
    """Layers of the planes that these networks draw: 1 for a triplane, more for a trigrid (spec 09).

    Raises:
        MissingModelError: they draw no whole number of layers.
    """
    drawn = tensors.get(f"{IMAGE_TO_PLANE}triplane_predictor_vit.final_conv.weight")
    channels = drawn.shape[0] if drawn is not None and drawn.ndim else PLANE_CHANNELS
    if channels % PLANE_CHANNELS or not 1 <= channels // PLANE_CHANNELS <= MOST_LAYERS:
        raise MissingModelError(f"it is a variant that is not supported, planes of {channels} channels; use the released checkpoint.")
    return channels // PLANE_CHANNELS


# a tensor, the axis of its shape that tells the variant, the released size, what other sizes mean
VARIANTS = (
    (
        f"{IMAGE_TO_PLANE}low_reso_encoder.encoder.conv1.weight",
        1,
        5,
        {6: "image-to-plane with alpha", 8: "image-to-plane with camera", 9: "image-to-plane with alpha and camera"},
    ),
    (f"{MOTION_ADAPTER}prenet.weight", 1, 9, {6: "motion adapter in the mode cano_tgt"}),
    (f"{MOTION_ADAPTER}mix_vit.patch_embed1.proj.weight", 0, 32, {64: "motion adapter of a scale above b0"}),
)


def refuse_misfits(stored: StoredTensors) -> None:
    """Raises MissingModelError if anything was missing, misshapen or left over."""
    problems = (
        ("misses", stored.missing),
        ("has other shapes for", stored.misshapen),
        ("has unusable numbers in", stored.unusable),
        ("has unexpectedly", stored.unexpected()),
    )
    found = [f"it {verb} {_few(names)}" for verb, names in problems if names]
    if found:
        raise MissingModelError(f"its tensors are not those of the released model, {'; '.join(found)}.")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(brief(name, 160) for name in names[:3]) + more


def convert(source: str | Path, target: str | Path, half: bool = False) -> None:
    """Writes an official checkpoint as safetensors: official names, without what inference ignores, with its settings.

    Args:
        source: the .ckpt file; the config.yaml beside it is honoured and goes into the target.
        target: the .safetensors file; it appears when it is complete.
        half: matrices and kernels in float16, half the size; vectors (norms, biases) stay as they are.

    Raises:
        MissingModelError: see load_networks. OutputError: the target cannot be written, or is the source.
    """
    source = readable_file(source, "checkpoint", MissingModelError)
    refuse_overwriting(target, [source])
    with written_whole(target, (".safetensors",)) as temporary:
        config = load_networks(source).config
        tensors, _ = read_tensors(source)
        kept = {name: _stored(value, half) for name, value in tensors.items() if not IGNORED.search(name)}
        settings = {HONOURED[ours][0]: value for ours, value in asdict(config).items()}
        save_file(_each_its_own(kept), temporary, metadata={"format": "pt", "real3d": json.dumps(settings)})


def _each_its_own(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of those that share their numbers with one before, which safetensors cannot keep."""
    first: dict[int, str] = {}
    return {name: value if first.setdefault(value.data_ptr(), name) == name else value.clone() for name, value in tensors.items()}


def _stored(value: Tensor, half: bool) -> Tensor:
    narrow = half and value.ndim > 1 and value.is_floating_point() and value.abs().max() < torch.finfo(torch.float16).max
    return (value.half() if narrow else value).contiguous()


def main(arguments: list[str] | None = None) -> int:
    """The command line of the converter."""
    parser = argparse.ArgumentParser(
        prog="python -m real3d_core.real3d.weights.checkpoint", description="Convert an official checkpoint to safetensors."
    )
    parser.add_argument("source", help="model_ckpt_steps_<n>.ckpt; the config.yaml beside it is honoured")
    parser.add_argument("target", help="the .safetensors file to write")
    parser.add_argument("--half", action="store_true", help="float16 kernels: half the size, slightly different pictures")
    make_console_safe()
    chosen = parser.parse_args(arguments)
    try:
        with ended_in_order():
            convert(chosen.source, chosen.target, chosen.half)
    except Real3DError as failure:
        print(failure, file=sys.stderr)
        return 1
    except Ended as end:
        print("Interrupted; nothing was written.", file=sys.stderr)
        return end.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
