"""The half of a face that a photo from the side hides."""

import numpy as np

from real3d_core.analytic.hidden_half import HiddenHalf, painted

SIDE = 64
COLUMNS = np.arange(SIDE, dtype=float)


def test_a_frontal_head_stays_as_it_is():
    half = HiddenHalf.of(np.radians(15), 0.0, SIDE)
    maps = np.random.default_rng(0).random((2, SIDE, SIDE))
    assert half.mirrored(maps) is maps
    assert half.unrolled(maps, np.ones((SIDE, SIDE), bool)) is maps


def test_the_hidden_half_is_the_mirror_image_of_the_other():
    for yaw, hidden in ((np.radians(50), COLUMNS > SIDE / 2 + 4), (np.radians(-50), COLUMNS < SIDE / 2 - 5)):
        half = HiddenHalf.of(yaw, 0.0, SIDE)
        mirrored = half.mirrored(np.tile(COLUMNS, (SIDE, 1)))
        np.testing.assert_allclose(mirrored[:, hidden], np.tile(SIDE - 1 - COLUMNS[hidden], (SIDE, 1)))
        seen = ~hidden & (np.abs(COLUMNS - SIDE / 2) > 6)
        np.testing.assert_allclose(mirrored[:, seen], np.tile(COLUMNS[seen], (SIDE, 1)))


def test_coordinates_run_on_beyond_the_outline_instead_of_back():
    """Where the photo hides a surface, two places of it had one pixel: a turned head showed the visible half twice, in bars."""
    half = HiddenHalf.of(np.radians(50), 0.0, SIDE)
    u = np.minimum(COLUMNS, 2 * 34 - COLUMNS) / SIDE
    uv = np.stack([np.tile(u, (SIDE, 1)), np.tile(COLUMNS[:, None] / SIDE, (1, SIDE))])
    unrolled = half.unrolled(uv, np.ones((SIDE, SIDE), bool))
    assert (np.diff(unrolled[0], axis=1) >= 0).all()
    assert (np.diff(unrolled[0, :, 40:], axis=1) > 0).all()
    np.testing.assert_array_equal(unrolled[:, :, :24], uv[:, :, :24])


def test_what_is_painted_beside_a_picture_takes_its_light():
    head = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    head[:, :10] = 0.64
    surely = np.zeros((SIDE, SIDE), bool)
    surely[:, :32] = True
    y, x = (axis.ravel().astype(float) for axis in np.mgrid[4:60:4, 30:61:5])
    finished = painted(head, surely, np.stack([x, y], axis=1), np.stack([8 - (x - 30) / 5, y], axis=1), soft=2.0)
    assert (finished[:, :24] == head[:, :24]).all()
    assert abs(finished[30, 33, 0] - 0.5) < 0.04  # beside the edge as bright as there
    assert abs(finished[30, 58, 0] - 0.64) < 0.05  # further off as bright as where it was taken


def half_painted(beside: float, line: float) -> np.ndarray:
    """A picture with other colours in the middle, and a line across them, painted beside them with those of its left border."""
    head = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    head[:, 10:36] = beside
    head[30, 10:36] = line
    surely = np.zeros((SIDE, SIDE), bool)
    surely[:, :32] = True
    y, x = (axis.ravel().astype(float) for axis in np.mgrid[4:60:4, 22:61:3])
    return painted(head, surely, np.stack([x, y], axis=1), np.stack([8 - (x - 22) / 5, y], axis=1), soft=2.0)


def test_the_photo_passes_softly_into_what_is_painted_beside_it():
    """The edge of the matte was seen as a jagged line down the middle of the face."""
    row = half_painted(0.6, line=0.7)[30, 20:60, 0]
    assert np.abs(np.diff(row)).max() < 0.03


def test_skin_beside_hair_does_not_take_its_darkness_for_light():
    assert half_painted(0.05, line=0.05)[30, 36:56].min() > 0.4
