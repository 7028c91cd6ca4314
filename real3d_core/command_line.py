"""From the options of the command line to a film; everything heavy is imported here, and not for --help."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from .avatar import SpeechStyle
from .avatar_kinds import AvatarOptions, load_avatar
from .errors import PictureError, Real3DError, one_line
from .files import refuse_overwriting, refuse_unwritable
from .media.clip import Clip, open_clip
from .media.contact_sheet import contact_sheet
from .media.film import write_video
from .media.pictures import load_picture, opaque
from .media.sound import Sound, load_sound
from .mediapipe_models.model_files import DEFAULT_FOLDER, ModelFolders
from .memory import peak_memory
from .options import refuse_idle
from .pipeline import PipelineOptions, clip_frames, refuse_impossible, talking_portraits
from .portrait.crop import square_backdrop
from .provenance import provenance
from .render.dense_marching import march_torch
from .render.head import March

CHUNK = 4  # frames that networks compute at once


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the options choose and name, read.

    choices: of the pipeline.
    photo, mask, background: see `talking_portraits`.
    sound, clip: what drives the portrait.
    """

    choices: PipelineOptions
    photo: np.ndarray
    sound: Sound | None
    clip: Clip | None
    background: torch.Tensor | None
    mask: np.ndarray | None


@torch.inference_mode()
def run(options: argparse.Namespace) -> None:
    """Makes the film, and prints a line about it.

    Raises:
        Real3DError: the user can mend something.
    """
    _refuse_unusable_paths(options)
    source, given = avatar_source(options), read_inputs(options)
    avatar = load_avatar(options.avatar, source)
    fast, show = _fast_operators(), _ProgressLine()
    made = talking_portraits(
        avatar,
        [given.photo],
        given.choices,
        source.models,
        given.sound,
        given.clip,
        given.mask,
        given.background,
        march=marcher(),
        progress=show,
    )
    (frames,) = made.films

    started = time.perf_counter()
    metadata = provenance(avatar.name) if options.provenance else None
    write_video(options.out, frames, made.soundtrack, CHUNK, lambda done, total: show("Rendering", done, total), metadata=metadata)
    seconds = time.perf_counter() - started
    marched_by = "torch" if fast is None else fast.chosen(avatar.decoder.weight1.device).name
    show.end()
    if options.contact_sheet:
        contact_sheet(frames, options.contact_sheet)
    speed = f"{len(frames) / seconds:.1f} frames per second, rays by {marched_by}"
    bridged = "" if made.track is None or made.track.trusted.all() else f"; bridged in the driving clip: {made.track.gaps()}"
    print(one_line(f"{options.out}: {len(frames)} frames, {speed}{_peak_memory()}{bridged}"))


def avatar_source(options: argparse.Namespace, usual: str | None = None) -> AvatarOptions:
    """What the avatar is loaded from.

    Args:
        usual: the device where the options name none; None: cuda where PyTorch has it, else cpu.

    Raises:
        Real3DError: there is no such device.
    """
    fast = _fast_operators()
    return AvatarOptions(
        ModelFolders((options.models or DEFAULT_FOLDER,)),
        options.checkpoint,
        options.device or usual or ("cuda" if torch.cuda.is_available() else "cpu"),
        half=bool(options.half),
        own_expression=bool(options.own_expression),
        painting=None if fast is None else fast.painting(),
    )


def read_inputs(options: argparse.Namespace) -> Inputs:
    """Refuses what cannot be meant, then reads the files.

    Raises:
        Real3DError: an option is out of range or changes nothing, a file is unusable, or there is not what the options follow.
    """
    choices = _pipeline_options(options)
    refuse_idle(options)
    photo = load_picture(options.portrait)
    sound = load_sound(options.audio) if options.audio else None
    clip = open_clip(options.driving) if options.driving else None
    background, mask = _background(options.background, options.size), _mask(options.mask)
    refuse_impossible(choices, sound, None if clip is None else clip_frames(clip))
    return Inputs(choices, photo, sound, clip, background, mask)


def _refuse_unusable_paths(options: argparse.Namespace) -> None:
    if options.models is not None and not os.path.isdir(options.models):
        raise Real3DError(f"The folder of model files '{options.models}' is not there: check --models, or leave it out.")
    inputs = (options.portrait, options.audio, options.driving, options.background, options.mask, options.checkpoint)
    given = [path for path in inputs if path is not None]
    refuse_unwritable(options.out, (".mp4",))
    refuse_overwriting(options.out, given)
    if options.contact_sheet:
        refuse_unwritable(options.contact_sheet, (".png",))
        refuse_overwriting(options.contact_sheet, [*given, options.out])


def _pipeline_options(options: argparse.Namespace) -> PipelineOptions:
    speech = _given(amplitude=options.mouth, transcript=options.transcript, temperature=options.temperature, acting=options.acting)
    chosen = PipelineOptions(
        speech=SpeechStyle(seed=options.seed, **speech),
        fps=options.fps,
        size=options.size,
        face_index=options.face_index,
        face_area=options.face_area,
        framing="side by side" if options.side_by_side else "whole photo" if options.paste_back else "crop",
        **_given(
            pose=options.pose,
            blink=options.blink,
            pose_amount=options.pose_amount,
            neutral=options.neutral,
            smoothing=options.smoothing,
            gaze=options.gaze,
        ),
    )
    if options.size % 2:
        raise Real3DError(f"The size is {options.size}: choose an even number, as video needs one.")
    return chosen


def _given(**values) -> dict:
    return {name: value for name, value in values.items() if value is not None}


def marcher() -> March:
    """The function that marches rays: the fast one where it is at hand."""
    fast = _fast_operators()
    return march_torch if fast is None else fast.march


def _fast_operators() -> ModuleType | None:
    """The folder `cuda_ops` beside this package, whose operators are fast; the core also works without it."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "cuda_ops" / "__init__.py").is_file():
        return None
    return importlib.import_module(".".join([*__package__.split(".")[:-1], "cuda_ops"]))


def _background(choice: str | None, size: int) -> torch.Tensor | None:
    """[1, 3, size, size] from a picture (its middle square) or a colour."""
    if choice is None:
        return None
    if choice.startswith("#"):
        try:
            red, green, blue = bytes.fromhex(choice[1:])
        except ValueError:
            raise PictureError(f"The background colour '{choice}' is not of the form #RRGGBB, such as #204060.") from None
        return (torch.tensor([red, green, blue]).float() / 255).view(1, 3, 1, 1).expand(1, 3, size, size)
    return square_backdrop(torch.from_numpy(opaque(load_picture(choice))[None]).float() / 255, size)


def _mask(path: str | None) -> np.ndarray | None:
    """[H, W] in 0..1; transparent parts are no person."""
    return None if path is None else opaque(load_picture(path), 0)[..., 0].astype(np.float32) / 255


class _ProgressLine:
    """A bar per stage on the terminal, nothing elsewhere."""

    def __init__(self):
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if self._stage not in ("", stage):
            print(file=sys.stderr)
        self._stage = stage
        print(f"\r{stage} [{'#' * round(24 * done / total):24}] {done}/{total}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._stage:
            print(file=sys.stderr)


def _peak_memory() -> str:
    peak = peak_memory()
    return "" if peak is None else f", {peak / 1e6:.0f} MB of memory at most"
