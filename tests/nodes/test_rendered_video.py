"""Films as VIDEO: saved, read as a stream and as frames, cancelled, and marked as generated."""

import json
from pathlib import Path

import av
import pytest
import torch
from pack_host import composing, interrupted


def test_a_cancelled_film_leaves_no_file(host, stages, tmp_path):
    film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages, audio=host.inputs["voice.wav"]))[0][0]
    restore = interrupted(host, after=0)
    try:
        with pytest.raises(InterruptedError):
            film.save_to(str(tmp_path / "film.mp4"))
    finally:
        restore()
    assert not list(tmp_path.iterdir())
    film.save_to(str(tmp_path / "film.mp4"))
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_a_film_can_be_read_as_a_stream_and_as_frames(host, stages):
    film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages))[0][0]
    assert (film.get_dimensions(), film.get_frame_count(), film.get_duration()) == ((128, 128), 6, 0.24)
    assert Path(film.get_stream_source()).read_bytes()[4:8] == b"ftyp"
    frames, *_ = host.execute("Real3DSuperResolution", **composing(stages))
    assert (film.get_components().images - frames).abs().max() <= 0.501 / 255, "a film has 8 bits per colour"


def test_parts_of_a_film_are_its_frames_and_its_sound(host, stages):
    """As several workers would render them."""
    inputs = composing(stages, audio=host.inputs["voice.wav"])
    (whole,), *parts = (
        host.execute("Real3DTalkingPortraitToVideo", **inputs, start_frame=start, frame_count=count)[0]
        for start, count in ((0, 0), (0, 2), (2, 3), (5, 0))
    )
    expected, made = whole.get_components(), [part.get_components() for (part,) in parts]
    assert torch.equal(torch.cat([part.images for part in made]), expected.images)
    assert torch.equal(torch.cat([part.audio["waveform"] for part in made], dim=2), expected.audio["waveform"])
    with pytest.raises(host.core("errors").Real3DError, match="start frame is 6, but the film has 6 frames"):
        host.execute("Real3DTalkingPortraitToVideo", **inputs, start_frame=6)
    assert host.execute("Real3DTalkingPortraitToVideo", **inputs, start_frame=4, frame_count=99)[0][0].get_frame_count() == 2


@pytest.mark.parametrize("provenance", [True, False])
def test_a_film_says_that_it_is_generated_unless_that_is_switched_off(host, stages, tmp_path, provenance):
    film = host.execute("Real3DTalkingPortraitToVideo", **composing(stages), provenance=provenance)[0][0]
    film.save_to(str(tmp_path / "film.mp4"), metadata={"workflow": {"nodes": []}})
    with av.open(str(tmp_path / "film.mp4")) as container:
        metadata = dict(container.metadata)
    assert json.loads(metadata["workflow"]) == {"nodes": []}
    assert metadata.get("DigitalSourceType", "").endswith("algorithmicMedia") == provenance
    assert ("avatar analytic" in metadata.get("comment", "")) == provenance
