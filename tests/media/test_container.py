"""Files are opened with every PyAV that a machine may have."""

import av
import numpy as np
import pytest

from real3d_core.errors import ClipError
from real3d_core.media.container import open_container


@pytest.fixture
def clip_with_unreadable_title(tmp_path):
    """A clip whose title is no UTF-8, as old cameras write them."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "GRUESSE"
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"GRUESSE", b"GR\xfc\xdfE\xe4\xff"))
    return path


def test_unreadable_metadata_does_not_stop_a_clip(clip_with_unreadable_title):
    with open_container(clip_with_unreadable_title, "video", ClipError) as container:
        assert len(container.streams.video) == 1


def test_a_pyav_that_has_no_metadata_errors_any_more_opens_files(clip_with_unreadable_title, monkeypatch):
    """PyAV 19 refuses the argument; it exists for Python 3.12 and later only, so here its refusal is played by hand."""
    real = av.open

    def of_pyav_19(file, *, mode, container_options):
        try:
            return real(file, mode=mode, container_options=container_options, metadata_errors="replace")
        except TypeError:  # this is such a PyAV
            return real(file, mode=mode, container_options=container_options)

    monkeypatch.setattr(av, "open", of_pyav_19)
    with open_container(clip_with_unreadable_title, "video", ClipError) as container:
        assert len(container.streams.video) == 1
