"""The face model's files and geometry against the reference vectors of spec 06 sections 5 and 6."""

from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest
import synthetic_bfm
import torch
from golden import load_vector, make_input

from real3d_core.errors import MissingModelError
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.real3d.face_model.basel import FaceModel, picture_coordinates, place, project, torso_key_points
from real3d_core.real3d.face_model.files import RAW, convert_raw, load_face_model
from real3d_core.render.camera import euler_to_matrix


def _coefficients(tag: str, count: int, **sizes: float) -> dict[str, torch.Tensor]:
    columns = {"id": 80, "exp": 64, "euler": 3, "trans": 3}
    return {
        name: torch.from_numpy(make_input(f"portrait.{tag}.{name}", (count, columns[name]), 0, -size, size)) for name, size in sizes.items()
    }


def test_geometry_matches_reference(face: FaceModel, goldens):
    expected, meta = load_vector(goldens / "06_geometry.npz")
    given = _coefficients("geo", 4, id=1.0, exp=1.0, euler=0.4, trans=0.3)
    identity, expression, euler, translation = given.values()

    def close(actual: torch.Tensor, name: str, atol: float = meta["atol"]) -> None:
        np.testing.assert_allclose(actual.numpy(), expected[name], atol=atol, rtol=meta["rtol"], err_msg=name)

    points = face.shape.points(identity, expression)
    close(euler_to_matrix(euler).transpose(1, 2), "rotation")
    close(face.shape.mean[::89], "mean_shape_recentred_s")
    placed = place(points, euler, translation)
    close(placed[:, ::89], "vertices_s")
    seen = project(placed)
    close(seen[:, face.mediapipe], "fit_landmarks_mp", meta["atol_fit_landmarks"])
    close(seen[:, face.keypoints], "fit_landmarks_68", meta["atol_fit_landmarks"])
    close(picture_coordinates(seen[:, face.mediapipe]), "lm2d_mp")
    torso = face.torso_shape
    close(picture_coordinates(project(place(torso.points(identity, expression), euler, translation))), "torso_kp_68")
    close(torso_key_points(torso, identity, expression, euler, translation), "torso_kp_68_scaled")
    close(placed[:, face.keypoints + 1], "lm3d_68")
    close(torso.points(identity, expression), "cano_lm3d_68")
    close(10 * torso.offsets(identity, expression), "idexp_lm3d_68")


def test_colours_are_the_published_code(face: FaceModel, bfm_folder):
    np.testing.assert_allclose(face.colours.T, np.load(bfm_folder / "ncc_code.npy"), atol=1e-6)


def test_eye_lists_count_triangles_from_one(face: FaceModel, goldens):
    expected, _ = load_vector(goldens / "06_secc.npz")
    assert len(face.drawn_triangles) == expected["faces_kept"][0]


def test_the_shape_of_a_person_is_the_shape_with_the_identity(face: FaceModel):
    given = _coefficients("person", 3, id=1.0, exp=1.0)
    identity = given["id"][:1]
    person = face.mediapipe_shape.of_person(identity)
    torch.testing.assert_close(
        person.points(torch.zeros(1, 80), given["exp"]), face.mediapipe_shape.points(identity, given["exp"]), atol=1e-6, rtol=0
    )


def test_conversion_of_raw_files_matches_reference(goldens, tmp_path):
    expected, meta = load_vector(goldens / "06_bfm_transfer.npz")
    synthetic_bfm.write_raw(tmp_path)
    arrays = convert_raw(tmp_path)
    assert {name: list(array.shape) for name, array in arrays.items()} == meta["shapes"]
    for name, value in expected.items():
        base, _, kind = name.partition("_")
        array = arrays[base]
        if kind == "stat":
            array = np.array([array.mean(), array.std(), np.abs(array).max()])
        np.testing.assert_allclose(array[::7] if kind == "s" else array, value, atol=meta["atol"], rtol=meta["rtol"], err_msg=name)


def test_raw_files_are_converted_once_and_kept(tmp_path):
    synthetic_bfm.write_raw(tmp_path)
    first = load_face_model(tmp_path, ModelFolders())
    assert {file.name for file in tmp_path.iterdir()} == {*RAW, "BFM_model_front.mat"}
    for name in RAW:
        (tmp_path / name).unlink()
    again = load_face_model(tmp_path, ModelFolders())
    assert torch.equal(first.shape.mean, again.shape.mean) and torch.equal(first.shape.expression, again.shape.expression)


def test_missing_files_are_named_at_once(tmp_path):
    (tmp_path / "std_exp.txt").write_text("1 2 3")
    with pytest.raises(MissingModelError) as error:
        load_face_model(tmp_path, ModelFolders())
    sentence = str(error.value)
    assert all(name in sentence for name in RAW if name != "std_exp.txt") and "std_exp.txt" not in sentence
    assert "BFM_model_front.mat" in sentence and str(tmp_path) in sentence and "https://faces.dmi.unibas.ch/bfm" in sentence


def test_raw_files_that_do_not_belong_together_are_reported_in_words(tmp_path):
    synthetic_bfm.write_raw(tmp_path)
    (tmp_path / "std_exp.txt").write_text("1 2 3")
    with pytest.raises(MissingModelError, match=r"do not match each other .*79 directions"):
        load_face_model(tmp_path, ModelFolders())


def test_a_file_of_another_kind_is_reported_in_words(tmp_path):
    (tmp_path / "BFM_model_front.mat").write_bytes(b"<html>not found</html>" * 20)
    with pytest.raises(MissingModelError, match="cannot be read as a MATLAB 5 file"):
        load_face_model(tmp_path, ModelFolders())


def test_missing_index_tables_are_estimated_with_a_warning(bfm_folder, bfm_arrays, tmp_path, caplog):
    shutil.copy(bfm_folder / "BFM_model_front.mat", tmp_path)
    with caplog.at_level(logging.WARNING, logger="real3d"):
        estimated = load_face_model(tmp_path, ModelFolders())
    assert estimated.tables_estimated and "are estimated" in caplog.text

    # the stand-in's own table holds the nearest vertices of the very same face: most estimates are those or their neighbours,
    # 0.008 dm away on level ground
    table = bfm_arrays["index_mp468"]
    matched = table >= 0
    distance = (estimated.shape.mean[estimated.mediapipe] - estimated.shape.mean[np.maximum(table, 0)]).norm(dim=1)[matched]
    assert distance.quantile(0.9) < 0.01 and distance.max() < 0.03

    true_eyes = set(np.concatenate([bfm_arrays["left_eye_faces"], bfm_arrays["right_eye_faces"]]) - 1)
    found = set(estimated.eye_triangles.tolist())
    assert len(true_eyes & found) / len(true_eyes | found) > 0.9


def test_a_table_of_another_mesh_is_refused(bfm_folder, tmp_path):
    for file in bfm_folder.iterdir():
        shutil.copy(file, tmp_path)
    np.save(tmp_path / "index_mp468_from_mesh35709.npy", np.full(468, 53489))
    with pytest.raises(MissingModelError, match="468 numbers below 35709"):
        load_face_model(tmp_path, ModelFolders())
