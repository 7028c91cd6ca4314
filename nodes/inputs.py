"""Inputs and outputs that several nodes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .runtime.api import io

if TYPE_CHECKING:
    pass
from typing import TYPE_CHECKING

from ..real3d_core.ranges import FACE_AREA, FACE_INDEX, SIZE
from .sockets import AvatarSocket, MotionSocket, PortraitSocket, RenderSocket

if TYPE_CHECKING:
    pass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def sound_input(tooltip: str, optional: bool = False) -> io.Input:
    """A socket for audio, or for a video whose sound is used."""
    return io.MultiType.Input("audio", [io.Audio, io.Video], optional=optional, tooltip=tooltip)


def face_inputs(optional: bool = False) -> list[io.Input]:
    """Which face of a photo is used and how closely it is cropped; shared by the nodes that take photos."""
    return [
        io.Int.Input(
            "face_index",
            default=0,
            min=FACE_INDEX.low,
            max=FACE_INDEX.high,
            optional=optional,
            tooltip="Which face to use, sorted by size; 0 is the largest.",
        ),
        io.Float.Input(
            "face_area",
            default=0.2,
            min=FACE_AREA.low,
            max=FACE_AREA.high,
            step=0.01,
            optional=optional,
            tooltip="Minimum fraction of the crop that the face fills, 0.02 to 0.5; higher values crop closer.",
        ),
    ]


def transcript_input() -> io.Input:
    """The transcript of the speech; shared by the nodes that take speech."""
    return io.String.Input(
        "transcript",
        default="",
        multiline=True,
        optional=True,
        tooltip="The words spoken, in Latin script, if you have them: the lips are then aligned to the words.",
    )


def place_inputs() -> list[io.Input]:
    """The viewer's position; shared by the nodes with an orbit view. Last on each node, since saved workflows store widgets by position."""
    return [
        io.Float.Input(
            "view_yaw",
            default=0.0,
            min=-80.0,
            max=80.0,
            step=1.0,
            optional=True,
            tooltip=(
                "View angle in degrees: the head appears turned to the right of the picture (negative: left). Drag the small "
                "head to set it."
            ),
        ),
        io.Float.Input(
            "view_pitch",
            default=0.0,
            min=-60.0,
            max=60.0,
            step=1.0,
            optional=True,
            tooltip="View angle in degrees: the head appears to look down (negative: up). Drag the small head to set it.",
        ),
        io.Float.Input(
            "view_distance",
            default=1.0,
            min=0.5,
            max=2.0,
            step=0.01,
            optional=True,
            tooltip="View distance: 1 is that of the photo, 0.5 half of it. Scroll over the small head to set it.",
        ),
    ]


def composing_inputs() -> list[io.Input]:
    """Inputs shared by the nodes that produce finished frames."""
    return [
        AvatarSocket.Input("avatar", tooltip="The avatar that made the render."),
        RenderSocket.Input("render", tooltip="From 'Render head' or 'Replace render colour'."),
        PortraitSocket.Input("portrait", tooltip="Provides the torso, the background and, for the built-in avatar, the pixels."),
        MotionSocket.Input("motion", tooltip="The motion that the render was made with; it gives the frame rate."),
        io.Float.Input(
            "head_threshold",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip=(
                "Opacity above which the head hides the background completely, up to 1; lower values make thin hair more "
                "solid. 0 uses the avatar's default (built-in: 0.9)."
            ),
        ),
        io.Int.Input(
            "size",
            default=512,
            min=SIZE.low,
            max=SIZE.high,
            step=8,
            tooltip="Side length of the frames in pixels; a size beyond the resolution of the face in the photo adds no detail.",
        ),
        io.Image.Input(
            "background",
            optional=True,
            tooltip="Shown behind the person: one image, or a batch that is played in a loop; cropped to its central square.",
        ),
    ]


def fps_output() -> io.Output:
    """Frame rate of frames that are output as a batch; last on each node."""
    return io.Float.Output(display_name="fps", tooltip="Frame rate, for 'Create Video'.")


def background_video_input() -> io.Input:
    """Last among a node's inputs, since saved workflows store widgets by position."""
    return io.Video.Input(
        "background_video",
        optional=True,
        tooltip="A clip instead of 'background', played at its own speed and in a loop; cropped to its central square.",
    )


def provenance_input() -> io.Input:
    """Last among a node's inputs, since saved workflows store widgets by position."""
    return io.Boolean.Input(
        "provenance",
        default=True,
        optional=True,
        tooltip="Record in the video's metadata that it is a generated portrait, and what generated it.",
    )
