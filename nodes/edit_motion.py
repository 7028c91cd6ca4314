"""Edit motion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..real3d_core.errors import Real3DError
from ..real3d_core.ranges import FRAME_RATE
from ..real3d_core.stream import exact_rate
from .conversions import LONGEST
from .inputs import choice, number
from .live_faces import frame_at, one_frame, shown_source
from .preview import shown_motion
from .runtime.api import CATEGORY, io, schema
from .sockets import MotionSocket

if TYPE_CHECKING:
    from ..real3d_core.motion.motion import Motion

COMBINE = ("join", "mix")
_MOST_SHOWN = 15_000  # frames that are edited for a single picture
LOOPS = ("once", "again", "to and fro")


class EditMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DEditMotion",
            display_name="Edit motion",
            category=f"{CATEGORY}/motion",
            description=(
                "Applies, in this order: gains, smoothing, speed, trimming, joining or mixing with a second motion, looping, "
                "frame rate. The default values change nothing."
            ),
            search_aliases=["retime", "loop", "blend motion"],
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion to edit."),
                number("expression_gain", 1.0, (-3, 3), "Scales lips and expression; 1 leaves them unchanged, 0 is neutral.", step=0.05),
                number("pose_gain", 1.0, (-3, 3), "Scales the head movement; 1 leaves it unchanged, 0 holds the head still.", step=0.05),
                io.String.Input(
                    "control_gains",
                    default="",
                    multiline=True,
                    tooltip=(
                        "Gains of single controls, for example: jaw_open = 1.3, smile = 0. The error for an unknown name lists the "
                        "valid ones."
                    ),
                ),
                number("smooth", 0.0, (0, 2), "Width of the temporal smoothing in seconds; 0 turns it off.", step=0.02),
                number("speed", 1.0, (0.1, 10), "2 is twice as fast and half as long; 1 leaves it unchanged.", step=0.05),
                number("start", 0.0, (0, LONGEST), "Seconds to trim from the start.", step=0.04),
                number("end", 0.0, (0, LONGEST), "Time in seconds at which to stop; 0 is the end of the motion.", step=0.04),
                choice("combine", COMBINE, "How to combine it with a second motion. join: one after the other; mix: a blend of both."),
                number("mix", 0.5, (0, 1), "For 'mix': weight of the second motion, 0 to 1.", step=0.05),
                number("overlap", 0.2, (0, 5), "For 'join': length of the transition in seconds.", step=0.04),
                choice(
                    "loop",
                    LOOPS,
                    "once: no loop; again: repeat from the start; to and fro: play back and forth. Loops run until 'loop_seconds'.",
                ),
                number("loop_seconds", 0.0, (0, LONGEST), "Length of the looped motion in seconds; 0 turns looping off.", step=0.04),
                MotionSocket.Input("second", optional=True, tooltip="A second motion made with the same kind of avatar, to join or mix."),
                number(
                    "fps",
                    0.0,
                    (0, FRAME_RATE.high),
                    "Frame rate of the result, 1 to 120; 23.976, 29.97 and 59.94 mean the exact NTSC rates. 0 keeps the rate.",
                    step=0.001,
                    optional=True,
                ),
            ],
            outputs=[
                MotionSocket.Output(
                    display_name="motion", tooltip="The edited motion, at the frame rate of the first one unless 'fps' is set."
                )
            ],
        )

    @classmethod
    def execute(cls, motion, second=None, **changes) -> io.NodeOutput:
        edited = _edited(motion, second, **changes)
        return io.NodeOutput(edited, ui=shown_motion(edited) | shown_source(motion, second))


def moment(values: Mapping[str, Any], motion: Motion | None, time: float, second: Motion | None = None) -> tuple[Motion, None]:
    """One frame of the motions of the node's last run, edited as its widgets say now."""
    if motion is not None and len(motion) > _MOST_SHOWN:
        raise Real3DError("This motion is too long to be shown while it is edited: run the workflow to see it.")
    edited = None if motion is None else _edited(motion, second, **values)
    return one_frame(edited, 0 if edited is None else frame_at(time, edited.fps)), None


def _edited(
    motion: Motion,
    second: Motion | None,
    expression_gain: float,
    pose_gain: float,
    control_gains: str,
    smooth: float,
    speed: float,
    start: float,
    end: float,
    combine: str,
    mix: float,
    overlap: float,
    loop: str,
    loop_seconds: float,
    fps: float = 0.0,
) -> Motion:
    from ..real3d_core.motion import editing

    motion = editing.scaled(motion, expression_gain, pose_gain, editing.parse_gains(control_gains))
    motion = editing.retimed(editing.smoothed(motion, smooth), speed)
    motion = editing.trimmed(motion, start, end or None)
    if second is not None:
        motion = editing.joined(motion, second, overlap) if combine == "join" else editing.mixed(motion, second, mix)
    motion = editing.looped(motion, loop_seconds, loop)
    return editing.at_rate(motion, float(exact_rate(FRAME_RATE.check(fps)))) if fps else motion
