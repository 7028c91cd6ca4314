"""Reading the user's Basel Face Model files (spec 06 section 5). The model is licensed for research and is never shipped."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.io import savemat
from scipy.spatial import cKDTree

from ...errors import MissingModelError, OutputError, brief
from ...face.canonical_face import canonical_face, fit_similarity
from ...face.landmark_sets import LEFT_EYE, MESH_POINTS, RIGHT_EYE
from ...files import written_whole
from ...mediapipe_models.model_files import ModelFolders
from .basel import EXPRESSIONS, IDENTITIES, FaceModel, LinearShape
from .mat_files import LARGEST, read_arrays

_LOG = logging.getLogger("real3d")

SOURCE = "https://faces.dmi.unibas.ch/bfm"
FRONT = "BFM_model_front.mat"
RAW_SOURCES = {
    f"{SOURCE} (after registration)": ("01_MorphableModel.mat",),
    "the CoarseData of https://github.com/Juyong/3DFace": ("Exp_Pca.bin",),
    "the folder BFM of https://github.com/microsoft/Deep3DFaceReconstruction": (
        "std_exp.txt",
        "BFM_exp_idx.mat",
        "BFM_front_idx.mat",
        "facemodel_info.mat",
    ),
}
RAW = tuple(name for names in RAW_SOURCES.values() for name in names)
LANDMARK_TABLES = ("index_mp468_from_mesh35709.npy", "index_mp468_from_mesh35709_v3.1.npy")
EYE_TABLES = ("bfm_left_eye_faces.npy", "bfm_right_eye_faces.npy")

# Numbers of the MediaPipe points that stand for the 51 inner ones of the 68 landmarks (spec 06 section 3).
_INNER_51 = [
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178),
]
_GENUINE_EXTENT = (1.490096, 1.751148, 1.161463)  # dm
_FRONT_ARRAYS = ("meanshape", "idBase", "exBase", "tri", "keypoints")


def load_face_model(folder: Path | str, models: ModelFolders, table_folders: Sequence[Path] = ()) -> FaceModel:
    """The face model in `folder`: the converted file, or the raw files, which are converted once.

    Args:
        folder: holds BFM_model_front.mat or the raw files, and the small index tables if the user has them.
        models: where MediaPipe's landmark model is; needed only to estimate missing index tables.
        table_folders: where the index tables may be if not in `folder`.

    Raises: MissingModelError that names every missing file at once, or the one that is not what it should be.
    """
    folder = Path(folder)
    kept = os.path.isfile(folder / FRONT)
    arrays = _read_mat(folder / FRONT, _FRONT_ARRAYS) if kept else _converted(folder)
    mean: np.ndarray = arrays["meanshape"].astype(np.float32).reshape(-1)
    mean = mean[: len(mean) // 3 * 3].reshape(-1, 3)
    triangles, keypoints = (arrays[name].astype(np.float64) - 1 for name in ("tri", "keypoints"))
    keypoints = keypoints.reshape(-1)
    _require_consistent(folder, mean, arrays, triangles, keypoints)
    triangles, keypoints = triangles.astype(np.int64), keypoints.astype(np.int64)
    if not kept:
        _keep(folder / FRONT, arrays)

    low, high = mean.min(0), mean.max(0)
    if not np.allclose(high - low, _GENUINE_EXTENT, atol=1e-4):
        _LOG.warning("The face model in '%s' is not the Basel Face Model 2009: the published networks will not work with it.", folder)
    places = (folder, *table_folders)
    table, eyes = _landmark_table(places, len(mean)), _eye_triangles(places, len(triangles))
    estimated = table is None or eyes is None
    if table is None or eyes is None:
        _LOG.warning(
            "The index tables (%s, %s) are not in '%s'; they are estimated from the nearest points of MediaPipe's canonical face, "
            "so fits are a little less exact.",
            LANDMARK_TABLES[0],
            ", ".join(EYE_TABLES),
            folder,
        )
        table = estimate_landmark_table(mean, keypoints, models) if table is None else table
        eyes = estimate_eye_triangles(mean, triangles, table) if eyes is None else eyes
    return FaceModel(
        shape=LinearShape(
            mean=torch.from_numpy(mean - mean.mean(axis=0)),
            identity=_tensor(arrays["idBase"]),
            expression=_tensor(arrays["exBase"]),
        ),
        triangles=torch.from_numpy(triangles),
        eye_triangles=torch.from_numpy(eyes),
        keypoints=torch.from_numpy(keypoints),
        mediapipe=torch.from_numpy(np.maximum(table, 0)),
        colours=torch.from_numpy((mean - low) / (high - low)),
        tables_estimated=estimated,
    )


def has_face_model(folder: Path) -> bool:
    """Whether the files that `load_face_model` needs are all there."""
    return os.path.isfile(folder / FRONT) or all(os.path.isfile(folder / name) for name in RAW)


def convert_raw(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of BFM_model_front.mat from the raw files; lengths from micrometres to decimetres."""
    neutral = _read_mat(folder / "01_MorphableModel.mat", ("shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV"))
    copied = ("point_buf", "tri_mask2", "frontmask2_idx", "skinmask")
    info = _read_mat(folder / "facemodel_info.mat", ("tri", "keypoints"), copied)
    deviations = np.loadtxt(folder / "std_exp.txt").reshape(-1)
    expressions = _expression_directions(folder / "Exp_Pca.bin", len(deviations))
    front = _read_mat(folder / "BFM_front_idx.mat", ("idx",))["idx"].astype(np.int64).reshape(-1) - 1
    whole = _read_mat(folder / "BFM_exp_idx.mat", ("trimIndex",))["trimIndex"].astype(np.int64).reshape(-1)[front] - 1
    if min(front.min(), whole.min()) < 0:
        raise ValueError("vertices are counted from 1")

    def chosen(rows: np.ndarray, vertices: np.ndarray) -> np.ndarray:
        return rows.reshape(-1, 3, rows.shape[1])[vertices].reshape(3 * len(vertices), rows.shape[1])

    def scaled(directions: np.ndarray, sizes: np.ndarray, count: int) -> np.ndarray:
        return directions[:, :count] * sizes.reshape(-1)[:count]

    arrays = {
        "meanshape": chosen(neutral["shapeMU"], whole).T / 1e5,
        "meantex": chosen(neutral["texMU"], whole).T,
        "idBase": chosen(scaled(neutral["shapePC"], neutral["shapeEV"], IDENTITIES), whole) / 1e5,
        "exBase": chosen(scaled(expressions.T, deviations, EXPRESSIONS), front) / 1e5,
        "texBase": chosen(scaled(neutral["texPC"], neutral["texEV"], IDENTITIES), whole),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()} | info


def estimate_landmark_table(mean: np.ndarray, keypoints: np.ndarray, models: ModelFolders) -> np.ndarray:
    """[468] the vertex nearest to each point of MediaPipe's canonical face, brought onto the mean face by its 51 inner landmarks."""
    canonical = canonical_face(models).points
    pose = fit_similarity(canonical[_INNER_51], mean[keypoints[17:]].astype(np.float64), np.ones(len(_INNER_51)))
    aligned = pose.scale * canonical @ pose.rotation.T + pose.shift
    return cKDTree(mean).query(aligned)[1].astype(np.int64)


def estimate_eye_triangles(mean: np.ndarray, triangles: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Numbers of the triangles whose centre lies, seen from the front, within either eye's contour."""
    centres = mean[triangles].mean(axis=1)
    inside = [_inside(centres[:, :2], mean[np.maximum(table[contour], 0), :2]) for contour in (LEFT_EYE, RIGHT_EYE)]
    return np.nonzero(inside[0] | inside[1])[0]


def _converted(folder: Path) -> dict[str, np.ndarray]:
    missing = {source: [name for name in names if not os.path.isfile(folder / name)] for source, names in RAW_SOURCES.items()}
    wanted = "; ".join(f"{', '.join(names)} from {source}" for source, names in missing.items() if names)
    if wanted:
        raise MissingModelError(
            f"The Basel Face Model 2009 is missing: put {FRONT}, which the official checkpoints come with, into the folder '{folder}', "
            f"or the raw files that are not there yet: {wanted}."
        )
    try:
        arrays = convert_raw(folder)
        spoilt = [name for name in _FRONT_ARRAYS if not _finite_numbers(arrays[name])]
        if spoilt:
            raise ValueError(f"{spoilt[0]} would not be finite")
        return arrays
    except (ValueError, IndexError, OSError, MemoryError) as error:
        raise MissingModelError(
            f"The raw face model files in '{folder}' do not match each other ({brief(str(error))}): get them from {SOURCE} again."
        ) from error


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Saves the conversion; a folder that cannot be written only costs the time to convert again."""
    try:
        with written_whole(path, (".mat",)) as unfinished:
            savemat(unfinished, arrays)
    except (OutputError, OSError) as error:
        _LOG.warning("The converted face model is not kept and will be converted again next time: %s", error)


def _read_mat(path: Path, wanted: Sequence[str], welcome: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The wanted arrays of a MATLAB file, and those welcome ones that it has: finite numbers, at least one each."""
    try:
        arrays = read_arrays(path, {*wanted, *welcome})
    except (ValueError, OSError) as error:
        raise MissingModelError(f"'{path}' cannot be read as a MATLAB 5 file ({brief(str(error))}): get it from {SOURCE} again.") from error
    problems = [f"{name} is missing" for name in wanted if name not in arrays]
    problems += [f"{name} does not hold finite numbers" for name, array in arrays.items() if not _finite_numbers(array)]
    if problems:
        raise MissingModelError(f"'{path}' is not a part of the face model ({'; '.join(problems)}): get it from {SOURCE} again.")
    return {name: array for name, array in arrays.items() if array is not None}


def _finite_numbers(array: np.ndarray | None) -> bool:
    with np.errstate(over="ignore"):
        return array is not None and array.size > 0 and bool(np.isfinite(array.astype(np.float32)).all())


def _expression_directions(path: Path, count: int) -> np.ndarray:
    """[count, 3 V] float32; the file starts with their number and a mean that nobody uses."""
    content = path.read_bytes()
    stored = int(np.frombuffer(content, "<i4", 1)[0]) if len(content) >= 4 else 0
    if stored != count or (len(content) - 4) % (12 * (count + 1)):
        raise ValueError(f"Exp_Pca.bin holds {stored} directions, std_exp.txt {count} deviations")
    return np.frombuffer(content, "<f4", offset=4).reshape(count + 1, -1)[1:]


def _require_consistent(
    folder: Path, mean: np.ndarray, arrays: dict[str, np.ndarray], triangles: np.ndarray, keypoints: np.ndarray
) -> None:
    rows = 3 * len(mean)
    problems = [
        f"{name} is {list(arrays[name].shape)} instead of {[rows, columns]}"
        for name, columns in (("idBase", IDENTITIES), ("exBase", EXPRESSIONS))
        if arrays[name].shape != (rows, columns)
    ]
    if rows != arrays["meanshape"].size or not (len(mean) and (np.ptp(mean, axis=0) > 0).all()):
        problems.append("meanshape does not hold points in space")
    if keypoints.shape != (68,) or not _vertex_numbers(keypoints, len(mean)):
        problems.append("keypoints are not 68 vertex numbers")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or not _vertex_numbers(triangles, len(mean)):
        problems.append("tri does not hold vertex numbers")
    if problems:
        raise MissingModelError(f"The face model in '{folder}' is not the expected one: {'; '.join(problems)}. Get it from {SOURCE}.")


def _vertex_numbers(numbers: np.ndarray, vertices: int) -> bool:
    return numbers.min() >= 0 and numbers.max() < vertices and bool((numbers == np.floor(numbers)).all())


def _landmark_table(folders: Sequence[Path], vertices: int) -> np.ndarray | None:
    for path in (folder / name for folder in folders for name in LANDMARK_TABLES):
        table = _table(path)
        if table is None:
            continue
        if table.shape != (MESH_POINTS,) or table.max() >= vertices:
            raise MissingModelError(f"'{path}' does not belong to this face model: it must hold 468 numbers below {vertices}.")
        return table
    return None


def _eye_triangles(folders: Sequence[Path], triangles: int) -> np.ndarray | None:
    folder = next((folder for folder in folders if all(os.path.isfile(folder / name) for name in EYE_TABLES)), None)
    if folder is None:
        return None
    numbers = np.unique(np.concatenate([_table(folder / name) for name in EYE_TABLES])) - 1  # files count from 1 (spec 06 section 5)
    if numbers.min() < 0 or numbers.max() >= triangles:
        raise MissingModelError(
            f"The eye tables in '{folder}' do not belong to this face model: they must hold numbers of its {triangles} triangles."
        )
    return numbers


def _table(path: Path) -> np.ndarray | None:
    """[n] the whole numbers of a .npy file, n at least 1; None: there is no such file."""
    if not os.path.isfile(path):
        return None
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a size that is only claimed is noticed, not allocated
        if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "iuf" or not 1 <= stored.size <= LARGEST:
            raise ValueError("it holds something else")
        numbers = np.array(stored).reshape(-1)
        if not (numbers == np.floor(numbers)).all():
            raise ValueError("its numbers are not whole")
    except Exception as error:  # on foreign bytes the reader fails in many ways
        raise MissingModelError(
            f"'{path}' cannot be read as a table of numbers ({brief(str(error))}): get it again or remove it."
        ) from error
    return numbers.astype(np.int64)


def _inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Which points [n, 2] lie inside a polygon, by counting the edges to their right."""
    x, y = points[:, 0], points[:, 1]
    inside = np.zeros(len(points), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
