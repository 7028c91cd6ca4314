"""Landmark fits against the reference's (spec 06 section 7)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden import load_vector

from real3d_core.real3d.face_model.basel import FaceModel, LinearShape, place, project
from real3d_core.real3d.face_model.fit import UNMATCHED, FaceFit, fit_clip, fit_picture


def _assert_same_fit(face: FaceModel, fit: FaceFit, expected: dict[str, np.ndarray], atol: dict[str, float], every: int) -> None:
    pairs = {"id": fit.identity, "exp": fit.expression, "euler": fit.euler, "trans": fit.translation}
    reprojected = next(name for name in expected if name.startswith("reprojected"))
    points = face.mediapipe_shape.points(fit.identity, fit.expression)
    pairs[reprojected] = project(place(points, fit.euler, fit.translation))[:, ::every].reshape(expected[reprojected].shape)
    for name, actual in pairs.items():
        np.testing.assert_allclose(actual.numpy(), expected[name], atol=atol[name], rtol=0, err_msg=name)


def test_a_picture_is_fitted_as_by_the_reference(face: FaceModel, goldens):
    expected, meta = load_vector(goldens / "06_fit_image.npz")
    _assert_same_fit(face, fit_picture(face, expected["landmarks_px"], meta["image_size"]), expected, meta["atol"], every=1)


def test_a_clip_is_fitted_as_by_the_reference_even_in_inference_mode(face: FaceModel, goldens):
    expected, meta = load_vector(goldens / "06_fit_video.npz")
    steps = []
    with torch.inference_mode():
        shape = LinearShape(face.shape.mean.clone(), face.shape.identity.clone(), face.shape.expression.clone())
        face = replace(face, shape=shape, mediapipe=face.mediapipe.clone())
        fit = fit_clip(face, expected["landmarks_px"], 512, lambda done, total: steps.append((done, total)))
    _assert_same_fit(face, fit, expected, meta["atol"], every=4)
    assert steps[0] == (0, 400) and steps[-1] == (400, 400)
    assert not fit.expression.is_inference()


def test_a_fit_leaves_the_threads_of_the_host_alone_even_when_it_is_stopped(face: FaceModel, goldens):
    expected, _ = load_vector(goldens / "06_fit_video.npz")

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(InterruptedError):
            fit_clip(face, expected["landmarks_px"], 512, stop)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_points_without_a_counterpart_do_not_matter(face: FaceModel, goldens):
    expected, _ = load_vector(goldens / "06_fit_image.npz")
    moved = expected["landmarks_px"].copy()
    moved[UNMATCHED] += 40
    first, second = fit_picture(face, expected["landmarks_px"], 512), fit_picture(face, moved, 512)
    torch.testing.assert_close(first.euler, second.euler)
