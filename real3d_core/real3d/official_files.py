"""The user's own downloads become the avatar `real3d`: where its files are, and one message for all that are missing.

models/real3d/
    secc2plane_torso_orig/    model_ckpt_steps_<n>.ckpt (or .safetensors), config.yaml     the networks; any other name will do
    bfm/                      BFM_model_front.mat or the raw files, and the index tables   the face model
    audio2secc_vae/           model_ckpt_steps_<n>.ckpt, config.yaml                       needed for a voice only
    hubert/                   config.json, pytorch_model.bin or model.safetensors          needed for a voice only
    face_landmarker.task, selfie_multiclass_256x256.tflite                                 MediaPipe's

Where they are not there they are looked for in all folders below, so that the unpacked downloads may stay as they are.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..avatar_kinds import AvatarOptions
from ..errors import MissingModelError
from ..mediapipe_models.model_files import FACE_LANDMARKER, ModelFolders
from .audio_to_motion import hubert
from .audio_to_motion.hubert import has_hubert, load_hubert
from .audio_to_motion.voice import Voice, VoiceNetworks
from .avatar import Real3DAvatar
from .face_model.driven import DrivenFace
from .face_model.files import FRONT, has_face_model, load_face_model
from .face_model.files import SOURCE as BASEL
from .model_folders import FACE, HUBERT, NETWORKS, VOICE, folders_below, has_checkpoint, is_hubert, latest_checkpoint
from .source import prepare_source
from .weights.audio_to_motion import load_audio_to_motion
from .weights.checkpoint import checkpoint_file, load_networks

_LOG = logging.getLogger("real3d")

_TRAINED_WITH = hubert.SOURCE.rpartition("/")[2]
SOURCE = "the downloads of https://github.com/yerfor/Real3DPortrait"


@dataclass(frozen=True)
class Wanted:
    """Files that are missing: their names, size, official source, and the folder they belong into."""

    names: str
    size: str
    source: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.names} ({self.size}) from {self.source} into '{self.folder}'"


def load_real3d_avatar(options: AvatarOptions) -> Real3DAvatar:
    """The avatar with the official networks and the user's face model; what hears a voice is read when a voice is first heard.

    Raises:
        MissingModelError: files are missing (all of them are named at once), damaged, or not what they should be.
    """
    models, home = options.models, options.offload_device or options.device
    given = options.checkpoint
    checkpoint = checkpoint_file(given, NETWORKS, "checkpoint") if given else find_checkpoint(models)
    needed = _missing_for_pictures(models, checkpoint)
    if needed or checkpoint is None:
        raise MissingModelError(_missing_message("The avatar 'real3d' lacks files", needed, _missing_for_voice(models)))
    face = load_face_model(face_folder(models), models, folders_below(models.paths))
    return Real3DAvatar(
        load_networks(checkpoint, device=home, dtype=_precision(options)),
        DrivenFace(face, options.device),
        prepare=lambda portrait: prepare_source(portrait, face, models),
        speech=Voice(lambda: load_voice(models, home)),
        own_expression=options.own_expression,
    )


def has_bfloat16(device: torch.device | str) -> bool:
    """Whether a device computes in bfloat16 itself: others, such as processors without AVX-512, take a hundred times as long for it."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type != "cpu" or any(name in torch.backends.cpu.get_cpu_capability() for name in ("AVX512", "SVE"))


def load_voice(models: ModelFolders, device: torch.device | str) -> VoiceNetworks:
    """HuBERT and the audio-to-motion model.

    Raises:
        MissingModelError: files are missing (all of them are named at once), damaged, or not what they should be.
    """
    missing = _missing_for_voice(models)
    if missing:
        raise MissingModelError(_missing_message("The avatar 'real3d' lacks files for a voice (a driving clip needs none)", missing, []))
    return VoiceNetworks(load_hubert(hubert_folder(models)), load_audio_to_motion(voice_folder(models))).to(device)


def find_checkpoint(models: ModelFolders) -> Path | None:
    """The user's checkpoint of the networks; None if there is none.

    Raises:
        MissingModelError: there are several and none of them lies where the released one belongs.
    """
    places = [place for place in folders_below(models.paths) if has_checkpoint(place, NETWORKS)]
    own: dict[str, Path] = {}
    for place in places:
        own.setdefault(os.path.realpath(place), place)  # a link to one of them is no further one
    found = [place for place in places if place.name == NETWORKS][:1] or list(own.values())
    if len(found) > 1:
        listed = ", ".join(f"'{place}'" for place in found[:3]) + (" and more" if len(found) > 3 else "")
        raise MissingModelError(f"There are several checkpoints ({listed}): choose one, or name the folder of the one to use '{NETWORKS}'.")
    return latest_checkpoint(found[0], NETWORKS) if found else None


def face_folder(models: ModelFolders) -> Path:
    """Where the face model is, or belongs."""
    return _place(models, FACE, has_face_model)


def voice_folder(models: ModelFolders) -> Path:
    """Where the audio-to-motion model is, or belongs."""
    return _place(models, VOICE, lambda folder: has_checkpoint(folder, VOICE))


def hubert_folder(models: ModelFolders) -> Path:
    """Where HuBERT is, or belongs; of several, the one that the audio-to-motion model was trained with."""
    return _place(models, HUBERT, lambda folder: has_hubert(folder) and (folder.name == HUBERT or is_hubert(folder)), _TRAINED_WITH)


def _precision(options: AvatarOptions) -> torch.dtype:
    if options.half and has_bfloat16(options.device):
        return torch.bfloat16
    if options.half:
        _LOG.warning("Half precision is left out: '%s' here computes in float32 faster.", options.device)
    return torch.float32


def _place(models: ModelFolders, name: str, holds: Callable[[Path], bool], published: str = "") -> Path:
    """The folder that holds something; where it belongs if there is none.

    Of several, one of this name is preferred, then one whose path has the published name in it, then the shallowest.
    """
    places = [place for place in folders_below(models.paths) if holds(place)]
    belongs = next((folder / name for folder in models.paths if os.path.isdir(folder / name)), models.home / name)
    return min(places, key=lambda place: (place.name != name, published not in str(place)), default=belongs)


def _missing_for_pictures(models: ModelFolders, checkpoint: Path | None) -> list[Wanted]:
    missing = []
    if checkpoint is None:
        missing.append(Wanted("model_ckpt_steps_<n>.ckpt and config.yaml", "about 600 MB", SOURCE, models.home / NETWORKS))
    if not has_face_model(face_folder(models)):
        raw = f"127 MB; or the raw files of {BASEL}, see docs/official_models.md"
        missing.append(Wanted(FRONT, raw, SOURCE, face_folder(models)))
    try:
        models.find(FACE_LANDMARKER)
    except MissingModelError:
        missing.append(Wanted(FACE_LANDMARKER.name, "3.8 MB", FACE_LANDMARKER.source, models.home))
    return missing


def _missing_for_voice(models: ModelFolders) -> list[Wanted]:
    missing = []
    if not has_checkpoint(voice_folder(models), VOICE):
        missing.append(Wanted("model_ckpt_steps_<n>.ckpt and config.yaml", "50 MB or more", SOURCE, voice_folder(models)))
    if not has_hubert(hubert_folder(models)):
        missing.append(Wanted("config.json and pytorch_model.bin", "1.26 GB", hubert.SOURCE, hubert_folder(models)))
    return missing


def _missing_message(what: str, needed: list[Wanted], for_voice: list[Wanted]) -> str:
    parts = [*map(str, needed), *(f"only for a voice, {one}" for one in for_voice)]
    return f"{what}: put " + "; ".join(parts) + "."
