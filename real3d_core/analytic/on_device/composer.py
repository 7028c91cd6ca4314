"""Rendered photo coordinates become finished pictures: `Composer` for many frames at once, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...avatar import HEAD_THRESHOLD
from ...portrait.crop import Backdrop, behind
from ...render.march_inputs import full_float32
from ...render.ray_marching import HeadRender
from ..compose import CONTOUR_BLUR, Layers, contoured
from ..eyes import Look
from ..ray_maps import own_places, pixel_centres, plate_places, stillness
from ..torso import Torso, torso_shifts
from .maps import blur, enlarged, sampled
from .moved import moved, sent
from .places import PlacesOnDevice
from .sheets import SheetsOnDevice


@dataclass(frozen=True)
class DeviceLayers:
    """What frames are painted of, [n, C, size, size].

    torso: colour and opacity, 4 channels. head: its colour, 3. covers: how much the head hides of what is behind it, 1.
    still: how much all is in its place of the photo, 1.
    """

    torso: Tensor
    head: Tensor
    covers: Tensor
    still: Tensor

    @property
    def person(self) -> Tensor:
        """[n, 1, size, size]: torso and head together."""
        return self.torso[:, 3:] + (1 - self.torso[:, 3:]) * self.covers

    def before(self, backdrops: Tensor) -> Tensor:
        """[n, 3, size, size]: the layers over what is behind them [1 or n, 3, size, size]."""
        return torch.lerp(torch.lerp(backdrops, self.torso[:, :3], self.torso[:, 3:]), self.head, self.covers)


class DeviceComposer:
    """Composes a portrait's frames at one size, a chunk at a time.

    Args:
        layers: of the portrait.
        at_rest: the render of the unmoved head from the portrait's own camera, on the device where frames are composed; a frame that
            shows the same is the photo.
    """

    def __init__(self, layers: Layers, at_rest: HeadRender):
        self._device, self._size = at_rest.opacity.device, layers.size
        self._background = moved(layers.background, self._device)
        self._latest: tuple[HeadRender, tuple[list[Look], float], DeviceLayers] | None = None
        with full_float32(self._device):
            self._places = PlacesOnDevice(layers.coordinates, at_rest)
            self._sheets = SheetsOnDevice(layers.head, at_rest.opacity.shape[-1], layers.size, self._device)
            self._torso = TorsoOnDevice(layers.torso, layers.size, self._device)
            at_rest_shown = self._made(at_rest, [Look()], HEAD_THRESHOLD).before(self._background)
        self._lacking = moved(layers.photo, self._device) - at_rest_shown

    def __call__(self, render: HeadRender, looks: list[Look], background: Backdrop | None, first: int, head_threshold: float) -> Tensor:
        """[n] renders -> [n, size, size, 3] frames in 0..1 on the device; arguments as in `Composer`."""
        backdrops = behind(self._background if background is None else background, first, first + len(render.cameras))
        layers = self._layers(render, looks, head_threshold)
        added = layers.still if background is None else layers.still * layers.person
        picture = layers.before(sent(backdrops.float(), self._device)) + self._lacking * added
        return picture.clamp(0, 1).permute(0, 2, 3, 1).contiguous()

    def person(self, render: HeadRender, looks: list[Look], head_threshold: float) -> Tensor:
        """[n] renders -> [n, size, size] in 0..1: head and torso together against the background."""
        return self._layers(render, looks, head_threshold).person[:, 0]

    def _layers(self, render: HeadRender, looks: list[Look], head_threshold: float) -> DeviceLayers:
        """Kept for the latest render, because frames and masks are asked for in turn."""
        latest = self._latest
        if latest is None or latest[0] is not render or latest[1] != (looks, head_threshold):
            self._latest = None  # before the next ones are made
            with full_float32(self._device):
                made = self._made(render.to(self._device), looks, head_threshold)
            latest = self._latest = (render, (looks, head_threshold), made)
        return latest[2]

    def _made(self, render: HeadRender, looks: Sequence[Look], head_threshold: float) -> DeviceLayers:
        """See `Composer._layers_of` and `painting.paint`."""
        places = self._places(render)
        outline = torch.cat([contoured(blur(render.opacity, CONTOUR_BLUR)), places.near, places.still], dim=1)
        solid, near, in_place = enlarged(outline, self._size).split(1, dim=1)
        head, firmness, matte = self._sheets(places.uv, render.cameras, looks).split([3, 1, 1], dim=1)
        if render.colour_change is not None:
            head = head + enlarged(render.colour_change, self._size)
        torso, torso_still = self._torso(render.cameras)
        covers = torch.where(solid > contoured(head_threshold), 1.0, solid).clamp(0, 1)
        covers = torch.maximum(covers, matte.clamp(0, 1) * near.clamp(0, 1))  # the solid ends inside of the photo's outline
        covers = covers * (1 - (1 - firmness.clamp(0, 1)) * torso[:, 3:])  # at the neck's seam the head fades into the torso
        return DeviceLayers(torso, head, covers, torso_still * in_place.clamp(0, 1))


class TorsoOnDevice:
    """`Torso` of one portrait, carried in frames of size x size pixels."""

    def __init__(self, torso: Torso, size: int, device: torch.device):
        self._plate, self._neck, self._follow = moved((torso.plate, torso.neck, torso.follow), device)
        self._size, self._own_places = size, own_places(size).to(device)
        self._centres = pixel_centres(torso.follow.shape[-1]).to(device)

    def __call__(self, cameras: Tensor) -> tuple[Tensor, Tensor]:
        """[n, 4, size, size] colour and opacity, and [n, 1, size, size] how much of it is in its place of the photo."""
        shift = torso_shifts(self._neck, self._follow, self._centres, cameras)
        places = self._own_places - enlarged(plate_places(0.5 + shift), self._size, "bilinear")
        return sampled(self._plate, places), enlarged(stillness(shift)[:, None], self._size, "bilinear")
