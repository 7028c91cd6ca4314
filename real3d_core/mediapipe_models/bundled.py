"""MediaPipe's models, run by MediaPipe. Importing or opening one may raise anything where the machine lacks what MediaPipe needs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np


class MediaPipeLandmarker:
    """Faces in pictures, or with `video` one face through a clip; arguments and results are those of `torch_landmarker`."""

    def __init__(self, model: Path, faces: int = 1, score: float = 0.5, video: bool = False):
        vision, base = _loaded(model)
        self._landmarker = vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=base,
                running_mode=vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE,
                num_faces=faces,
                min_face_detection_confidence=score,
            )
        )

    def close(self) -> None:
        self._landmarker.close()

    def detect(self, image: np.ndarray, time_ms: int | None = None) -> list[np.ndarray]:
        """RGB uint8 [H, W, 3] -> [478, 3] float32 in pixels per face; a clip's frame needs its time."""
        height, width = image.shape[:2]
        picture = _picture(image)
        result = self._landmarker.detect(picture) if time_ms is None else self._landmarker.detect_for_video(picture, time_ms)
        scale = np.array([width, height, width], np.float32)
        return [np.array([[p.x, p.y, p.z] for p in face], np.float32) * scale for face in result.face_landmarks]


class MediaPipeSegmenter:
    """A segmenter, from its .tflite file; results are those of `torch_segmenter`."""

    def __init__(self, model: Path):
        vision, base = _loaded(model)
        self._segmenter = vision.ImageSegmenter.create_from_options(
            vision.ImageSegmenterOptions(base_options=base, output_confidence_masks=True, output_category_mask=True)
        )

    def close(self) -> None:
        self._segmenter.close()

    def confidences(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 [H, W, 3] -> float32 [H, W, classes]."""
        result = self._segmenter.segment(_picture(image))  # must live until its pixels are copied: the views do not keep them
        return np.stack([np.array(mask.numpy_view(), np.float32).reshape(image.shape[:2]) for mask in result.confidence_masks], axis=2)

    def categories(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 [H, W, 3] -> the likeliest class of each pixel, uint8 [H, W]."""
        result = self._segmenter.segment(_picture(image))
        return np.array(result.category_mask.numpy_view()).reshape(image.shape[:2])


def _loaded(model: Path):
    os.environ.setdefault("GLOG_minloglevel", "3")
    from mediapipe.tasks.python import vision
    from mediapipe.tasks.python.core.base_options import BaseOptions

    return vision, BaseOptions(model_asset_buffer=model.read_bytes())


def _picture(image: np.ndarray):
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image))
