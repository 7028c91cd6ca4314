"""Direct the face."""

from __future__ import annotations

from ..real3d_core.ranges import EXPRESSION
from .conversions import LONGEST
from .inputs import number
from .preview import shown_motion
from .runtime.api import CATEGORY, io, schema
from .sockets import MotionSocket

EXPRESSIONS = ("neutral", "smile", "sad", "surprised", "angry", "focused")


class DirectTheFace(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DDirectTheFace",
            display_name="Direct the face",
            category=f"{CATEGORY}/motion",
            description=(
                "Sets the expression of a motion, also over time, while its lips, blinks and head go on. For the built-in avatar."
            ),
            search_aliases=["expression", "emotion", "smile"],
            inputs=[
                MotionSocket.Input(
                    "motion", optional=True, tooltip="The motion to direct; if not connected, a face that does nothing else."
                ),
                io.Combo.Input("expression", options=list(EXPRESSIONS), default="smile", tooltip="The expression that 'amount' is of."),
                number("amount", 0.8, EXPRESSION, "How much of the expression; 0 leaves the face to the motion.", step=0.05),
                io.String.Input(
                    "keyframes",
                    default="",
                    multiline=True,
                    tooltip=(
                        "Instead of fixed amounts, one moment per line: seconds: expression = amount, expression = amount. For example: "
                        "0: neutral, then 1.5: smile = 0.8, sad = 0.2. The face changes smoothly between them."
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
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="The same lips, blinks and head with the expression.")],
        )

    @classmethod
    def execute(
        cls,
        expression: str,
        amount: float,
        keyframes: str,
        seconds: float,
        motion=None,
        neutral: float = 0.0,
        smile: float = 0.0,
        sad: float = 0.0,
        surprised: float = 0.0,
        angry: float = 0.0,
        focused: float = 0.0,
    ) -> io.NodeOutput:
        from ..real3d_core.analytic.controls import BASIS
        from ..real3d_core.motion.expressions import directed, expression_keyframes
        from ..real3d_core.motion.motion import Motion
        from ..real3d_core.stream import FPS

        if motion is None:
            motion = Motion.still(BASIS, max(1, round(seconds * FPS)))
        if keyframes.strip():
            motion = directed(motion, expression_keyframes(keyframes, len(motion), motion.fps))
        else:
            mix = dict(zip(EXPRESSIONS, (neutral, smile, sad, surprised, angry, focused), strict=True))
            motion = directed(motion, mix | {expression: mix[expression] + amount})
        return io.NodeOutput(motion, ui=shown_motion(motion))
