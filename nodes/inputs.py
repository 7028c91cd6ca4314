"""Inputs and outputs that several nodes share."""

from __future__ import annotations

from collections.abc import Sequence

from ..real3d_core.ranges import (
    ACTING,
    FACE_AREA,
    FACE_INDEX,
    FRAME_COUNT,
    GAZE,
    SEED,
    SIZE,
    START_FRAME,
    VIEW_DISTANCE,
    VIEW_PITCH,
    VIEW_YAW,
    Range,
)
from .runtime.api import io
from .sockets import AvatarSocket, MotionSocket, PortraitSocket, RenderSocket


def number(name: str, default: float, within: Range | tuple[float, float], tooltip: str, **options) -> io.Input:
    """A number as a widget: a whole one if its default is; `options` are those of ComfyUI's inputs."""
    low, high = (within.low, within.high) if isinstance(within, Range) else within
    if isinstance(default, int):
        return io.Int.Input(name, default=default, min=int(low), max=int(high), tooltip=tooltip, **options)
    return io.Float.Input(name, default=default, min=float(low), max=float(high), tooltip=tooltip, **options)


def choice(name: str, options: Sequence[str], tooltip: str, default: str | None = None, **more) -> io.Input:
    """One of several words as a widget: the first one, unless another is the default."""
    return io.Combo.Input(name, options=list(options), default=default or options[0], tooltip=tooltip, **more)


def seed_input(tooltip: str) -> io.Input:
    """The seed of everything random in a node."""
    return number("seed", 0, SEED, tooltip, control_after_generate=True)


def sound_input(tooltip: str, optional: bool = False) -> io.Input:
    """A socket for audio, or for a video whose sound is used."""
    return io.MultiType.Input("audio", [io.Audio, io.Video], optional=optional, tooltip=tooltip)


def face_inputs(optional: bool = False) -> list[io.Input]:
    """Which face of a photo is used and how closely it is cropped; shared by the nodes that take photos."""
    return [
        number("face_index", 0, FACE_INDEX, "Which face to use, sorted by size; 0 is the largest.", optional=optional),
        number(
            "face_area",
            0.2,
            FACE_AREA,
            "Minimum fraction of the crop that the face fills, 0.02 to 0.5; higher values crop closer.",
            step=0.01,
            optional=optional,
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


def acting_input(tooltip: str) -> io.Input:
    """How much a face or head acts while it speaks. Last on each node, since saved workflows store widgets by position."""
    return number("acting", 1.0, ACTING, tooltip, step=0.05, optional=True)


def gaze_input() -> io.Input:
    """Last among a node's inputs, since saved workflows store widgets by position."""
    return number(
        "gaze",
        1.0,
        GAZE,
        "How far the eyes of the built-in avatar look around, 0 to 2: 1 is natural, 0 keeps them as in the photo.",
        step=0.05,
        optional=True,
    )


def part_inputs() -> list[io.Input]:
    """A part of a film. Last on each node, since saved workflows store widgets by position."""
    return [
        number(
            "start_frame",
            0,
            START_FRAME,
            "First frame of the part to render, counted from 0. Frames do not depend on one another, so several ComfyUI workers can each "
            "render a part; 'Join parts' joins them.",
            optional=True,
        ),
        number("frame_count", 0, FRAME_COUNT, "Number of frames of the part; 0 renders to the end.", optional=True),
    ]


def place_inputs() -> list[io.Input]:
    """The viewer's position; shared by the nodes with an orbit view. Last on each node, since saved workflows store widgets by position."""
    return [
        number(
            "view_yaw",
            0.0,
            VIEW_YAW,
            "View angle in degrees: the head appears turned to the right of the picture (negative: left). Drag the small head to set it.",
            step=1.0,
            optional=True,
        ),
        number(
            "view_pitch",
            0.0,
            VIEW_PITCH,
            "View angle in degrees: the head appears to look down (negative: up). Drag the small head to set it.",
            step=1.0,
            optional=True,
        ),
        number(
            "view_distance",
            1.0,
            VIEW_DISTANCE,
            "View distance: 1 is that of the photo, 0.5 half of it. Scroll over the small head to set it.",
            step=0.01,
            optional=True,
        ),
    ]


def composing_inputs() -> list[io.Input]:
    """Inputs shared by the nodes that produce finished frames."""
    return [
        AvatarSocket.Input("avatar", tooltip="The avatar that made the render."),
        RenderSocket.Input("render", tooltip="From 'Render head' or 'Replace render colour'."),
        PortraitSocket.Input("portrait", tooltip="Provides the torso, the background and, for the built-in avatar, the pixels."),
        MotionSocket.Input("motion", tooltip="The motion that the render was made with; it gives the frame rate."),
        number(
            "head_threshold",
            0.0,
            (0, 1),
            "Opacity above which the head hides the background completely, up to 1; lower values make thin hair more "
            "solid. 0 uses the avatar's default (built-in: 0.9).",
            step=0.01,
        ),
        number(
            "size",
            512,
            SIZE,
            "Side length of the frames in pixels; a size beyond the resolution of the face in the photo adds no detail.",
            step=8,
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
