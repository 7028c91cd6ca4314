"""Faces that a user keeps: amounts of sliders by a name of the user's own, in one small JSON of the user's folder."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from ..real3d_core.errors import Real3DError
from ..real3d_core.ranges import BY_HAND, EXPRESSION
from .direct_the_face import EXPRESSIONS
from .runtime.server import serve_json

FILE = "real3d_faces.json"
MOST_FACES, LONGEST_NAME = 200, 60
_LARGEST = 2**18  # bytes

Faces = dict[str, dict[str, float]]
_WRITING = asyncio.Lock()


def faces_in(path: Path) -> Faces:
    """The faces of a file; none where it does not exist. What is no face is left out.

    Raises:
        Real3DError: the file is not such a JSON, and nothing is to be written over it.
    """
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        return {_name(name): _amounts(amounts) for name, amounts in found.items()}
    except (OSError, ValueError, AttributeError, RecursionError, Real3DError) as failure:
        raise Real3DError(
            f"The saved faces in '{FILE}' of your ComfyUI user folder cannot be read ({failure}): move the file away."
        ) from failure


def with_face(path: Path, name: object, amounts: object) -> Faces:
    """Saves a face under a name, or removes the one of this name if there are no amounts; all faces then.

    Raises:
        Real3DError: it is no name or no face, there are too many, or the file cannot be read or written.
    """
    from ..real3d_core.files import written_whole

    faces, named = faces_in(path), _name(name)
    if amounts is None:
        faces.pop(named, None)
    else:
        faces[named] = _amounts(amounts)
    if len(faces) > MOST_FACES:
        raise Real3DError(f"At most {MOST_FACES} faces can be saved: delete some first.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, (".json",)) as temporary:
        temporary.write_text(json.dumps(faces, ensure_ascii=False, indent=1), encoding="utf-8")
    return faces


def _name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME or any(unicodedata.category(one)[0] == "C" for one in name):
        raise Real3DError(f"The name of a face has 1 to {LONGEST_NAME} characters: choose another one.")
    return name.strip()


def _amounts(amounts: object) -> dict[str, float]:
    if not isinstance(amounts, Mapping):
        raise Real3DError("A face is amounts by the name of a slider.")
    for name, amount in amounts.items():
        allowed = EXPRESSION if name in EXPRESSIONS else BY_HAND.get(name)
        if allowed is None or isinstance(amount, bool) or not isinstance(amount, (int, float)):
            raise Real3DError(f"A face has no {str(name)[:60]!a}: its amounts are numbers by the name of a slider.")
        allowed.check(amount)
    return {name: round(float(amount), 4) for name, amount in amounts.items() if amount}


async def answer_faces(_: object, path: Path) -> tuple[int, object]:
    """Status and body of GET /real3d/faces: the user's faces, or a sentence about their file."""
    try:
        return 200, {"faces": await asyncio.to_thread(faces_in, path)}
    except Real3DError as failure:
        return 200, {"faces": {}, "error": str(failure)}


async def answer_save(asked: object, path: Path) -> tuple[int, object]:
    """Status and body of POST /real3d/faces: {name, amounts} is saved, {name} removed; the faces there are now, or a sentence."""
    if not isinstance(asked, dict):
        return 400, {"error": "Send a name, and the amounts of its face."}
    try:
        async with _WRITING:
            return 200, {"faces": await asyncio.to_thread(with_face, path, asked.get("name"), asked.get("amounts"))}
    except Real3DError as failure:
        return 200, {"error": str(failure)}


serve_json("GET", "/real3d/faces", answer_faces, FILE)
serve_json("POST", "/real3d/faces", answer_save, FILE)
