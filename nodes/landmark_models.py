"""The face landmark model that the examples declare, and whether the page needs to offer it for download."""

from __future__ import annotations

from ..real3d_core.errors import MissingModelError
from ..real3d_core.mediapipe_models.model_files import FACE_LANDMARKER
from .runtime.folders import detection_folder, model_folders
from .runtime.server import serve_json

DECLARED = {
    "name": "mediapipe_face_fp32.safetensors",
    "url": "https://huggingface.co/Comfy-Org/mediapipe/resolve/main/detection/mediapipe_face_fp32.safetensors",
    "directory": "detection",
}
"""In the form in which ComfyUI's own workflows declare a model on the node that loads it."""


def missing() -> list[dict[str, str]]:
    """The declared model and its folder if no face landmark model is installed, neither this one nor an equivalent."""
    try:
        model_folders().find(FACE_LANDMARKER)
    except MissingModelError:
        return [{**DECLARED, "folder": str(detection_folder())}]
    return []


async def answer_missing(_: object) -> tuple[int, object]:
    """Status and body of GET /real3d/models."""
    return 200, {"missing": missing()}


serve_json("GET", "/real3d/models", answer_missing)
