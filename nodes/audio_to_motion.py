"""Audio to motion."""

from __future__ import annotations

from ..real3d_core.ranges import MOUTH, TEMPERATURE
from .conversions import sound
from .inputs import acting_input, choice, gaze_input, number, seed_input, sound_input, transcript_input
from .preview import shown_motion
from .runtime import progress
from .runtime.api import CATEGORY, io, schema
from .sockets import AvatarSocket, MotionSocket

BLINKS = ("natural", "periodic", "none")


class AudioToMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DAudioToMotion",
            display_name="Audio to motion",
            category=f"{CATEGORY}/motion",
            description="Generates the motion of lips and face, blinks and gaze from speech. The head stays still; 'Head pose' moves it.",
            search_aliases=["lip sync", "speech to face", "audio2motion"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="From 'Load avatar'; the motion fits only this kind of avatar."),
                sound_input("Speech, or a video with speech: 0.2 s to 60 min, any sample rate; of a batch, only the first is used."),
                number("mouth_amplitude", 1.0, MOUTH, "Strength of the mouth movement; 1 is natural, 0 keeps the mouth closed.", step=0.05),
                number(
                    "temperature",
                    0.2,
                    TEMPERATURE,
                    "Sampling temperature of a trained avatar, 0 to 1: higher values vary the motion more. The built-in avatar ignores it.",
                    step=0.05,
                ),
                choice("blink", BLINKS, "natural: at irregular intervals; periodic: every 4 s (real3d: 5 s); none: no blinks."),
                seed_input("Random seed of blinks, gaze, acting and sampling; the same seed gives the same motion."),
                transcript_input(),
                acting_input(
                    "How much brows, lids and cheeks of the built-in avatar go along: they stress loud syllables, ask questions that the "
                    "transcript marks with '?', and breathe in pauses. 0 moves only the lips, 1 is natural."
                ),
                gaze_input(),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="25 frames per second, as long as the audio.")],
        )

    @classmethod
    def execute(
        cls,
        avatar,
        audio,
        mouth_amplitude: float,
        temperature: float,
        blink: str,
        seed: int,
        transcript: str = "",
        acting: float = 1.0,
        gaze: float = 1.0,
    ) -> io.NodeOutput:
        from ..real3d_core.avatar import SpeechStyle
        from ..real3d_core.motion.gaze import looking_about

        style = SpeechStyle(mouth_amplitude, transcript.strip() or None, seed, temperature, acting)
        soundtrack = sound(audio)
        motion = avatar.audio_to_motion(soundtrack, style, progress.steps_bar())
        motion = avatar.with_blinks(motion, avatar.blinks(len(motion), blink, seed))
        motion = looking_about(motion, gaze, seed)
        return io.NodeOutput(motion, ui=shown_motion(motion, soundtrack))
