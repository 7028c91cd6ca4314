import numpy as np
from golden import load_vector

from real3d_core.portrait.crop import crop_window, face_window


def test_window_is_the_references(goldens):
    cases = load_vector(goldens / "06_crop.npz")[0]["cases"].astype(np.float64)
    assert len(cases) == 16
    for x0, y0, x1, y1, area, _, kept, *window in cases:
        landmarks = np.array([[x0, y0], [x1, y1]])
        found = face_window(landmarks, round(float(area), 4))
        if kept:
            assert found is None
        else:
            left, top, side = found
            assert [left, top, left + side, top + side] == window


def test_window_of_a_wide_photo_is_square_and_holds_the_face():
    landmarks = np.array([[1500.0, 200.0], [1700.0, 450.0]])
    window = crop_window(1920, 1080, landmarks)
    assert window.left <= 1500 and window.left + window.side >= 1700
    assert window.top <= 200 and window.top + window.side >= 450
    assert window.left >= 0 and window.left + window.side <= 1920 and window.top + window.side <= 1080
