"""The frames beside the numbers, as one HTML file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np
import torch

from real3d_core.analytic.controls import BASIS
from real3d_core.face.measures import lip_gap
from real3d_core.media.sound import load_sound
from real3d_core.motion.motion import Motion
from real3d_core.pipeline import make_motion

from .mouth import driven_laugh
from .rows import Row, Table
from .speech import LIPS_ALONE
from .subject import ASSETS, Subject, as_bytes, some_of

_MAGNIFIED = 10  # times, of the difference to the photo
_AT_REST = ("frame", "film", "rim", "rim_segmented", "head", "reconstruction_head")
_STYLE = """
body { font: 14px system-ui, sans-serif; margin: 24px; background: #fff; color: #111 }
table { border-collapse: collapse } td, th { padding: 2px 8px; border: 1px solid #ccc; text-align: right; white-space: nowrap }
td:first-child, th:first-child { text-align: left; white-space: pre } .missed { background: #fdd }
.frames { display: flex; flex-wrap: wrap; gap: 12px } figure { margin: 0; width: 512px } figcaption { white-space: pre-wrap }
.table { overflow-x: auto }
"""


@dataclass(frozen=True)
class Shown:
    """One picture of a portrait.

    title: what it shows.
    picture: [512, 512, 3] in 0..1.
    rows: names of the rows that are about it.
    """

    title: str
    picture: np.ndarray
    rows: tuple[str, ...] = ()


def shown_frames(subject: Subject) -> list[Shown]:
    """The photo, and the frames that the issue of the bars asks to be looked at."""
    one = torch.ones(1)
    left, right = subject.render(subject.turned(-25, 25))
    return [
        Shown("photo", subject.photo),
        Shown("rest", subject.still, _AT_REST),
        Shown(
            f"difference to the photo, {_MAGNIFIED} times",
            np.clip(_MAGNIFIED * np.abs(subject.still - subject.photo), 0, 1),
            _AT_REST,
        ),
        Shown("widest mouth in speech", _widest_mouth(subject), ("loudness", "widest", "lively", "identity_speech")),
        Shown(
            "blink",
            subject.render(Motion.still(BASIS, 1).with_controls(blink_left=one, blink_right=one))[0],
            ("blink", "lids", "lids_gain"),
        ),
        Shown("yaw -25", left, ("streaks", "turning_25", "identity_turned")),
        Shown("yaw +25", right, ("streaks", "turning_25", "identity_turned")),
        Shown("replaced background", subject.on_flat[0], ("background", "background_segmented")),
        Shown("driven laugh", subject.once(driven_laugh), ("laugh_teeth", "laugh_corners")),
    ]


def _widest_mouth(subject: Subject) -> np.ndarray:
    """The frame of librivox_0880_en.wav in which the lips are asked to be farthest apart."""
    motion = make_motion(subject.avatar, LIPS_ALONE, load_sound(ASSETS / "speech" / "librivox_0880_en.wav"))
    asked = lip_gap((subject.controls.rest + subject.controls.displacements(motion.expression)).numpy())
    widest = int(asked.argmax())
    return subject.render(some_of(motion, slice(widest, widest + 1)))[0]


def write_sheet(file: Path, table: Table, shown: Mapping[str, Sequence[Shown]]) -> None:
    """One table of all rows and portraits, then the pictures of each portrait with the numbers that are about them."""
    rows = [row for row in table.rows if table.summary(row)]
    sections = [
        f"<h2>{escape(name)}</h2><div class=frames>{''.join(_figure(one, rows, table, name) for one in shown[name])}</div>"
        for name in shown
    ]
    head = f"<!doctype html><meta charset=utf-8><title>avatar_quality</title><style>{_STYLE}</style>"
    file.write_text(head + _table(rows, table, list(shown)) + "".join(sections), encoding="utf-8")


def _table(rows: Sequence[Row], table: Table, portraits: Sequence[str]) -> str:
    """What misses a bar is marked: the summary, and each portrait whose own values do."""
    lines = [[_cell(words) for words in ("", "bars (mean / worst)", "mean / worst", *portraits)]]
    for row in rows:
        words, holds = table.summary(row) or ("", True)
        each = [_cell(table.of_one(row, name), table.holds_for(row, name)) for name in portraits]
        lines.append([_cell(row.title), _cell(str(row.bar)), _cell(words, holds), *each])
    return f"<div class=table><table>{''.join(f'<tr>{cells}</tr>' for cells in map(''.join, lines))}</table></div>"


def _cell(words: str, holds: bool = True) -> str:
    return f"<td{'' if holds else ' class=missed'}>{escape(words)}</td>"


def _figure(one: Shown, rows: Sequence[Row], table: Table, portrait: str) -> str:
    numbers = {row: table.of_one(row, portrait) for row in rows if row.name in one.rows}
    caption = "\n".join(escape(f"{row.title.strip()}: {words} ({row.bar})") for row, words in numbers.items() if words)
    jpeg = cv2.imencode(".jpg", as_bytes(one.picture)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return (
        f"<figure><b>{escape(one.title)}</b><br><img src='{source}' width=512 height=512 alt=''><figcaption>{caption}</figcaption></figure>"
    )
