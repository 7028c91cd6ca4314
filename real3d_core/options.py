"""The options of the command line, and which of them make no sense together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .avatar_kinds import AVATARS, avatar_kind
from .errors import Real3DError
from .mediapipe_models.model_files import DEFAULT_FOLDER
from .ranges import ACTING, BLINKS, DEFAULT_FACE_AREA, FACE_AREA, FRAME_RATE, GAZE, MOUTH, POSE_AMOUNT, POSES, SIZE, SMOOTHING, TEMPERATURE


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and takes values such as -photo.png and -inf that look like options."""

    def __init__(self, **described):
        self._taking: set[str] = set()
        self._options: set[str] = set()
        super().__init__(allow_abbrev=False, **described)

    def add_argument(self, *names, **described):
        action = super().add_argument(*names, **described)
        self._options.update(action.option_strings)
        if action.nargs is None:
            self._taking.update(action.option_strings)
        return action

    def parse_args(self, arguments: Sequence[str], namespace: argparse.Namespace | None = None) -> argparse.Namespace:  # type: ignore[override]
        joined: list[str] = []
        for argument in arguments:
            if joined and joined[-1] in self._taking and argument.startswith("-") and argument not in {"--", *self._options}:
                joined[-1] += f"={argument}"
            else:
                joined.append(argument)
        options = super().parse_args(joined, namespace)
        for name, value in vars(options).items():
            if value == []:  # what argparse makes of --out=--
                self.error(f"argument {name}: expected one value")
        return options

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{' '.join(message.split())}; --help lists all options\n")


def parser(kind: type[Parser] = Parser) -> Parser:
    """Options that only matter beside certain others are None where they are not given."""
    made = kind(
        prog="python -m real3d_core",
        description="Animates a portrait photo with a voice, a driving clip, or both.",
        epilog="Many films, or long ones, on many workers: python -m real3d_core batch --help",
    )
    add = made.add_argument
    add("--portrait", required=True, metavar="PHOTO", help="a frontal photo of a face")
    add("--audio", metavar="SOUND", help="speech that drives the lips; also the soundtrack")
    add("--driving", metavar="CLIP", help="a video of a face that drives the head, and the whole face if there is no --audio")
    add("--out", required=True, metavar="FILM.mp4")
    add("--contact-sheet", metavar="PICTURE.png", help="also write a contact sheet of frames")
    add("--avatar", default="analytic", choices=AVATARS)
    add("--checkpoint", type=Path, metavar="FILE", help="the checkpoint of real3d or its folder (default: found in --models)")
    add("--device", metavar="NAME", help="device that makes the frames, such as cuda or cpu (default: cuda if available)")
    add("--half", action="store_true", default=None, help="compute real3d in bfloat16: faster where supported, slightly less accurate")
    own_expression = "real3d: use the photo's own expression as the source, not that of the motion's first frame"
    add("--own-expression", action="store_true", default=None, help=own_expression)
    add("--transcript", help="the words spoken, in Latin script; aligns the lips of analytic to them")
    add("--mouth", type=float, metavar="AMOUNT", help=f"strength of the mouth movement, {MOUTH} (1, natural)")
    add(
        "--acting",
        type=float,
        metavar="AMOUNT",
        help=f"how much brows, lids, cheeks and a swaying head of analytic act, {ACTING} (1, natural)",
    )
    add("--temperature", type=float, metavar="AMOUNT", help=f"sampling temperature of real3d, {TEMPERATURE} (0.2)")
    add("--pose", choices=POSES, help="head movement (default: driving if there is a clip, otherwise sway)")
    add("--pose-amount", type=float, metavar="AMOUNT", help=f"scales the head movement, {POSE_AMOUNT} (1, natural)")
    add("--blink", choices=BLINKS, help="blinking (default: driving if there is a clip, otherwise natural)")
    add("--gaze", type=float, metavar="AMOUNT", help=f"how far the eyes of analytic move, {GAZE} (1, natural; 0: as in the photo)")
    add("--neutral", type=int, metavar="FRAME", help="index of the clip's frame (at 25 fps) with the photo's expression")
    add("--smoothing", type=float, metavar="AMOUNT", help=f"temporal smoothing of the clip's motion, {SMOOTHING} (0, none; 1, gentle)")
    add("--seed", type=int, default=0, help="random seed; the same seed gives the same video")
    add("--fps", type=float, default=25.0, help=f"frame rate, {FRAME_RATE}; 23.976 and 29.97 mean 24000/1001 and 30000/1001 (25)")
    add("--size", type=int, default=512, help=f"side length of the video in pixels, even, {SIZE} (512)")
    add("--background", metavar="PICTURE|#RRGGBB", help="background to use instead of the photo's own")
    add("--mask", metavar="PICTURE", help="white where the person is, black elsewhere")
    add("--face-index", type=int, default=0, help="which face to use, sorted by size; 0 is the largest")
    fills = f"minimum fraction of the crop that the face fills, {FACE_AREA} ({DEFAULT_FACE_AREA})"
    add("--face-area", type=float, default=DEFAULT_FACE_AREA, help=fills)
    side_by_side = "show how each frame is made: photo, expression, raw head, depth and result"
    add("--side-by-side", action="store_true", default=None, help=side_by_side)
    add("--paste-back", action="store_true", default=None, help="paste the result back into the full photo")
    unmarked = "do not record in the video's metadata that it is a generated portrait"
    add("--no-provenance", dest="provenance", action="store_false", help=unmarked)
    add("--models", type=Path, metavar="FOLDER", help=f"folder of the model files ({DEFAULT_FOLDER.as_posix()})")
    return made


def refuse_idle(options: argparse.Namespace) -> None:
    """Raises a Real3DError if an option was given that changes nothing beside the others."""
    no_voice, no_clip = options.audio is None, options.driving is None
    follows_clip = (None, "auto", "driving")
    clip_unused = not no_voice and options.pose not in follows_clip and options.blink not in follows_clip
    of_the_avatar = [(name, True, why) for name, why in avatar_kind(options.avatar).unused.items()]
    reasons = (
        ("transcript", no_voice, "there is no voice (--audio)"),
        ("mouth", no_voice, "there is no voice (--audio)"),
        ("acting", no_voice, "there is no voice (--audio)"),
        ("temperature", no_voice, "there is no voice (--audio)"),
        ("neutral", no_clip, "there is no driving clip (--driving)"),
        ("smoothing", no_clip, "there is no driving clip (--driving)"),
        ("driving", clip_unused, "--audio, --pose and --blink leave nothing for a clip to move"),
        ("pose_amount", options.pose == "static", "--pose static keeps the head still"),
        ("side_by_side", options.paste_back, "--paste-back makes another film: choose one of them, or make one after the other"),
        *of_the_avatar,
    )
    for name, idle, reason in reasons:
        if idle and getattr(options, name) is not None:
            raise Real3DError(f"--{name.replace('_', '-')} would change nothing, because {reason}.")
