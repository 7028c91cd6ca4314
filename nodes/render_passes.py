"""Render passes and Replace render colour."""

from __future__ import annotations

from ..real3d_core.errors import Real3DError
from .conversions import colours
from .inputs import fps_output
from .runtime import progress
from .runtime.api import CATEGORY, io, schema
from .sockets import Renders, RenderSocket, TensorFrames, TensorSocket


class RenderPasses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DRenderPasses",
            display_name="Render passes",
            category=f"{CATEGORY}/render",
            description="The rendered head as images for other nodes: raw colour, opacity, depth and normals of every frame.",
            search_aliases=["depth map", "normal map", "AOV"],
            inputs=[RenderSocket.Input("render", tooltip="From 'Render head'.")],
            outputs=[
                io.Image.Output(display_name="raw colour", tooltip="[T, R, R, 3]: the head before super-resolution, on black."),
                io.Mask.Output(display_name="opacity", tooltip="[T, R, R]: white where the head is."),
                io.Image.Output(display_name="depth", tooltip="[T, R, R, 3]: nearer is brighter, on black."),
                io.Image.Output(display_name="normals", tooltip="[T, R, R, 3]: red right, green up, blue towards the viewer."),
                TensorSocket.Output(display_name="features", tooltip="[T, 32, R, R], a lazy stream: the input of super-resolution."),
                fps_output(),
            ],
        )

    @classmethod
    def execute(cls, render) -> io.NodeOutput:
        from ..real3d_core.render import passes

        rows = [
            (
                stream.map(lambda chunk, start, stop: passes.raw_colour(chunk)),
                stream.map(lambda chunk, start, stop: chunk.opacity[:, 0]),
                stream.map(lambda chunk, start, stop: passes.depth_picture(chunk)),
                stream.map(lambda chunk, start, stop: passes.normal_picture(chunk)),
            )
            for stream in render.streams
        ]
        features = tuple(stream.map(lambda chunk, start, stop: chunk.features, keep=0) for stream in render.streams)
        return io.NodeOutput(*progress.gather(rows), TensorFrames(features, "frame, feature, row, column", "any"), features[0].fps)


class ReplaceRenderColour(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DReplaceRenderColour",
            display_name="Replace render colour",
            category=f"{CATEGORY}/render",
            description="Puts images made from the raw colour of 'Render passes' back into the render, before super-resolution.",
            search_aliases=["restyle", "diffusion pass"],
            inputs=[
                RenderSocket.Input("render", tooltip="The render that the images were made from."),
                io.Image.Input(
                    "image", tooltip="One square image of any size per frame (one portrait after the other), or one for all frames."
                ),
            ],
            outputs=[RenderSocket.Output(display_name="render", tooltip="The same head with the new colours.")],
        )

    @classmethod
    def execute(cls, render, image) -> io.NodeOutput:
        from ..real3d_core.render.passes import replace_colour

        lengths = [len(stream) for stream in render.streams]
        if len(image) not in (1, sum(lengths)):
            raise Real3DError(
                f"{len(image)} images cannot replace the colours of {sum(lengths)} frames: connect one per frame, or one for all."
            )
        pictures = colours(image)
        starts = [sum(lengths[:i]) for i in range(len(lengths))]

        def replaced(stream, offset: int):
            def change(chunk, start: int, stop: int):
                own = pictures if len(pictures) == 1 else pictures[offset + start : offset + stop]
                return replace_colour(chunk, own.expand(stop - start, -1, -1, -1))

            return stream.map(change)

        return io.NodeOutput(Renders(tuple(replaced(stream, offset) for stream, offset in zip(render.streams, starts, strict=True))))
