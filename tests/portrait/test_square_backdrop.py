"""The part of a photo about a portrait, and what is shown behind it."""

import pytest
import torch

from real3d_core.portrait.crop import CropWindow, behind, cut_about
from real3d_core.stream import FrameStream


def window(left: float, top: float, side: float) -> CropWindow:
    return CropWindow(left=left, top=top, side=side)


@pytest.fixture
def photos() -> torch.Tensor:
    return torch.rand(2, 120, 200, 3)


def test_a_window_s_part_has_a_margin_where_the_photo_goes_on(photos):
    ((inside, part),) = cut_about([window(10, 40, 40)], photos[:1], 0.25)
    assert part.equal(photos[0, 30:90, 0:60]) and (inside.left, inside.top, inside.side) == (10, 10, 40)


def test_parts_about_windows_of_different_size_are_equally_large_and_show_the_same_pixels(photos):
    """A batch of pictures has one size."""
    windows = [window(4, 60, 40), window(60, 8, 80)]
    parts = cut_about(windows, photos, 0.25)
    assert [part.shape for _, part in parts] == [(108, 120, 3)] * 2
    for before, (after, part), photo in zip(windows, parts, photos, strict=True):
        own, there = (
            picture[int(one.top) : int(one.top + one.side), int(one.left) : int(one.left + one.side)]
            for one, picture in ((before, photo), (after, part))
        )
        assert own.equal(there) and own.shape == (before.side, before.side, 3)


@pytest.mark.parametrize("start", [0, 1, 3, 7])
@pytest.mark.parametrize("count", [1, 3])
def test_backgrounds_begin_again_when_they_end(start, count):
    pictures = torch.arange(3.0 if count == 3 else 1.0)[:, None, None, None].expand(-1, 3, 2, 2)
    stream = FrameStream(count, 25.0, lambda first, last: pictures[first:last])
    wanted = [float(number % count) for number in range(start, start + 4)]
    for backdrop in (pictures, stream):
        assert behind(backdrop, start, start + 4)[:, 0, 0, 0].tolist() == wanted
