"""How single controls are measured in the benchmark."""

import numpy as np
import pytest

from benchmarks.quality.controls import NAMED, followed
from real3d_core.ranges import BY_HAND


def test_every_control_of_the_face_is_swept():
    assert set(NAMED) == {name for name in BY_HAND if not name.startswith("head_")}


def test_what_a_control_names_counts_apart_from_what_else_moves():
    amounts = np.linspace(-1, 1, 5)
    seen = [
        {"browUp": 0.5 + 0.2 * x, "browDown": 0.5 - 0.2 * x, "browInner": 0.1 * x, "eyeWide": -0.05 * x, "jawOpen": 0.0} for x in amounts
    ]
    measured = followed(amounts, seen, ("browUp", "-browDown"))
    assert vars(measured) == pytest.approx({"correlation": 1.0, "change": 0.4, "elsewhere": 0.05, "beside": 0.1}, abs=1e-3)


@pytest.mark.parametrize("at_rest", [-8.0, 4.0])
def test_a_movement_is_followed_where_the_detector_squashes_it(at_rest):
    """Of a photo that smiles already a growing smile changes the score by hundredths."""
    amounts = np.linspace(-1, 1, 9)
    seen = [{"mouthSmileLeft": float(1 / (1 + np.exp(-at_rest - 3 * x))), "jawOpen": 0.0} for x in amounts]
    scores = [shapes["mouthSmileLeft"] for shapes in seen]
    assert np.corrcoef(amounts, scores)[0, 1] < 0.95
    assert followed(amounts, seen, ("mouthSmileLeft", "-jawOpen")).correlation == pytest.approx(1, abs=1e-3)


def test_what_a_control_takes_away_is_not_given():
    seen = [{"mouthPress": 0.2 * x, "mouthUpperUp": 0.8 - 0.7 * x, "browUp": 0.3 - 0.3 * x} for x in (0.0, 0.5, 1.0)]
    measured = followed(np.array([0.0, 0.5, 1.0]), seen, ("mouthPress",))
    assert measured.beside == measured.elsewhere == 0


def test_what_the_detector_reads_in_real_blinks_too_is_not_given():
    seen = [{"eyeBlinkLeft": 0.5 * x, "eyeLookDownLeft": 0.35 * x, "eyeSquintLeft": 0.4 * x} for x in (0.0, 0.5, 1.0)]
    assert followed(np.array([0.0, 0.5, 1.0]), seen, ("eyeBlinkLeft",)).beside == pytest.approx(0.1)


def test_a_control_that_nobody_sees_does_not_correlate():
    assert followed(np.linspace(0, 1, 5), [{"jawOpen": 0.0, "eyeWide": 0.0}] * 5, ("jawOpen",)).correlation == 0
