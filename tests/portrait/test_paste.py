import torch
import torch.nn.functional as F

from real3d_core.portrait.crop import CropWindow
from real3d_core.portrait.paste import paste_back
from real3d_core.stream import FrameStream


def red_frames(size):
    red = torch.tensor([1.0, 0.0, 0.0]).expand(1, size, size, 3)
    return FrameStream(3, 25.0, lambda start, stop: red.expand(stop - start, -1, -1, -1))


def test_a_frame_lands_at_its_place_with_soft_edges():
    photo = torch.zeros(90, 120, 3)
    pasted = paste_back(red_frames(64), CropWindow(30, 20, 40), photo).frames(0, 2)
    assert pasted.shape == (2, 90, 120, 3)
    assert pasted[0, 40, 50, 0] > 0.99
    assert pasted[0, :20].max() == 0 and pasted[0, :, 75:].max() == 0
    edge = pasted[0, 40, 29:36, 0]
    assert edge[0] == 0 and (edge.diff() > -1e-6).all() and 0 < edge[1] < 0.5


def test_at_the_photos_own_edge_there_is_no_feather():
    photo = torch.zeros(40, 60, 3)
    pasted = paste_back(red_frames(40), CropWindow(0, 0, 40), photo).frames(0, 1)
    assert pasted[0, 20, 0, 0] > 0.99 and pasted[0, 0, 20, 0] > 0.99
    assert pasted[0, 20, 39, 0] < 0.5


def test_the_photo_is_not_changed():
    photo = torch.zeros(40, 60, 3)
    paste_back(red_frames(40), CropWindow(10, 0, 40), photo).frames(0, 1)
    assert photo.max() == 0


def test_a_frame_pasted_row_by_row_is_the_whole_frame_resized():
    frame, photo = torch.rand(1, 64, 64, 3), torch.zeros(400, 500, 3)
    whole = F.interpolate(frame.permute(0, 3, 1, 2), size=(301, 301), mode="bicubic", antialias=True).clamp(0, 1)[0].permute(1, 2, 0)
    pasted = paste_back(FrameStream(1, 25.0, lambda start, stop: frame), CropWindow(90, 50, 301), photo, feather=0).frames(0, 1)
    assert (pasted[0, 51:350, 91:390] - whole[1:-1, 1:-1]).abs().max() < 1e-5  # within the outermost pixels, which are soft


def test_a_photo_of_whole_numbers_gives_frames_of_whole_numbers():
    photo = torch.randint(0, 256, (90, 120, 3), dtype=torch.uint8)
    window = CropWindow(30, 20, 40)
    from_numbers, from_floats = (paste_back(red_frames(64), window, one).frames(0, 1) for one in (photo, photo.float() / 255))
    assert from_numbers.dtype == torch.uint8
    assert (from_numbers - from_floats * 255).abs().max() <= 0.501


def test_onto_a_large_photo_frames_are_pasted_one_at_a_time():
    pasted = paste_back(red_frames(64), CropWindow(30, 20, 40), torch.zeros(3000, 3000, 3, dtype=torch.uint8))
    chunks = list(pasted.chunks(3))
    assert [len(chunk) for chunk in chunks] == [1, 1, 1]
    assert torch.equal(chunks[2], pasted.frames(2, 3))
