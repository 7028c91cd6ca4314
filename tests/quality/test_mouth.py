"""What the benchmark sees in a mouth that is drawn."""

import numpy as np
import pytest

from benchmarks.quality.mouth import mouth_in
from real3d_core.face.landmark_sets import CHIN, FOREHEAD, LOWER_INNER_LIP, UPPER_INNER_LIP


@pytest.fixture
def landmarks() -> np.ndarray:
    """A mouth from x = 100 to 300 and y = 200 to 240, cheeks at (50, 100) and (350, 100)."""
    points = np.zeros((478, 2))
    points[FOREHEAD], points[CHIN] = (200, 0), (200, 400)
    across = np.linspace(100, 300, 11)
    points[UPPER_INNER_LIP], points[LOWER_INNER_LIP] = np.stack([across, np.full(11, 200)], 1), np.stack([across, np.full(11, 240)], 1)
    points[[78, 308], 1] = 220
    points[50], points[280] = (50, 100), (350, 100)
    return points


@pytest.fixture
def frame() -> np.ndarray:
    """The right cheek at 0.5, the left one in the shade at 0.3; everything else, the mouth too, at 0.4."""
    picture = np.full((400, 400, 3), 0.4, np.float32)
    picture[50:150, :100], picture[50:150, 300:] = 0.5, 0.3
    return picture


def test_teeth_are_compared_with_the_brighter_cheek(frame, landmarks):
    frame[200:220, 150:250] = 0.6
    mouth = mouth_in(frame, landmarks)
    assert mouth.teeth == pytest.approx(1.2, abs=0.01) and mouth.black == 0 and mouth.colour == pytest.approx(0, abs=0.1)


def test_black_counts_at_the_corners_only(frame, landmarks):
    frame[190:250, 160:240] = 0
    assert mouth_in(frame, landmarks).black == 0
    frame[190:250, 90:150] = 0.05
    assert mouth_in(frame, landmarks).black == pytest.approx(0.5, abs=0.03)


def test_colour_is_the_channels_distance(frame, landmarks):
    frame[200:240, 150:250, 0] += 0.2
    assert mouth_in(frame, landmarks).colour == pytest.approx(51, abs=0.5)
