"""Direct the face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..real3d_core.ranges import BY_HAND, DEFAULT_FACE_AREA, EXPRESSION
from ..real3d_core.stream import FPS
from .conversions import LONGEST, photos
from .inputs import choice, number
from .live_faces import frame_at, one_frame, shown_portrait, shown_source
from .preview import shown_motion
from .runtime import device, folders
from .runtime.api import CATEGORY, blocked, io, schema
from .sockets import MotionSocket, Portraits, PortraitSocket

if TYPE_CHECKING:
    from ..real3d_core.motion.motion import Motion

EXPRESSIONS = ("neutral", "smile", "sad", "surprised", "angry", "focused")
SLIDERS = {
    "gaze_x": "Turns the eyes: 1 is 30 degrees to the right of the picture, -1 to its left.",
    "gaze_y": "Turns the eyes: 1 is 30 degrees up, -1 down.",
    "blink_left": "Closes the person's left eye, which is on the right of the picture; 1 is closed.",
    "blink_right": "Closes the person's right eye, which is on the left of the picture; 1 is closed.",
    "lids_wide": "Opens the eyes wide; below 0, the upper lids droop.",
    "lids_tight": "Narrows the eyes.",
    "brow_raise": "Raises both brows; below 0, lowers them.",
    "brow_inner_raise": "Raises the inner ends of the brows; below 0, lowers them.",
    "brow_outer_left": "Raises the outer end of the person's left brow; below 0, lowers it.",
    "brow_outer_right": "Raises the outer end of the person's right brow; below 0, lowers it.",
    "brow_furrow": "Draws the brows together.",
    "cheek_raise": "Raises the cheeks.",
    "jaw_open": "Opens the jaw.",
    "lips_wide": "Widens the lips; below 0, narrows them.",
    "lips_round": "Rounds the lips.",
    "lips_press": "Presses the lips together.",
    "lip_upper_raise": "Raises the upper lip.",
    "lip_lower_drop": "Lowers the lower lip.",
    "mouth_smile": "Raises the corners of the mouth to a smile; below 0, takes a smile away.",
    "frown": "Lowers the corners of the mouth.",
    "head_yaw": "Turns the head, in degrees: to the right of the picture, below 0 to its left. Drag the face to set it.",
    "head_pitch": "Nods the head, in degrees: down, below 0 up. Drag the face to set it.",
    "head_roll": "Tilts the head, in degrees: clockwise, below 0 the other way. Drag the face with Shift held to set it.",
}
_SIDE = 512  # pixels of a still


class DirectTheFace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DDirectTheFace",
            display_name="Direct the face",
            category=f"{CATEGORY}/motion",
            description=(
                "Sets expression, gaze, lids, brows, mouth and head by hand, also over time, while the lips, blinks and head of a "
                "motion go on. The face in the node follows at once. For the built-in avatar."
            ),
            search_aliases=["expression", "emotion", "smile", "expression editor", "gaze", "eyes"],
            inputs=[
                MotionSocket.Input(
                    "motion", optional=True, tooltip="The motion to direct; if not connected, a face that does nothing else."
                ),
                choice("expression", EXPRESSIONS, "The expression that 'amount' is of.", default="smile"),
                number("amount", 0.8, EXPRESSION, "How much of the expression; 0 leaves the face to the motion.", step=0.05),
                io.String.Input(
                    "keyframes",
                    default="",
                    multiline=True,
                    tooltip=(
                        "Instead of fixed amounts, one moment per line: seconds: name = amount, name = amount. For example: "
                        "0: neutral, then 1.5: smile = 0.8, gaze_x = -0.3. The face changes smoothly between them, or as a word "
                        "after the seconds says: linear, hold, ease_in or ease_out."
                    ),
                ),
                number("seconds", 4.0, (0.04, LONGEST), "Length without a connected motion, at 25 frames per second.", step=0.04),
                *(
                    number(
                        name,
                        0.0,
                        EXPRESSION,
                        f"Amount of '{name}' to mix in; amounts of more than 1 together share it.",
                        step=0.05,
                        optional=True,
                    )
                    for name in EXPRESSIONS
                ),
                io.MultiType.Input(
                    "photo",
                    [io.Image, PortraitSocket],
                    optional=True,
                    tooltip="A photo, or a portrait from 'Prepare portrait': the face that the node shows, and that of the output 'still'.",
                ),
                *(
                    number(name, 0.0, BY_HAND[name], tooltip, step=1.0 if name.startswith("head_") else 0.02, optional=True)
                    for name, tooltip in SLIDERS.items()
                ),
                io.String.Input(
                    "ways",
                    default="",
                    optional=True,
                    tooltip=(
                        "What sliders do to the motion's own movement, for example: jaw_open = scale, gaze_x = replace. add, if not "
                        "named, adds to it; replace takes its place; scale makes it (1 + amount) times as large."
                    ),
                ),
            ],
            outputs=[
                MotionSocket.Output(display_name="motion", tooltip="The same lips, blinks and head as directed here."),
                io.Image.Output(display_name="still", tooltip="[B, 512, 512, 3]: the first frame of the connected photo."),
            ],
        )

    @classmethod
    def execute(cls, seconds: float, motion=None, photo=None, **directions) -> io.NodeOutput:
        from ..real3d_core.analytic.controls import BASIS
        from ..real3d_core.motion.motion import Motion

        before = Motion.still(BASIS, max(1, round(seconds * FPS))) if motion is None else motion
        after = directed_by(directions, before)
        shown = shown_motion(after) | ({} if motion is None else shown_source(motion))
        if photo is None:
            return io.NodeOutput(after, blocked("Connect a photo to 'Direct the face' to get a still."), ui=shown)
        portraits = _portraits(photo)
        return io.NodeOutput(after, _stills(portraits, after), ui=shown | shown_portrait(portraits[0]))


def directed_by(directions: Mapping[str, Any], motion: Motion, first: int = 0) -> Motion:
    """A motion as the node's inputs say.

    Args:
        directions: the node's widgets by name, but for the length; what is not there is 0 or empty.
        first: number of the motion's first frame, counted from where the keyframes begin.

    Raises:
        Real3DError: the motion's avatar has no such controls, or a text cannot be read.
    """
    from ..real3d_core.motion.by_hand import moved_by_hand, ways_of
    from ..real3d_core.motion.expressions import directed, face_keyframes

    ways = ways_of(str(directions.get("ways", "")))
    keyframes = str(directions.get("keyframes", ""))
    if keyframes.strip():
        curves = face_keyframes(keyframes, first + len(motion), motion.fps)
        expressions, by_hand = ({name: curve[first:] for name, curve in some.items()} for some in curves)
        return moved_by_hand(directed(motion, expressions), by_hand, ways)
    amounts = {name: float(directions.get(name, 0.0)) for name in (*EXPRESSIONS, *SLIDERS)}
    if "expression" in directions:
        amounts[directions["expression"]] += float(directions.get("amount", 0.0))
    mixed = directed(motion, {name: amounts[name] for name in EXPRESSIONS})
    return moved_by_hand(mixed, {name: amounts[name] for name in SLIDERS}, ways)


def moment(values: Mapping[str, Any], motion: Motion | None, time: float) -> tuple[Motion, None]:
    """One frame of the motion of the node's last run, directed as its widgets say now."""
    frame = frame_at(time, FPS if motion is None else motion.fps)
    frame = frame if motion is None else min(frame, len(motion) - 1)
    return directed_by(values, one_frame(motion, frame), frame), None


def _portraits(photo) -> tuple:
    from ..real3d_core.portrait.remembered import prepared

    if isinstance(photo, Portraits):
        return photo.items
    return tuple(prepared(picture, folders.model_folders(), None, 0, DEFAULT_FACE_AREA) for picture in photos(photo))


def _stills(portraits, motion: Motion) -> Tensor:
    from ..real3d_core.pipeline import PipelineOptions, render_frames

    options, march = PipelineOptions(size=_SIDE), device.marcher("auto")
    frames = [render_frames(device.built_in_avatar(), one, motion, options, march=march).frames(0, 1) for one in portraits]
    return torch.cat(frames).cpu()
