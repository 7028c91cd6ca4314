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
    """A socket for a sound, or for a video whose own sound is meant."""
    return io.MultiType.Input("audio", [io.Audio, io.Video], optional=optional, tooltip=tooltip)


def face_inputs(optional: bool = False) -> list[io.Input]:
    """Which face of a photo is meant, and how closely it is cropped; shared by the nodes that take photos."""
    return [
        io.Int.Input(
            "face_index",
            default=0,
            min=FACE_INDEX.low,
            max=FACE_INDEX.high,
            optional=optional,
            tooltip="Which face, counted from the largest, which is 0.",
        ),
        io.Float.Input(
            "face_area",
            default=0.2,
            min=FACE_AREA.low,
            max=FACE_AREA.high,
            step=0.01,
            optional=optional,
            tooltip="The least part of the crop that the face shall fill, 0.02 to 0.5; more crops closer.",
        ),
    ]


def transcript_input() -> io.Input:
    """The words of a voice; shared by the nodes that hear one."""
    return io.String.Input(
        "transcript",
        default="",
        multiline=True,
        optional=True,
        tooltip="The words spoken, in Latin letters, if you know them: lips are then timed by them.",
    )


def place_inputs() -> list[io.Input]:
    """Where the viewer stands; shared by the nodes whose head the page can turn. Last on each node: saved workflows count widgets."""
    return [
        io.Float.Input(
            "view_yaw",
            default=0.0,
            min=-80.0,
            max=80.0,
            step=1.0,
            optional=True,
            tooltip="Degrees the head is seen turned to the picture's right (below 0: left); dragging the small head sets it.",
        ),
        io.Float.Input(
            "view_pitch",
            default=0.0,
            min=-60.0,
            max=60.0,
            step=1.0,
            optional=True,
            tooltip="Degrees the head is seen looking down (below 0: up); dragging the small head sets it.",
        ),
        io.Float.Input(
            "view_distance",
            default=1.0,
            min=0.5,
            max=2.0,
            step=0.01,
            optional=True,
            tooltip="1 is the photo's own distance, 0.5 half of it; the wheel over the small head sets it.",
        ),
    ]


def composing_inputs() -> list[io.Input]:
    """What finished frames are made from; shared by the nodes that make them."""
    return [
        AvatarSocket.Input("avatar", tooltip="The one that made the render."),
        RenderSocket.Input("render", tooltip="From 'Render head' or 'Replace render colour'."),
        PortraitSocket.Input("portrait", tooltip="Gives the torso, the background and, for the built-in avatar, the pixels."),
        MotionSocket.Input("motion", tooltip="The one that the render shows; it gives the frame rate."),
        io.Float.Input(
            "head_threshold",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.01,
            tooltip=(
                "Where the head is more opaque than this it hides the background completely, up to 1; less makes thin hair firmer. "
                "0 takes the avatar's own (built in: 0.9)."
            ),
        ),
        io.Int.Input(
            "size",
            default=512,
            min=SIZE.low,
            max=SIZE.high,
            step=8,
            tooltip="Side of the frames in pixels; more than the photo's own face has adds no detail.",
        ),
        io.Image.Input(
            "background",
            optional=True,
            tooltip="Shown behind the person: one picture, or a batch that is played from its start again; its middle square is taken.",
        ),
    ]


def fps_output() -> io.Output:
    """The rate of frames that are given as a batch; last on each node."""
    return io.Float.Output(display_name="fps", tooltip="Frames per second, for 'Create Video'.")


def background_video_input() -> io.Input:
    """Last among a node's inputs: saved workflows count them."""
    return io.Video.Input(
        "background_video",
        optional=True,
        tooltip="In place of 'background': a clip, by its own time, from its start again when it ends; its middle square is taken.",
    )


def provenance_input() -> io.Input:
    """Last among a node's inputs: saved workflows count them."""
    return io.Boolean.Input(
        "provenance", default=True, optional=True, tooltip="Say in the video's metadata that it is a generated portrait, and by what."
    )
