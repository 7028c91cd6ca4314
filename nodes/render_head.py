"""Render head."""

from __future__ import annotations

from dataclasses import replace

from ..real3d_core.ranges import RESOLUTION, SAMPLES
from .inputs import choice, number
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
            description=("Renders the planes by ray marching. Frames are computed lazily, when a later node needs them."),
            search_aliases=["volume rendering", "ray marching", "NeRF"],
            inputs=[
                AvatarSocket.Input("avatar", tooltip="The avatar that lifted the planes; its decoder reads them."),
                PlanesSocket.Input("planes", tooltip="From 'Motion adapter', or from 'Image to plane' for a head at rest."),
                CameraSocket.Input(
                    "camera", tooltip="From 'Camera path', with as many frames as the planes; either may also have a single frame."
                ),
                number(
                    "resolution",
                    0,
                    (0, RESOLUTION.high),
                    "Rays per side, 16 to 512; 0 uses the avatar's default (128).",
                    step=8,
                    optional=True,
                ),
                number(
                    "samples",
                    0,
                    (0, SAMPLES.high),
                    "Samples per ray, 8 to 192, half coarse and half fine; 0 uses the avatar's default.",
                    optional=True,
                ),
                choice(
                    "backend",
                    device.backend_choices(),
                    "auto: the fastest that works here; cuda-… and cpu-…: compiled; torch: plain PyTorch; reference: slow, for comparison.",
                    optional=True,
                ),
            ],
            hidden=[io.Hidden.unique_id],
            outputs=[
                RenderSocket.Output(display_name="render", tooltip="A lazy stream: features, depth and opacity of the head for each frame.")
            ],
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
        preview = shown_head(avatar, planes.rest[0], *camera.poses[0]) if planes.rest and camera.poses else None
        return io.NodeOutput(Renders(renders), ui=preview)
