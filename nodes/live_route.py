"""What a page may wish for between runs, and what it gets: pictures of the faces in live_faces.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..real3d_core.errors import Real3DError
from ..real3d_core.ranges import DEFAULT_FACE_AREA, FACE_AREA, FACE_INDEX, Range
from . import camera_path, direct_the_face, edit_motion, talking_portrait
from .camera_path import CameraPathNode
from .direct_the_face import DirectTheFace
from .door import widget_values
from .edit_motion import EditMotion
from .live_faces import GRACE, IDLE, MOTIONS, PAUSE, SIDES, Busy, LiveFaces, Photo, Source, Wish
from .runtime.folders import photo_file, stamp
from .runtime.server import serve_json, workflow_is_running
from .talking_portrait import TalkingPortrait

if TYPE_CHECKING:
    from ..real3d_core.motion.motion import Motion
    from ..real3d_core.render.camera_paths import View

LIVE = LiveFaces(workflow_is_running)
MOST_TEXT = 20_000  # characters of one value
_SIDE = Range("The side", *SIDES, whole=True)
_TIME = Range("The time", 0, 3600)  # seconds
_LONGEST_NAME = 400  # characters

MOMENTS = {
    "Real3DDirectTheFace": (DirectTheFace, direct_the_face.moment),
    "Real3DCameraPath": (CameraPathNode, camera_path.moment),
    "Real3DEditMotion": (EditMotion, edit_motion.moment),
    "Real3DTalkingPortrait": (TalkingPortrait, talking_portrait.moment),
}
"""The nodes that show a live face, and what of it: (values of the widgets, motion of the last run, seconds) -> a motion of one frame, and
where it is seen from."""


def wish_of(asked: Mapping[str, Any]) -> Wish:
    """What a page wishes for. Kinds and lengths are checked here; what the values say, where it is drawn.

    Raises:
        Real3DError: it is no wish.
    """
    node, moment = MOMENTS.get(_text(asked, "node"), (None, None))
    values, photo = asked.get("values", {}), asked.get("photo")
    if node is None or moment is None or not isinstance(values, dict) or not isinstance(photo, dict):
        raise Real3DError(f"Wishes are for one of {', '.join(MOMENTS)}, with their values by name and a photo.")
    for name, value in values.items():
        if not isinstance(value, (int, float)) and not (isinstance(value, str) and len(value) <= MOST_TEXT):
            raise Real3DError(f"The value of {str(name)[:60]!a} is neither a number nor a text of at most {MOST_TEXT} characters.")
    named = _text(photo, "token") if "token" in photo else _text(photo, "file")
    tokens = {name: _text(asked, name) for name in ("motion", "second") if asked.get(name) is not None}
    if "second" in tokens and node is not EditMotion:
        raise Real3DError("Only 'Edit motion' has a second motion.")
    time = float(_TIME.check(asked.get("time", 0.0)))

    def source() -> Source:
        return named if "token" in photo else _photo(named, photo)

    def at_that_moment() -> tuple[Motion, View | None]:
        given = {"motion": None} | {name: MOTIONS[token] for name, token in tokens.items()}
        return moment(widget_values(node, values), time=time, **given)

    return Wish(source, int(_SIDE.check(asked.get("side", SIDES[0]))), at_that_moment)


def _photo(name: str, asked: Mapping[str, Any]) -> Photo:
    path = photo_file(name)
    index, area = FACE_INDEX.check(asked.get("face_index", 0)), FACE_AREA.check(asked.get("face_area", DEFAULT_FACE_AREA))
    return Photo(name, path, stamp(path), int(index), float(area))


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise Real3DError(f"A wish has a text '{name}'.")
    return value


async def answer(asked: object) -> tuple[int, object]:
    """Status and body of POST /real3d/live: 200 with a JPEG, 204 if a newer wish has taken its place, 400 for what is no wish.

    A wish that cannot be fulfilled is answered with 200 and a `state`, since browsers report other statuses as errors of the page: "busy"
    while a workflow runs, "gone" if the portrait or the motion is, "refused" with a sentence about what cannot be drawn.
    """
    try:
        if not isinstance(asked, dict):
            raise Real3DError("A wish is an object.")
        asker, wish = _text(asked, "asker"), wish_of(asked)
    except Real3DError as refusal:
        return 400, {"error": str(refusal)}
    try:
        picture = await asyncio.wrap_future(LIVE.picture(asker, wish))
    except Busy:
        return 200, {"state": "busy"}
    except KeyError:
        return 200, {"state": "gone"}
    except Real3DError as refusal:
        return 200, {"state": "refused", "error": str(refusal)}
    _later(PAUSE, LIVE.tidy)
    _later(IDLE, LIVE.sweep)
    return (204, b"") if picture is None else (200, picture)


async def answer_load(_asked: object) -> tuple[int, object]:
    """Status and body of POST /real3d/live/load: a page shows a node with a live face, whose photo is not known yet perhaps."""
    LIVE.load()
    return 200, {}


async def answer_release(asked: object) -> tuple[int, object]:
    """Status and body of POST /real3d/live/release: what this asker looked at is not looked at any more."""
    if not isinstance(asked, dict) or not isinstance(asked.get("asker"), str):
        return 400, {"error": "Name the asker."}
    LIVE.release(asked["asker"][:_LONGEST_NAME])
    _later(GRACE, LIVE.free_unwatched)
    return 200, {}


_timers: dict[Callable[[], object], asyncio.TimerHandle] = {}


def _later(seconds: float, free: Callable[[], object]) -> None:
    """Calls it so many seconds after this was last asked for."""
    if free in _timers:
        _timers[free].cancel()
    _timers[free] = asyncio.get_running_loop().call_later(seconds + 1, free)


serve_json("POST", "/real3d/live", answer)
serve_json("POST", "/real3d/live/load", answer_load)
serve_json("POST", "/real3d/live/release", answer_release)
