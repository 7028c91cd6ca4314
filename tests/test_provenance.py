"""A film says that it was generated."""

import av
import torch

from real3d_core.avatar_kinds import AVATARS
from real3d_core.media.film import write_video
from real3d_core.provenance import provenance
from real3d_core.stream import FrameStream


def test_each_avatar_has_its_kind_of_source():
    kinds = {name: provenance(name)["DigitalSourceType"].rpartition("/")[2] for name in [*AVATARS, "a third one"]}
    assert kinds == {"analytic": "algorithmicMedia", "real3d": "trainedAlgorithmicMedia", "a third one": "trainedAlgorithmicMedia"}


def test_it_is_kept_in_the_file(tmp_path):
    frames = FrameStream(2, 25.0, lambda start, stop: torch.zeros(stop - start, 64, 64, 3))
    write_video(tmp_path / "a.mp4", frames, None, metadata={**provenance("analytic"), "workflow": "{}"})
    with av.open(str(tmp_path / "a.mp4")) as film:
        kept = film.metadata
    assert kept["DigitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
    assert kept["avatar"] == "analytic" and "Generated portrait" in kept["comment"] and "Real3DPortrait" in kept["software"]
    assert kept["workflow"] == "{}"
