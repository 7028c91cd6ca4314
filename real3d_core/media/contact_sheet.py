"""Frames of a film side by side on one picture."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..stream import FrameStream
from .encoding import Encoding
from .pictures import save_png


def contact_sheet(frames: FrameStream[Tensor], path: str | os.PathLike, columns: int = 6, rows: int = 4, width: int = 256) -> None:
    """Writes a PNG of columns x rows frames, spread evenly from the first to the last, with the time under each.

    Args:
        frames: chunks of [n, H, W, 3] float, clamped to [0, 1], RGB; only the frames shown are computed.
        path: ends in .png.
        width: of each frame on the sheet, in pixels.

    Raises:
        OutputError: wrong ending, or the place cannot be written to.
    """
    cells = min(columns * rows, len(frames))
    numbers = [round(cell * (len(frames) - 1) / max(cells - 1, 1)) for cell in range(cells)]
    pictures = [Encoding().rgb(frames.frames(number, number + 1))[0] for number in numbers]
    times = [f"{number / frames.fps:.2f} s" for number in numbers]
    labelled_sheet(list(zip(pictures, times, strict=True)), path, columns, width)


def labelled_sheet(labelled: Sequence[tuple[np.ndarray, str]], path: str | os.PathLike, columns: int, width: int) -> None:
    """Writes a PNG of pictures [H, W, 3] uint8 of any sizes, row by row, with a text under each; `width`: of each on the sheet.

    Raises:
        OutputError: wrong ending, or the place cannot be written to.
    """
    pictures = [_scaled(picture, width) for picture, _ in labelled]
    text = max(width // 16, 10)
    tallest = max(picture.height for picture in pictures)
    height = tallest + 2 * text
    sheet = Image.new("RGB", (columns * width, math.ceil(len(pictures) / columns) * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(text)
    for cell, (picture, (_, label)) in enumerate(zip(pictures, labelled, strict=True)):
        left, top = cell % columns * width, cell // columns * height
        sheet.paste(picture, (left, top))
        draw.text((left + text // 2, top + tallest + text // 3), label, fill="black", font=font)
    save_png(path, np.asarray(sheet))


def _scaled(pixels: np.ndarray, width: int) -> Image.Image:
    picture = Image.fromarray(pixels)
    return picture.resize((width, max(round(picture.height * width / picture.width), 1)), Image.Resampling.LANCZOS)
