"""What the benchmark measures on pictures, on pictures whose answers are known."""

import numpy as np
import pytest

from benchmarks.quality.photo import difference, rim, seen_through, streakiness

DISC = np.hypot(*(np.mgrid[:200, :200] - 99.5)) < 60


def test_a_difference_is_the_mean_over_the_chosen_pixels():
    photo = np.zeros((200, 200, 3), np.float32)
    frame = photo.copy()
    frame[:100] = 0.5
    upper = np.arange(200)[:, None].repeat(200, 1) < 100
    assert difference(frame, photo) == pytest.approx(0.25)
    assert difference(frame, photo, upper) == pytest.approx(0.5)


def test_the_rim_lies_along_the_outline_and_has_its_width():
    band = rim(DISC.astype(np.float32))
    radii = np.hypot(*(np.mgrid[:200, :200] - 99.5))[band]
    assert radii.min() == pytest.approx(52.5, abs=1) and radii.max() == pytest.approx(67.5, abs=1)


def test_a_picture_s_border_is_no_outline():
    assert not rim(np.ones((50, 50), np.float32)).any()


def test_the_background_s_share_is_what_two_backgrounds_change():
    alpha = np.linspace(0, 1, 200)[None, :, None].repeat(200, 0)
    person = np.array([0.4, 0.3, 0.2])
    green, magenta = (alpha * person + (1 - alpha) * flat for flat in (np.array([0.0, 1, 0]), np.array([1.0, 0, 1])))
    assert seen_through(green, magenta) == pytest.approx(1 - alpha[..., 0])


def test_texture_drawn_out_along_x_is_streaked():
    noise = np.random.default_rng(0).random((200, 200, 1)).repeat(3, 2)
    drawn_out = np.repeat(noise[:, ::8], 8, axis=1)
    assert streakiness(noise, DISC) == pytest.approx(1, abs=0.1)
    assert streakiness(drawn_out, DISC) < 0.4
