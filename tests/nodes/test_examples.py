"""Every example, run from its API twin: faces are found, lips move, and films last as long as their sound."""

import json

import numpy as np
import pytest
import torch
from pack_host import ROOT

from real3d_core.mediapipe_models.model_files import ModelFolders

SIZE = 256
FRAMES = {"driven_by_video": 75, "directed_greeting": 76}  # of others 15, since that is how long the voice is here
EXAMPLES = sorted(path.stem for path in (ROOT / "tests" / "workflows").glob("*.json"))


def twin(name: str) -> dict:
    return json.loads((ROOT / "tests" / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


def landmarks(host, frames: torch.Tensor) -> np.ndarray:
    """[T, 478, 3]; every frame must show a face."""
    finder = host.core("face.landmarks").FaceLandmarks(ModelFolders())
    found = [finder.in_picture((frame * 255).byte().numpy()) for frame in frames]
    assert all(found), "a frame without a face"
    return np.stack([faces[0] for faces in found])


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_makes_a_film_of_a_talking_face(host, name):
    framing = "around the portrait" if name == "stage_by_stage" else "crop"
    saved = host.run(twin(name), size=SIZE, resolution=64, framing=framing, seconds=3.04)
    film = next(one for one in saved if not isinstance(one, torch.Tensor))
    assert all(len(shown) <= 4 for shown in saved if isinstance(shown, torch.Tensor)), "a whole clip is previewed as pictures"
    parts = film.get_components()
    frames = parts.images
    assert frames.dtype == torch.float32 and frames.shape[-1] == 3 and frames.min() >= 0 and frames.max() <= 1
    assert (len(frames), parts.frame_rate) == (FRAMES.get(name, 15), 25)
    if parts.audio is not None:
        seconds = parts.audio["waveform"].shape[-1] / parts.audio["sample_rate"]
        assert abs(len(frames) / 25 - seconds) < 0.04
    step = len(frames) // 8
    found = landmarks(host, frames[(len(frames) - 1) % step :: step])  # the last one is among them
    heights = np.linalg.norm(found[:, 10] - found[:, 152], axis=-1)
    gaps = host.core("face.track").lip_gap(found) / heights
    assert np.ptp(gaps) > 0.01, "the lips do not move"


def test_the_film_of_the_simple_example_is_a_video_file(host, tmp_path):
    film = next(one for one in host.run(twin("simple"), size=SIZE, framing="crop") if not isinstance(one, torch.Tensor))
    film.save_to(str(tmp_path / "film.mp4"), metadata={"prompt": {"1": "x"}})
    clip = host.core("media.clip").open_clip(tmp_path / "film.mp4")
    assert (clip.width, clip.height, clip.has_sound) == (SIZE, SIZE, True)
    assert abs(clip.duration - 0.6) < 0.04
