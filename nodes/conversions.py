"""Converts ComfyUI's images, masks, audio and videos to the types of the core."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..real3d_core.errors import ClipError, PictureError, SoundError
from .incoming_video import IncomingVideo, PictureBatch
from .runtime.api import loader_of_images

if TYPE_CHECKING:
    from ..real3d_core.media.sound import Sound

_LOG = logging.getLogger("real3d")
LONGEST = 3600.0  # seconds of sound or clip
_MOST_PHOTOS = 64


def photos(images: Tensor) -> list[np.ndarray]:
    """IMAGE [B, H, W, 3 or 4] -> uint8 pictures.

    Raises:
        PictureError: there is no image, there are too many, or the size is not supported.
    """
    from ..real3d_core.media.encoding import in_8_bits
    from ..real3d_core.media.pictures import refuse_odd_size

    _refuse_no_pictures(images)
    if len(images) > _MOST_PHOTOS:
        raise PictureError(f"The batch has {len(images)} photos: connect at most {_MOST_PHOTOS}, or use 'Video to motion' for a video.")
    refuse_odd_size("image", images.shape[2], images.shape[1])
    coloured = images.expand(-1, -1, -1, 3) if images.shape[-1] == 1 else images
    return [in_8_bits(picture.float().nan_to_num())[0].numpy() for picture in coloured.split(1)]


def loaded_photo(choice: str, path: Path) -> np.ndarray:
    """A photo as ComfyUI's 'Load Image' and `photos` give it: uint8 [H, W, 3 or 4]; of an animation, the first frame.

    Args:
        choice: of 'Load Image'. path: the file that it means.

    Raises:
        PictureError: it cannot be read, or its size is not supported.
    """
    from ..real3d_core.media.pictures import refuse_odd_size

    try:
        with Image.open(path) as picture:
            refuse_odd_size(f"photo '{path.name}'", *picture.size)
            if load := loader_of_images():
                return photos(load(choice)[:1])[0]
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except PictureError:
        raise
    except Exception as failure:  # whatever decoders raise
        raise PictureError(f"The photo '{path.name}' cannot be read: choose another one.") from failure


def floats(pictures: Tensor) -> Tensor:
    """Pictures in 0..1 or uint8 on any device -> in 0..1 on the CPU, as ComfyUI keeps them."""
    pictures = pictures.cpu()
    return pictures.float() / 255 if pictures.dtype == torch.uint8 else pictures


def colours(images: Tensor) -> Tensor:
    """IMAGE [B, H, W, 1, 3 or 4] -> [B, H, W, 3] float32 in 0..1, on the CPU; grey becomes three equal channels.

    Transparent pixels become white, whatever colour they hide.

    Raises:
        PictureError: there are no images.
    """
    _refuse_no_pictures(images)
    pictures = images.detach().cpu().float().nan_to_num().clamp(0, 1)
    plain = pictures[..., :3].expand(-1, -1, -1, 3)
    return plain if images.shape[-1] < 4 else torch.lerp(torch.ones_like(plain), plain, pictures[..., 3:])


def person_masks(mask: Tensor | None, count: int) -> list[np.ndarray | None]:
    """MASK [B, H, W] or [H, W] -> one per portrait, of its own size.

    A uniform mask counts as no mask: ComfyUI uses an all-black mask for "no mask", and an all-white one is its inverse.

    Raises:
        PictureError: there is neither one mask nor one per portrait.
    """
    if mask is None:
        return [None] * count
    masks = mask.detach().cpu().float().nan_to_num().clamp(0, 1)
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim == 4:
        masks = masks[:, 0] if masks.shape[1] == 1 else masks[..., 0]
    if len(masks) not in (1, count):
        raise PictureError(f"{len(masks)} masks do not match {count} portraits: connect one mask, or one per portrait.")
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
        _LOG.info("The batch has %d sounds; the first one is used.", len(waveform))
    return _short_enough(sound_from_waveform(waveform[0], int(audio.get("sample_rate") or 0)))


def _short_enough(sound: Sound | None) -> Sound:
    if sound is None:
        raise SoundError("There is no sound: connect a sound, or a video that has one.")
    if sound.duration > LONGEST:
        raise SoundError(f"The sound lasts {sound.duration / 60:.0f} minutes: split it into parts of at most {LONGEST / 60:.0f} minutes.")
    return sound


def driving_clip(video, images: Tensor | None = None, fps: float = 25.0) -> IncomingVideo | PictureBatch:
    """A driving VIDEO, or an IMAGE batch at its rate.

    Raises:
        ClipError: neither or both are connected, or the clip cannot be used.
    """
    if (video is None) == (images is None):
        raise ClipError("The driving clip is missing or ambiguous: connect a video or a batch of images, not both.")
    clip = IncomingVideo(video) if images is None else PictureBatch(images, fps)
    if clip.duration > LONGEST:
        raise ClipError(
            f"The driving clip lasts {clip.duration / 60:.0f} minutes: split it into parts of at most {LONGEST / 60:.0f} minutes."
        )
    return clip


def driving_frames(video, images: Tensor | None = None, fps: float = 25.0) -> tuple[Iterator[np.ndarray], int]:
    """The pictures of `driving_clip` at 25 a second, and how many to expect. No node needs it: public bug reports call it by this name."""
    from ..real3d_core.pipeline import clip_frames

    clip = driving_clip(video, images, fps)
    return clip.frames(), clip_frames(clip)


def _refuse_no_pictures(images: Tensor) -> None:
    if images.ndim != 4 or not images.numel() or images.shape[-1] not in (1, 3, 4):
        raise PictureError(f"The image has the shape {tuple(images.shape)}: connect images with 1, 3 or 4 channels.")
