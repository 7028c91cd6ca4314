"""Edit motion."""

from __future__ import annotations

from .conversions import LONGEST
from .preview import shown_motion
from .runtime.api import CATEGORY, io, schema
from .sockets import MotionSocket

COMBINE = ("join", "mix")
LOOPS = ("once", "again", "to and fro")


class EditMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DEditMotion",
            display_name="Edit motion",
            category=f"{CATEGORY}/motion",
            description=(
                "In this order: gains, smoothing, speed, trimming, joining or mixing with a second motion, looping, frame rate. "
                "As it comes it changes nothing."
            ),
            search_aliases=["retime", "loop", "blend motion"],
            inputs=[
                MotionSocket.Input("motion", tooltip="The motion to edit."),
                io.Float.Input(
                    "expression_gain",
                    default=1.0,
                    min=-3.0,
                    max=3.0,
                    step=0.05,
                    tooltip="Scales everything the face does; 1 leaves it, 0 is at rest.",
                ),
                io.Float.Input(
                    "pose_gain",
                    default=1.0,
                    min=-3.0,
                    max=3.0,
                    step=0.05,
                    tooltip="Scales the head's movement; 1 leaves it, 0 holds it still.",
                ),
                io.String.Input(
                    "control_gains",
                    default="",
                    multiline=True,
                    tooltip=(
                        "Gains of single controls, such as: jaw_open = 1.3, smile = 0. An unknown name is answered with the list of names."
                    ),
                ),
                io.Float.Input(
                    "smooth", default=0.0, min=0.0, max=2.0, step=0.02, tooltip="Seconds over which movement is softened; 0 leaves it."
                ),
                io.Float.Input(
                    "speed", default=1.0, min=0.1, max=10.0, step=0.05, tooltip="2 is twice as fast and half as long; 1 leaves it."
                ),
                io.Float.Input("start", default=0.0, min=0.0, max=LONGEST, step=0.04, tooltip="Seconds to cut off before."),
                io.Float.Input(
                    "end", default=0.0, min=0.0, max=LONGEST, step=0.04, tooltip="Second at which to stop; 0 is the motion's own end."
                ),
                io.Combo.Input(
                    "combine", options=list(COMBINE), default="join", tooltip="With a second motion: one after the other, or both at once."
                ),
                io.Float.Input(
                    "mix", default=0.5, min=0.0, max=1.0, step=0.05, tooltip="For 'mix': how much of the second motion, 0 to 1."
                ),
                io.Float.Input(
                    "overlap", default=0.2, min=0.0, max=5.0, step=0.04, tooltip="For 'join': seconds in which one passes into the other."
                ),
                io.Combo.Input(
                    "loop", options=list(LOOPS), default="once", tooltip="Repeat from the start, or to and fro, until 'loop_seconds'."
                ),
                io.Float.Input(
                    "loop_seconds",
                    default=0.0,
                    min=0.0,
                    max=LONGEST,
                    step=0.04,
                    tooltip="Length of the looped motion in seconds; 0 does not loop.",
                ),
                MotionSocket.Input("second", optional=True, tooltip="A second motion of the same avatar, to join or mix."),
                io.Float.Input(
                    "fps",
                    default=0.0,
                    min=0.0,
                    max=120.0,
                    step=0.001,
                    optional=True,
                    tooltip="Frames per second of the result, 1 to 120; 23.976, 29.97 and 59.94 are meant exactly. 0 keeps the rate.",
                ),
            ],
            outputs=[
                MotionSocket.Output(
                    display_name="motion", tooltip="The edited motion, at the rate of the first one unless 'fps' says otherwise."
                )
            ],
        )

    @classmethod
    def execute(
        cls,
        motion,
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
        second=None,
        fps: float = 0.0,
    ) -> io.NodeOutput:
        from ..real3d_core.motion import editing
        from ..real3d_core.ranges import FRAME_RATE
        from ..real3d_core.stream import exact_rate

        motion = editing.scaled(motion, expression_gain, pose_gain, editing.parse_gains(control_gains))
        motion = editing.retimed(editing.smoothed(motion, smooth), speed)
        motion = editing.trimmed(motion, start, end or None)
        if second is not None:
            motion = editing.joined(motion, second, overlap) if combine == "join" else editing.mixed(motion, second, mix)
        motion = editing.looped(motion, loop_seconds, loop)
        motion = editing.at_rate(motion, float(exact_rate(FRAME_RATE.check(fps)))) if fps else motion
        return io.NodeOutput(motion, ui=shown_motion(motion))
