"""Official checkpoints become networks; conversion to safetensors.

    python -m real3d_core.real3d.checkpoint IN.ckpt OUT.safetensors [--half]

A .ckpt file is a pickle. It is read so that nothing in it is ever executed, or refused.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import MissingModelError, Real3DError
from ..files import readable_file, refuse_overwriting, written_whole
from ..render.decoder import PlaneDecoder
from . import reference_keys
from .config import HONOURED, Real3DConfig, official_config, read_config
from .folding import Kernel
from .image_to_plane import ImageToPlane
from .motion_adapter import MotionAdapter
from .reference_keys import IGNORED, StoredTensors
from .super_resolution import HeadSuperResolution, SuperResolution

IMAGE_TO_PLANE, MOTION_ADAPTER, DECODER, SUPER_RESOLUTION = (
    "cano_img2plane_backbone.",
    "secc_img2plane_backbone.",
    "decoder.",
    "superresolution.",
)

_OFFICIAL_NAME = re.compile(r"model_ckpt_steps_(\d+)\.(ckpt|safetensors)")
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
DECODER_SHAPES = {"net.0.weight": (64, 32), "net.0.bias": (64,), "net.2.weight": (33, 64), "net.2.bias": (33,)}


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
    path = latest_checkpoint(Path(path)) if Path(path).is_dir() else readable_file(path, "checkpoint", MissingModelError)
    tensors, settings = read_tensors(path)
    beside = path.parent / "config.yaml"
    if config is not None:
        settings = read_config(readable_file(config, "configuration", MissingModelError))
    elif beside.is_file():
        settings = read_config(beside)
    try:
        return build_networks(tensors, settings, device, dtype)
    except MissingModelError as failure:
        raise MissingModelError(f"The checkpoint '{path.name}' can not be used: {failure}") from None


def is_checkpoint_name(name: str) -> bool:
    """Whether training names its checkpoints so; a converted one keeps the name."""
    return _OFFICIAL_NAME.fullmatch(name) is not None


def latest_checkpoint(folder: Path) -> Path:
    """The file of the most training steps in a folder; a converted file of the same steps is preferred, it loads faster.

    Raises:
        MissingModelError: there is none.
    """
    found = []
    for path in folder.iterdir():
        if steps := _OFFICIAL_NAME.fullmatch(path.name):
            found.append((int(steps[1]), steps[2], path))
    if not found:
        raise MissingModelError(
            f"There is no model_ckpt_steps_<n>.ckpt in '{folder}': put the official checkpoint and its config.yaml there."
        )
    return max(found)[2]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The model's tensors under their official names, and the settings that a converted file carries; nothing is executed.

    The tensors are views of the file where that is possible.

    Raises:
        MissingModelError: damaged, not a checkpoint, or one that holds more than tensors.
    """
    return _read_safetensors(path) if is_safetensors(path) else (_read_ckpt(path), {})


def is_safetensors(path: Path) -> bool:
    """Whether a checkpoint is a safetensors file or else a zip file as torch writes it, by its first bytes.

    Raises:
        MissingModelError: it is neither.
    """
    with open(path, "rb") as file:
        start = file.read(9)
    if start[:2] == b"PK" or start[8:] == b"{":
        return start[:2] != b"PK"
    raise MissingModelError(
        f"'{path.name}' is not a checkpoint (neither torch's zip format nor safetensors): download model_ckpt_steps_<n>.ckpt again."
    )


def _read_ckpt(path: Path) -> dict[str, Tensor]:
    # torch itself would take a file with zeros in the place of an interrupted download
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError):
        damaged = "its end is missing"
    if damaged:
        raise MissingModelError(f"The checkpoint '{path.name}' is damaged ({damaged}): download or copy it again, completely.")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as failure:  # on foreign bytes the unpickler fails in many ways
        blocked = re.search(r"GLOBAL ([\w.]+)", str(failure))
        found = f"it wants to call {blocked[1]}" if blocked else "it holds more than tensors"
        raise MissingModelError(
            f"The checkpoint '{path.name}' is refused because reading it could execute code ({found}): "
            "use the official file, or a .safetensors one."
        ) from None
    model = stored.get("state_dict", stored) if isinstance(stored, dict) else {}
    if isinstance(model, dict) and isinstance(model.get("model"), dict):
        model = model["model"]
    if not isinstance(model, dict):
        model = {}
    plain = {_plain_name(str(name)): value for name, value in model.items() if isinstance(value, Tensor)}
    if not plain:
        raise MissingModelError(
            f"The checkpoint '{path.name}' holds no tensors under state_dict / model: use the official model_ckpt_steps_<n>.ckpt."
        )
    return plain


def _plain_name(name: str) -> str:
    """Without what torch.compile and the flat form of a checkpoint put in: model.a._orig_mod.b is a.b."""
    return name.removeprefix("model.").replace("_orig_mod.", "")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {_plain_name(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            settings = json.loads((file.metadata() or {}).get("real3d", "{}"))
    except (SafetensorError, OSError, ValueError):
        raise MissingModelError(f"The checkpoint '{path.name}' is damaged or incomplete: copy or convert it again.") from None
    return tensors, settings


def build_networks(
    tensors: Mapping[str, Tensor], settings: Mapping[str, object], device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Real3DNetworks:
    """Networks from tensors under their official names.

    Raises:
        MissingModelError: the tensors are not those of a supported model; names the first three that do not fit.
    """
    refuse_other_models(tensors)
    refuse_other_variants(tensors)
    with_torso = any(name.startswith(f"{SUPER_RESOLUTION}torso_model.") for name in tensors)
    config = official_config(settings, with_torso)
    stored = StoredTensors(tensors)

    def build(kind: type[nn.Module], rows: Callable[[StoredTensors], reference_keys.Rows], prefix: str, dtype: torch.dtype) -> nn.Module:
        with torch.device("meta"):
            network = kind()
        fill(network, rows(stored.at(prefix)), device, dtype)
        return network

    if with_torso:
        super_resolution = build(SuperResolution, reference_keys.super_resolution, SUPER_RESOLUTION, dtype)
    else:
        super_resolution = build(HeadSuperResolution, reference_keys.head_super_resolution, SUPER_RESOLUTION, dtype)
    motion_adapter = build(MotionAdapter, reference_keys.motion_adapter, MOTION_ADAPTER, dtype)
    image_to_plane = build(ImageToPlane, reference_keys.image_to_plane, IMAGE_TO_PLANE, torch.float32)
    layers = {key: stored.at(DECODER).take(key, *shape) for key, shape in DECODER_SHAPES.items()}
    refuse_misfits(stored)
    decoder = PlaneDecoder.from_checkpoint(layers, prefix="").to(device)
    return Real3DNetworks(config, image_to_plane, motion_adapter, decoder, super_resolution)


def fill(network: nn.Module, rows: reference_keys.Rows, device: torch.device | str, dtype: torch.dtype) -> None:
    """Gives every layer of a network built without storage its weights.

    Convolutions are channels last and all weights are `dtype`, unless a layer has a `layout` or `precision` of its own.
    """
    for name, kernel in rows:
        layer = network.get_submodule(name)
        for part, value in zip(Kernel._fields, kernel, strict=True):
            if value is not None:
                place = getattr(layer, part)
                if place.shape != value.shape:
                    raise ValueError(f"{name}.{part} is {tuple(place.shape)}, the key table gives {tuple(value.shape)}")
                layout = getattr(layer, "layout", None) or CHANNELS_LAST.get(value.ndim, torch.contiguous_format)
                value = value.to(device, getattr(layer, "precision", dtype)).contiguous(memory_format=layout)
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


# a tensor, the axis of its shape that tells the variant, the released size, what other sizes mean
VARIANTS = (
    (
        f"{IMAGE_TO_PLANE}low_reso_encoder.encoder.conv1.weight",
        1,
        5,
        {6: "image-to-plane with alpha", 8: "image-to-plane with camera", 9: "image-to-plane with alpha and camera"},
    ),
    (f"{IMAGE_TO_PLANE}triplane_predictor_vit.final_conv.weight", 0, 96, {288: "trigrid planes of depth 3"}),
    (f"{MOTION_ADAPTER}prenet.weight", 1, 9, {6: "motion adapter in the mode cano_tgt"}),
    (f"{MOTION_ADAPTER}mix_vit.patch_embed1.proj.weight", 0, 32, {64: "motion adapter of a scale above b0"}),
)


def refuse_misfits(stored: StoredTensors) -> None:
    """Raises MissingModelError if anything was missing, misshapen or left over."""
    problems = (("misses", stored.missing), ("has other shapes for", stored.misshapen), ("has unexpectedly", stored.unexpected()))
    found = [f"it {verb} {_few(names)}" for verb, names in problems if names]
    if found:
        raise MissingModelError(f"its tensors are not those of the released model, {'; '.join(found)}.")


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def convert(source: str | Path, target: str | Path, half: bool = False) -> None:
    """Writes an official checkpoint as safetensors: official names, without what inference ignores, with its settings.

    Args:
        source: the .ckpt file; the config.yaml beside it is honoured and goes into the target.
        target: the .safetensors file; it appears when it is complete.
        half: matrices and kernels in float16, half the size; vectors (norms, biases) stay as they are.

    Raises:
        MissingModelError: see load_networks. OutputError: the target can not be written, or is the source.
    """
    from safetensors.torch import save_file

    source = readable_file(source, "checkpoint", MissingModelError)
    refuse_overwriting(target, [source])
    with written_whole(target, (".safetensors",)) as temporary:
        config = load_networks(source).config
        tensors, _ = read_tensors(source)
        kept = {name: _stored(value, half) for name, value in tensors.items() if not IGNORED.search(name)}
        settings = {HONOURED[ours][0]: value for ours, value in asdict(config).items()}
        save_file(kept, temporary, metadata={"format": "pt", "real3d": json.dumps(settings)})


def _stored(value: Tensor, half: bool) -> Tensor:
    narrow = half and value.ndim > 1 and value.is_floating_point() and value.abs().max() < torch.finfo(torch.float16).max
    return (value.half() if narrow else value).contiguous()


def main(arguments: list[str] | None = None) -> int:
    """The command line of the converter."""
    parser = argparse.ArgumentParser(
        prog="python -m real3d_core.real3d.checkpoint", description="Convert an official checkpoint to safetensors."
    )
    parser.add_argument("source", help="model_ckpt_steps_<n>.ckpt; the config.yaml beside it is honoured")
    parser.add_argument("target", help="the .safetensors file to write")
    parser.add_argument("--half", action="store_true", help="float16 kernels: half the size, slightly different pictures")
    chosen = parser.parse_args(arguments)
    try:
        convert(chosen.source, chosen.target, chosen.half)
    except Real3DError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
