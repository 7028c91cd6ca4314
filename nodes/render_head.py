"""Render head."""

from __future__ import annotations

from dataclasses import replace

from ..real3d_core.ranges import RESOLUTION, SAMPLES
from .preview import shown_head
from .runtime import device, server
from .runtime.api import CATEGORY, io, schema
from .sockets import AvatarSocket, CameraSocket, PlanesSocket, Renders, RenderSocket, one_for_each, require_same_avatar


class RenderHead(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DRenderHead",
            display_name="Render head",
            category=f"{CATEGORY}/render",
            description=(
                "Marches rays from the camera through the planes. Nothing is computed yet: frames follow when a later node asks for them."
            ),
            search_aliases=["volume rendering", "ray marching", "NeRF"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="The one that lifted the planes; its decoder tells what they mean."),
                PlanesSocket.Input("planes", tooltip="From 'Motion adapter', or from 'Image to plane' for a head at rest."),
                CameraSocket.Input(
                    "camera", tooltip="From 'Camera path': as many frames as the planes have, or either of them a single one."
                ),
                io.Int.Input(
                    "resolution",
                    default=0,
                    min=0,
                    max=RESOLUTION.high,
                    step=8,
                    optional=True,
                    tooltip="Rays along a side, 16 to 512; 0 takes the avatar's own (128).",
                ),
                io.Int.Input(
                    "samples",
                    default=0,
                    min=0,
                    max=SAMPLES.high,
                    optional=True,
                    tooltip="Depths per ray, 8 to 192, half of them coarse; 0 takes the avatar's own.",
                ),
                io.Combo.Input(
                    "backend",
                    options=device.backend_choices(),
                    default="auto",
                    optional=True,
                    tooltip=(
                        "auto: the fastest that works here; cuda-… and cpu-…: compiled ones; torch: plain PyTorch; "
                        "reference: the slow, readable one."
                    ),
                ),
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[RenderSocket.Output(display_name="render", tooltip="A stream: features, depth and opacity of the head per frame.")],
        )

    @classmethod
    def execute(cls, avatar, planes, camera, resolution: int = 0, samples: int = 0, backend: str = "auto") -> io.NodeOutput:
        from ..real3d_core.render.camera_paths import matched
        from ..real3d_core.render.head import render_head

        require_same_avatar(planes, avatar)
        settings = avatar.march_settings
        if resolution:
            RESOLUTION.check(resolution)
            settings = replace(settings, resolution=resolution)
        if samples:
            SAMPLES.check(samples)
            half = samples // 2
            settings = replace(settings, coarse=samples - half, fine=half)
        march = device.marcher(backend)
        server.show_on_node(cls, device.backend_in_use(backend, avatar.device))
        paths = one_for_each(camera.seen_by(avatar), len(planes.streams), "Planes and cameras")
        pairs = [matched(stream, path) for stream, path in zip(planes.streams, paths, strict=True)]
        renders = tuple(render_head(stream, avatar.decoder, path, settings, march) for stream, path in pairs)
        seen = shown_head(avatar, planes.rest[0], *camera.poses[0]) if planes.rest and camera.poses else None
        return io.NodeOutput(Renders(renders), ui=seen)
