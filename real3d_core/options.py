"""The options of the command line, and which of them make no sense together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .avatar_kinds import AVATARS, avatar_kind
from .errors import Real3DError
from .mediapipe_models.model_files import DEFAULT_FOLDER
from .pipeline import BLINKS, POSES
from .portrait.crop import DEFAULT_FACE_AREA
from .ranges import FACE_AREA, FRAME_RATE, MOUTH, POSE_AMOUNT, SIZE, SMOOTHING, TEMPERATURE


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


def parser() -> Parser:
    """Options that only matter beside certain others are None where they are not given."""
    made = Parser(prog="python -m real3d_core", description="Makes a photo talk: with a voice, with a driving clip, or with both.")
    add = made.add_argument
    add("--portrait", required=True, metavar="PHOTO", help="a picture of one person, seen from the front")
    add("--audio", metavar="SOUND", help="the voice; also the film's sound")
    add("--driving", metavar="CLIP", help="a video of a face; moves the head, and the whole face where there is no voice")
    add("--out", required=True, metavar="FILM.mp4")
    add("--contact-sheet", metavar="PICTURE.png", help="also write frames of the film, side by side")
    add("--avatar", default="analytic", choices=AVATARS)
    add("--checkpoint", type=Path, metavar="FILE", help="of the networks of real3d, or the folder it lies in (found)")
    add("--device", metavar="NAME", help="where networks run, such as cuda or cpu (cuda where there is one)")
    add("--half", action="store_true", default=None, help="real3d computes in bfloat16: faster where the processor has it, less exact")
    own_expression = "real3d moves from the photo's own expression, not from the motion's first frame"
    add("--own-expression", action="store_true", default=None, help=own_expression)
    add("--transcript", help="the words of the voice, in Latin letters; times the lips of analytic better")
    add("--mouth", type=float, metavar="AMOUNT", help=f"how far a voice opens the mouth, {MOUTH} (1, natural)")
    add("--temperature", type=float, metavar="AMOUNT", help=f"how freely real3d speaks, {TEMPERATURE} (0.2)")
    add("--pose", choices=POSES, help="what the head does (sway, or driving where there is a clip)")
    add("--pose-amount", type=float, metavar="AMOUNT", help=f"scales it, {POSE_AMOUNT} (1, natural)")
    add("--blink", choices=BLINKS, help="natural, or driving where there is a clip")
    add("--neutral", type=int, metavar="FRAME", help="frame of the clip that stands for the photo's own expression, 25 a second")
    add("--smoothing", type=float, metavar="AMOUNT", help=f"of the clip's motion, {SMOOTHING} (0, none; 1, gentle)")
    add("--seed", type=int, default=0, help="of all that is random: same seed, same film")
    add("--fps", type=float, default=25.0, help=f"{FRAME_RATE}; 23.976 and 29.97 mean 24000/1001 and 30000/1001 (25)")
    add("--size", type=int, default=512, help=f"side of the film in pixels, even, {SIZE} (512)")
    add("--background", metavar="PICTURE|#RRGGBB", help="shown behind the person in place of the photo's own")
    add("--mask", metavar="PICTURE", help="white where the person is, black elsewhere")
    add("--face-index", type=int, default=0, help="which face, counted from the largest, which is 0")
    fills = f"part of the picture that the face fills at least, {FACE_AREA} ({DEFAULT_FACE_AREA})"
    add("--face-area", type=float, default=DEFAULT_FACE_AREA, help=fills)
    side_by_side = "show how a frame comes about: photo, expression, raw head, depth and result"
    add("--side-by-side", action="store_true", default=None, help=side_by_side)
    add("--paste-back", action="store_true", default=None, help="keep the photo's own size and framing")
    unmarked = "leave out of the film's metadata that it is a generated portrait, and how it was made"
    add("--no-provenance", dest="provenance", action="store_false", help=unmarked)
    add("--models", type=Path, metavar="FOLDER", help=f"where you keep model files ({DEFAULT_FOLDER.as_posix()})")
    return made


def refuse_idle(options: argparse.Namespace) -> None:
    """Raises a Real3DError if an option was given that changes nothing beside the others."""
    no_voice, no_clip = options.audio is None, options.driving is None
    follows_clip = (None, "auto", "driving")
    clip_unused = not no_voice and options.pose not in follows_clip and options.blink not in follows_clip
    on_processor = options.device is not None and options.device.split(":")[0] == "cpu"
    of_the_avatar = [(name, not (name == "device" and on_processor), why) for name, why in avatar_kind(options.avatar).unused.items()]
    reasons = (
        ("transcript", no_voice, "there is no voice (--audio)"),
        ("mouth", no_voice, "there is no voice (--audio)"),
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
