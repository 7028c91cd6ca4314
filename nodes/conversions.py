"""ComfyUI's pictures, masks, sounds and videos to what the core takes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..real3d_core.errors import ClipError, PictureError, SoundError
from .incoming_video import IncomingVideo, PictureBatch

if TYPE_CHECKING:
    from ..real3d_core.media.sound import Sound

_LOG = logging.getLogger("real3d")
LONGEST = 3600.0  # seconds of sound or clip
_LARGEST_PHOTO = 100_000_000  # pixels
_MOST_PHOTOS = 64


def photos(images: Tensor) -> list[np.ndarray]:
    """IMAGE [B, H, W, 3 or 4] -> uint8 pictures.

    Raises:
        PictureError: no picture, too many, or a size out of reach.
    """
    _refuse_no_pictures(images)
    if len(images) > _MOST_PHOTOS:
        raise PictureError(f"{len(images)} portraits came as one batch: connect at most {_MOST_PHOTOS}, or a video to 'Video to motion'.")
    if min(images.shape[1:3]) < 32 or images.shape[1] * images.shape[2] > _LARGEST_PHOTO:
        raise PictureError(
            f"The image is {images.shape[2]} x {images.shape[1]} pixels: scale it to something between 32 x 32 and 100 megapixels."
        )
    coloured = images.expand(-1, -1, -1, 3) if images.shape[-1] == 1 else images
    return [(picture.detach().cpu().float().nan_to_num() * 255).round().clamp(0, 255).byte().numpy() for picture in coloured]


def colours(images: Tensor) -> Tensor:
    """IMAGE [B, H, W, 1, 3 or 4] -> [B, H, W, 3] float32 in 0..1, on the CPU; grey becomes three equal channels.

    What is transparent is white: what hides there does not show.

    Raises:
        PictureError: no pictures.
    """
    _refuse_no_pictures(images)
    pictures = images.detach().cpu().float().nan_to_num().clamp(0, 1)
    plain = pictures[..., :3].expand(-1, -1, -1, 3)
    return plain if images.shape[-1] < 4 else torch.lerp(torch.ones_like(plain), plain, pictures[..., 3:])


def person_masks(mask: Tensor | None, count: int) -> list[np.ndarray | None]:
    """MASK [B, H, W] or [H, W] -> one per portrait, of its own size.

    One that is the same all over says nothing and counts as none: empty is ComfyUI's sign for that, and full is its inverse.

    Raises:
        PictureError: neither one mask nor one per portrait.
    """
    if mask is None:
        return [None] * count
    masks = mask.detach().cpu().float().nan_to_num().clamp(0, 1)
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim == 4:
        masks = masks[:, 0] if masks.shape[1] == 1 else masks[..., 0]
    if len(masks) not in (1, count):
        raise PictureError(f"{len(masks)} masks meet {count} portraits: connect one mask, or one per portrait.")
    return [None if one.eq(one.flatten()[:1]).all() else one.numpy() for one in masks.expand(count, -1, -1)]


def sound(audio) -> Sound:
    """AUDIO -> the first sound of the batch; VIDEO -> its own sound.

    Raises:
        SoundError: there is none, as from a silent video, or it cannot move a face.
    """
    from ..real3d_core.media.sound import sound_from_waveform

    if hasattr(audio, "get_components"):
        return _short_enough(IncomingVideo(audio).sound())
    if not audio or audio.get("waveform") is None:
        raise SoundError("There is no sound: connect a sound, or a video that has one.")
    waveform = audio["waveform"]
    if not isinstance(waveform, Tensor) or waveform.ndim not in (2, 3):
        raise SoundError(f"The sound has the shape {list(getattr(waveform, 'shape', []))}: ComfyUI's are [batch, channels, samples].")
    waveform = waveform[None] if waveform.ndim == 2 else waveform
    if len(waveform) > 1:
        _LOG.info("Of %d sounds in a batch the first one is taken.", len(waveform))
    return _short_enough(sound_from_waveform(waveform[0], int(audio.get("sample_rate") or 0)))


def _short_enough(heard: Sound | None) -> Sound:
    if heard is None:
        raise SoundError("There is no sound: connect a sound, or a video that has one.")
    if heard.duration > LONGEST:
        raise SoundError(f"The sound lasts {heard.duration / 60:.0f} minutes: cut it into parts of at most {LONGEST / 60:.0f}.")
    return heard


def driving_clip(video, images: Tensor | None = None, fps: float = 25.0) -> IncomingVideo | PictureBatch:
    """A driving VIDEO, or an IMAGE batch at its rate.

    Raises:
        ClipError: neither or both are connected, or the clip cannot be used.
    """
    if (video is None) == (images is None):
        raise ClipError("What drives is not clear: connect a video or a batch of images, and not both.")
    clip = IncomingVideo(video) if images is None else PictureBatch(images, fps)
    if clip.duration > LONGEST:
        raise ClipError(f"The driving clip lasts {clip.duration / 60:.0f} minutes: cut it into parts of at most {LONGEST / 60:.0f}.")
    return clip


def _refuse_no_pictures(images: Tensor) -> None:
    if images.ndim != 4 or not images.numel() or images.shape[-1] not in (1, 3, 4):
        raise PictureError(f"The image has the shape {tuple(images.shape)}: connect pictures of 1, 3 or 4 channels.")
