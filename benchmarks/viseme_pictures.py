"""Draws the mouth shapes of visemes.json, or a sound's frames with what is heard in each, on a synthetic person.

python benchmarks/viseme_pictures.py                              # assets/pictures/visemes.jpg
python benchmarks/viseme_pictures.py SOUND.wav SHEET.png [WORDS]  # every frame of a sound, up to ten seconds; WORDS need pocketsphinx
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from real3d_core.analytic.avatar import AnalyticAvatar  # noqa: E402
from real3d_core.analytic.controls import BASIS  # noqa: E402
from real3d_core.media.pictures import load_picture  # noqa: E402
from real3d_core.media.sound import load_sound  # noqa: E402
from real3d_core.mediapipe_models.model_files import ModelFolders  # noqa: E402
from real3d_core.motion.motion import Motion  # noqa: E402
from real3d_core.pipeline import PipelineOptions, make_motion, render_frames  # noqa: E402
from real3d_core.portrait.portrait import prepare_portrait  # noqa: E402
from real3d_core.speech.phonemes import align  # noqa: E402
from real3d_core.speech.viseme_network import viseme_posteriors  # noqa: E402
from real3d_core.speech.visemes import NAMES, VISEMES  # noqa: E402
from real3d_core.stream import FPS  # noqa: E402

SITTER = ROOT / "assets" / "portraits" / "synthetic_p002.jpg"
MOUTH = (156, 226, 356, 426)  # left, top, right, bottom in the frame of 512
CONTROLS = {
    "jaw_open": "opening",
    "lips_wide": "width",
    "lips_round": "rounding",
    "lip_lower_tuck": "teeth",
    "lip_upper_raise": "upper",
    "lips_press": "press",
}
LONGEST = 250  # frames of a sheet


def main() -> None:
    torch.set_grad_enabled(False)
    if sys.argv[1:]:
        sound, sheet, *words = sys.argv[1:]
        draw_sound(Path(sound), Path(sheet), " ".join(words) or None)
    else:
        draw_shapes(ROOT / "assets" / "pictures" / "visemes.jpg")


def draw_shapes(path: Path) -> None:
    """Every viseme's shape with its name and its English sounds."""
    curves = {control: torch.tensor([getattr(v, field) for v in VISEMES.values()]) for control, field in CONTROLS.items()}
    motion = Motion.still(BASIS, len(NAMES)).with_controls(**curves)
    tiles = [tile(frame, name, "") for frame, name in zip(mouths(motion), NAMES, strict=True)]
    grid(tiles, 5).save(path, quality=88)


def draw_sound(sound: Path, path: Path, words: str | None) -> None:
    """Frames of a sound as they look without its words; below, the viseme heard and how likely it is, and the words' sound if known."""
    heard = load_sound(sound)
    samples = heard.mono(16000).numpy()
    posteriors = viseme_posteriors(samples)
    motion = make_motion(AnalyticAvatar(ModelFolders()), PipelineOptions(pose="static", blink="none"), heard)
    frames = min(len(motion), LONGEST)
    steps = np.minimum(((np.arange(frames) + 0.5) / FPS * 100).astype(int), len(posteriors) - 1)
    spoken = align(samples, words) if words else []
    tiles = []
    for frame, step in zip(mouths(motion.fitted(frames)), steps, strict=True):
        best = posteriors[step].argmax()
        below = "".join(f"said: {p.symbol}" for p in spoken if p.start <= step / 100 + 0.005 < p.end)
        tiles.append(tile(frame, f"{step / 100:.2f} s  {NAMES[best]} {posteriors[step, best]:.1f}", below))
    grid(tiles, 12).save(path)


def mouths(motion: Motion) -> list[Image.Image]:
    """The lower face in every frame."""
    portrait = prepare_portrait(load_picture(SITTER), ModelFolders())
    frames = [chunk for chunk in render_frames(AnalyticAvatar(ModelFolders()), portrait, motion).chunks(4)]
    return [Image.fromarray((frame * 255).round().byte().numpy()).crop(MOUTH) for chunk in frames for frame in chunk]


def tile(picture: Image.Image, title: str, below: str) -> Image.Image:
    """A picture with a line or two of text under it."""
    whole = Image.new("RGB", (picture.width, picture.height + 34), "white")
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    draw.text((4, picture.height + 3), title, fill="black")
    draw.text((4, picture.height + 17), below, fill="grey")
    return whole


def grid(tiles: list[Image.Image], columns: int) -> Image.Image:
    width, height = tiles[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(tiles) / columns) * height), "white")
    for i, one in enumerate(tiles):
        sheet.paste(one, (i % columns * width, i // columns * height))
    return sheet


if __name__ == "__main__":
    main()
