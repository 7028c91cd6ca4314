"""Audio to motion."""

from __future__ import annotations

from ..real3d_core.ranges import MOUTH, SEED, TEMPERATURE
from .conversions import sound
from .inputs import sound_input, transcript_input
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
            description="Lips, and blinks, that follow a voice; the head stays still until 'Head pose' moves it.",
            search_aliases=["lip sync", "speech to face", "audio2motion"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="From 'Load avatar'; the motion fits this kind of avatar only."),
                sound_input("A voice, or a video that has one: 0.2 s to 60 min, any rate; of a batch the first one is taken."),
                io.Float.Input(
                    "mouth_amplitude",
                    default=1.0,
                    min=MOUTH.low,
                    max=MOUTH.high,
                    step=0.05,
                    tooltip="How far the mouth moves; 1 is natural, 0 keeps it shut.",
                ),
                io.Float.Input(
                    "temperature",
                    default=0.2,
                    min=TEMPERATURE.low,
                    max=TEMPERATURE.high,
                    step=0.05,
                    tooltip="How freely a trained avatar moves, 0 to 1; the built-in one ignores it.",
                ),
                io.Combo.Input(
                    "blink", options=list(BLINKS), default="natural", tooltip="Irregular blinks, one every 4 s (real3d: 5 s), or none."
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=SEED.high,
                    control_after_generate=True,
                    tooltip="Of the blinks and all else that is random; same seed, same motion.",
                ),
                transcript_input(),
            ],
            outputs=[MotionSocket.Output(display_name="motion", tooltip="25 frames a second, as long as the sound.")],
        )

    @classmethod
    def execute(
        cls, avatar, audio, mouth_amplitude: float, temperature: float, blink: str, seed: int, transcript: str = ""
    ) -> io.NodeOutput:
        from ..real3d_core.avatar import SpeechStyle

        style = SpeechStyle(mouth_amplitude, transcript.strip() or None, seed, temperature)
        heard = sound(audio)
        motion = avatar.audio_to_motion(heard, style, progress.steps_bar())
        motion = avatar.with_blinks(motion, avatar.blinks(len(motion), blink, seed))
        return io.NodeOutput(motion, ui=shown_motion(motion, heard))
