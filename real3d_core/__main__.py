"""python -m real3d_core --portrait PHOTO --audio VOICE [--driving CLIP] --out FILM.mp4"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import time
from pathlib import Path

import torch

from .avatar import AVATARS, AvatarOptions, SpeechStyle, load_avatar
from .errors import OutputError, PictureError, Real3DError
from .files import refuse_unwritable
from .memory import peak_memory
from .motion.face_track import track_face
from .performance import BLINKS, POSES, Direction, direct, perform, side_by_side
from .pictures import load_picture
from .portrait.crop import FACE_AREA
from .portrait.model_files import DEFAULT_FOLDER
from .portrait.paste import paste_back
from .portrait.portrait import prepare_portrait
from .render.head import March
from .render.table_marching import march_table
from .sound import load_sound
from .video import contact_sheet, open_clip, write_video

_CHUNK = 4
_FAILED = 2


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 the user can mend something (one sentence says what), 130 interrupted."""
    options = _parser().parse_args(arguments)
    _silence_native_libraries()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with torch.inference_mode():
            _run(options)
    except Real3DError as error:
        print(error, file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("Interrupted; nothing was written.", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    refuse_unwritable(options.out, (".mp4",))
    if options.contact_sheet:
        refuse_unwritable(options.contact_sheet, (".png",))
    if options.side_by_side and options.paste_back:
        raise OutputError("--side-by-side and --paste-back are two different films: choose one of them, or make one after the other.")
    folders = (Path(options.models),)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    avatar = load_avatar(options.avatar, AvatarOptions(folders, options.checkpoint, device, options.own_expression))
    direction = Direction(
        pose=options.pose or ("driving" if options.driving else "sway"),
        pose_amount=options.pose_amount,
        blink=options.blink or ("driving" if options.driving else "natural"),
        speech=SpeechStyle(options.mouth, options.transcript, options.seed, options.temperature),
        neutral=options.neutral,
        smoothing=options.smoothing,
        fps=options.fps,
    )
    photo = load_picture(options.portrait)
    sound = load_sound(options.audio) if options.audio else None
    clip = open_clip(options.driving) if options.driving else None
    background = _background(options.background, options.size)

    portrait = prepare_portrait(photo, _mask(options.mask), options.face_index, options.face_area, folders)
    track = None
    if clip is not None:
        expected = max(1, round(clip.duration * 25))
        track = track_face(clip.frames(), folders=folders, progress=lambda done: _show("Following the face", done, expected))
        _end_line()
    motion = direct(avatar, direction, sound, track, _show_motion)
    march, marched_by = _marcher(avatar.decoder.weight1.device)
    show = side_by_side if options.side_by_side else perform
    frames = show(avatar, portrait, motion, background, options.size, march)
    if options.paste_back:
        frames = paste_back(frames, portrait.window, torch.from_numpy(photo[..., :3]).float() / 255)
    heard = clip.sound() if sound is None else sound

    started = time.perf_counter()
    write_video(options.out, frames, heard, chunk=_CHUNK, progress=lambda done, total: _show("Rendering", done, total))
    seconds = time.perf_counter() - started
    _end_line()
    if options.contact_sheet:
        contact_sheet(frames, options.contact_sheet)
    speed = f"{len(frames) / seconds:.1f} frames per second, rays by {marched_by}"
    print(f"{options.out}: {len(frames)} frames, {speed}{_peak_memory()}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m real3d_core", description="Makes a photo talk: with a voice, with a driving clip, or with both."
    )
    parser.add_argument("--portrait", required=True, metavar="PHOTO", help="a picture of one person, seen from the front")
    parser.add_argument("--audio", metavar="SOUND", help="the voice; also the film's sound")
    parser.add_argument("--driving", metavar="CLIP", help="a video of a face; moves the head, and the whole face where there is no voice")
    parser.add_argument("--out", required=True, metavar="FILM.mp4")
    parser.add_argument("--contact-sheet", metavar="PICTURE.png", help="also write frames of the film, side by side")
    parser.add_argument("--avatar", default="analytic", choices=sorted(AVATARS))
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="of the networks of real3d, or the folder it lies in (found)")
    parser.add_argument("--device", metavar="NAME", help="where networks run, such as cuda or cpu (cuda where there is one)")
    parser.add_argument(
        "--own-expression", action="store_true", help="real3d moves from the photo's own expression, not from the motion's first frame"
    )
    parser.add_argument("--transcript", help="the words of the voice, in Latin letters; times the lips better")
    parser.add_argument("--mouth", type=float, default=1.0, metavar="AMOUNT", help="how far a voice opens the mouth, 1 is natural")
    parser.add_argument("--temperature", type=float, default=0.2, metavar="AMOUNT", help="how freely real3d speaks, 0 to 1")
    parser.add_argument("--pose", choices=POSES, help="what the head does (sway, or driving where there is a clip)")
    parser.add_argument("--pose-amount", type=float, default=1.0, metavar="AMOUNT")
    parser.add_argument("--blink", choices=BLINKS, help="natural, or driving where there is a clip")
    parser.add_argument("--neutral", type=int, metavar="FRAME", help="frame of the clip that stands for the photo's own expression")
    parser.add_argument("--smoothing", type=float, default=1.0, metavar="AMOUNT", help="of the clip's motion, 0 is none")
    parser.add_argument("--seed", type=int, default=0, help="of blinks and sway")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--size", type=int, default=512, help="side of the film in pixels")
    parser.add_argument("--background", metavar="PICTURE|#RRGGBB", help="shown behind the person in place of the photo's own")
    parser.add_argument("--mask", metavar="PICTURE", help="white where the person is, black elsewhere; of the photo's size")
    parser.add_argument("--face-index", type=int, default=0, help="which face, counted from the largest")
    parser.add_argument("--face-area", type=float, default=FACE_AREA, help="part of the picture that the face fills at least")
    parser.add_argument(
        "--side-by-side", action="store_true", help="show how a frame comes about: photo, expression, raw head, depth and result"
    )
    parser.add_argument("--paste-back", action="store_true", help="keep the photo's own size and framing")
    parser.add_argument("--models", default=str(DEFAULT_FOLDER), metavar="FOLDER", help="where you keep model files")
    return parser


def _marcher(device: torch.device) -> tuple[March, str]:
    """The fastest one of the folder `cuda_ops` beside this package, and its name; the core also works without that folder."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "cuda_ops" / "__init__.py").is_file():
        return march_table, "torch"
    cuda_ops = importlib.import_module(".".join([*__package__.split(".")[:-1], "cuda_ops"]))
    return cuda_ops.march, cuda_ops.chosen(device).name


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
    picture = load_picture(choice)
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = torch.from_numpy(picture[top : top + side, left : left + side, :3].copy()).float().permute(2, 0, 1)[None] / 255
    return torch.nn.functional.interpolate(square, size=(size, size), mode="bilinear", align_corners=False, antialias=True)


def _mask(path: str | None):
    return None if path is None else load_picture(path)[..., 0].astype("float32") / 255


def _show(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        bar = "#" * round(24 * min(done, total) / total)
        print(f"\r{what} [{bar:24}] {done}/{total}", end="", file=sys.stderr, flush=True)


def _show_motion(done: int, total: int) -> None:
    _show("Reading the motion", done, total)
    if done == total:
        _end_line()


def _end_line() -> None:
    if sys.stderr.isatty():
        print(file=sys.stderr)


def _peak_memory() -> str:
    peak = peak_memory()
    return "" if peak is None else f", {peak / 1e6:.0f} MB of memory at most"


def _silence_native_libraries() -> None:
    """MediaPipe's C++ parts write notes straight to file 2; Python's own stderr goes on elsewhere."""
    sys.stderr.flush()
    own = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = own


if __name__ == "__main__":
    sys.exit(main())
