"""Contact sheets: frames of a stream side by side."""

import numpy as np
import pytest
import torch
from media_files import counting
from PIL import Image

from real3d_core.errors import OutputError
from real3d_core.media.contact_sheet import contact_sheet
from real3d_core.stream import FrameStream


class TestContactSheet:
    def test_frames_are_spread_from_the_first_to_the_last(self, tmp_path):
        shown = []

        def compute(start: int, stop: int) -> torch.Tensor:
            shown.extend(range(start, stop))
            return torch.full((stop - start, 64, 32, 3), start / 100)

        contact_sheet(FrameStream(100, 25.0, compute), tmp_path / "a.png", columns=4, rows=3, width=64)
        assert shown == [0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99]
        sheet = np.asarray(Image.open(tmp_path / "a.png"))
        cell = sheet.shape[0] // 3
        assert sheet.shape[1] == 4 * 64 and cell > 128
        for place, number in enumerate(shown):
            centre = sheet[place // 4 * cell + 64, place % 4 * 64 + 32]
            assert np.abs(centre - number / 100 * 255).max() <= 1
        label = sheet[128:cell, :64]
        assert label.min() < 100 and label.max() == 255, "a time in black on white"

    def test_a_short_stream_is_shown_once(self, tmp_path):
        contact_sheet(counting(3, height=64), tmp_path / "a.png", columns=6, rows=4, width=64)
        assert Image.open(tmp_path / "a.png").size[1] < 110, "one row"

    def test_a_wrong_ending_is_refused(self, tmp_path):
        with pytest.raises(OutputError, match=r"must end in \.png"):
            contact_sheet(counting(3), tmp_path / "a.jpg")
