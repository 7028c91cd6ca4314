"""Paste back."""

from __future__ import annotations

from torch import Tensor

from ..real3d_core.errors import Real3DError
from ..real3d_core.stream import FrameStream
from .conversions import colours
from .inputs import choice, number
from .runtime import progress
from .runtime.api import CATEGORY, io, schema
from .sockets import PortraitSocket

FRAMINGS = ("whole photo", "around the portrait")
MARGIN = 0.25  # fraction of the portrait's side that is kept around it for "around the portrait"


class PasteBack(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DPasteBack",
            display_name="Paste back",
            category=f"{CATEGORY}/portrait",
            description="Pastes finished frames back into the photo that they were cropped from, at its original size.",
            search_aliases=["uncrop", "stitch", "composite"],
            inputs=[
                io.Image.Input("frames", tooltip="From 'Head-torso-background super-resolution'; best with the photo's own background."),
                PortraitSocket.Input("portrait", tooltip="Gives the position of the crop."),
                io.Image.Input(
                    "original",
                    tooltip=(
                        "The photo that the portrait was prepared from, at the same size; for a batch of portraits, the same batch of"
                        " photos."
                    ),
                ),
                number("feather", 0.08, (0, 0.5), "Width of the soft edge, as a fraction of the crop's side, 0 to 0.5.", step=0.01),
                choice(
                    "framing", FRAMINGS, "The whole photo, or the crop at the photo's resolution with a margin of a quarter of its side."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="frames", tooltip="[T, H, W, 3] at the size of the photo, or of the part around the portrait.")
            ],
        )

    @classmethod
    def execute(cls, frames, portrait, original, feather: float, framing: str) -> io.NodeOutput:
        from ..real3d_core.portrait.crop import cut_about
        from ..real3d_core.portrait.paste import paste_back

        portraits = portrait.items
        if len(original) != len(portraits) or len(frames) % len(portraits):
            raise Real3DError(
                f"{len(frames)} frames, {len(portraits)} portraits and {len(original)} photos do not match: "
                "connect the photo that the portrait was prepared from."
            )
        for photo, one in zip(original, portraits, strict=True):
            if (photo.shape[1], photo.shape[0]) != one.photo_size:
                width, height = one.photo_size
                raise Real3DError(
                    f"The photo is {photo.shape[1]} x {photo.shape[0]} pixels, but the portrait was cropped from {width} x "
                    f"{height}: connect the same photo."
                )
        windows, photos = [one.window for one in portraits], colours(original)
        parts = zip(windows, photos, strict=True) if framing == "whole photo" else cut_about(windows, photos, MARGIN)
        each = len(frames) // len(portraits)
        rows = []
        for place, (window, photo) in enumerate(parts):
            own = frames[place * each : (place + 1) * each]
            rows.append([paste_back(_stream_of(own), window, photo, feather)])
        return io.NodeOutput(*progress.gather(rows))


def _stream_of(frames: Tensor) -> FrameStream[Tensor]:
    return FrameStream(len(frames), 25.0, lambda start, stop: colours(frames[start:stop]), keep=0)
