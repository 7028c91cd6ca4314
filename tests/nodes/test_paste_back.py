"""Frames go back into the photo they come from."""

import torch
from pack_host import composing


def test_frames_go_back_into_the_photo(host, stages):
    frames, *_ = host.execute("Real3DSuperResolution", **composing(stages))
    photo = host.inputs["portrait.png"]
    whole = host.execute("Real3DPasteBack", frames=frames, portrait=stages["portrait"], original=photo)[0]
    assert whole.shape == (6, *photo.shape[1:])
    window = stages["portrait"].items[0].window
    outside = torch.ones(photo.shape[1:3], dtype=torch.bool)
    outside[int(window.top) : int(window.top + window.side), int(window.left) : int(window.left + window.side)] = False
    assert torch.equal(whole[0][outside], photo[0][outside])
    part = host.execute("Real3DPasteBack", frames=frames, portrait=stages["portrait"], original=photo, framing="around the portrait")[0]
    assert part.shape[1] <= photo.shape[1] and part.shape[0] == 6


def test_a_batch_of_photos_with_faces_of_different_size_goes_back_around_each(host):
    photo = host.inputs["portrait.png"]
    small = torch.nn.functional.interpolate(photo.movedim(-1, 1), scale_factor=0.6, mode="area").movedim(1, -1)
    farther = photo[:, :1, :1].expand_as(photo).clone()
    farther[:, -small.shape[1] :, 40 : 40 + small.shape[2]] = small
    batch = torch.cat([photo, farther])
    portrait = host.execute("Real3DPreparePortrait", image=batch)[0]
    assert portrait.items[0].window.side != portrait.items[1].window.side
    frames = torch.rand(4, 64, 64, 3)
    part = host.execute("Real3DPasteBack", frames=frames, portrait=portrait, original=batch, framing="around the portrait")[0]
    assert len(part) == 4 and part.shape[1] <= photo.shape[1]
