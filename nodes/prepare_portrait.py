"""Prepare portrait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from .conversions import person_masks, photos
from .face_landmarks import FaceLandmarksSocket, faces_in_photos
from .inputs import face_inputs
from .live_faces import shown_portrait
from .runtime import folders, progress
from .runtime.api import CATEGORY, io, schema
from .sockets import Portraits, PortraitSocket

if TYPE_CHECKING:
    from ..real3d_core.portrait.portrait import Portrait


class PreparePortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DPreparePortrait",
            display_name="Prepare portrait",
            category=f"{CATEGORY}/portrait",
            description=(
                "Detects the face in a photo, crops around it, and splits the crop into head, torso and background layers "
                "with their hidden parts filled in."
            ),
            essentials_category="Image Tools",
            search_aliases=["face crop", "segment head", "matting"],
            inputs=[
                io.Image.Input("image", tooltip="A frontal photo of a face, at least 200 pixels wide; a batch gives a batch of portraits."),
                io.Mask.Input(
                    "person_mask",
                    optional=True,
                    tooltip=(
                        "White where the person is, at any size. If empty or not connected, the person is segmented automatically. "
                        "(The mask of 'Load Image' is the inverse: invert it first.)"
                    ),
                ),
                *face_inputs(),
                FaceLandmarksSocket.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip=(
                        "From ComfyUI's 'Detect Face Landmarks (MediaPipe)' on the same image; if not connected, the face is detected here."
                    ),
                ),
            ],
            outputs=portrait_outputs(),
        )

    @classmethod
    def execute(cls, image, face_index: int, face_area: float, person_mask=None, face_landmarks=None) -> io.NodeOutput:
        from ..real3d_core.portrait.portrait import prepare_portrait

        pictures = photos(image)
        show = progress.progress_bar(len(pictures))
        given, found = person_masks(person_mask, len(pictures)), faces_in_photos(face_landmarks, pictures)
        models = folders.model_folders()
        prepared = []
        for picture, mask, faces in zip(pictures, given, found, strict=True):
            prepared.append(prepare_portrait(picture, models, mask, face_index, face_area, faces))
            show(len(prepared))
        return portrait_results(prepared)


def portrait_outputs() -> list[io.Output]:
    """The portrait and the pictures of its layers."""
    return [
        PortraitSocket.Output(display_name="portrait", tooltip="The prepared photo and its layers, for the following nodes."),
        io.Image.Output(display_name="head", tooltip="[B, 512, 512, 3]: the head on black."),
        io.Image.Output(display_name="torso", tooltip="[B, 512, 512, 3]: neck and shoulders on black, filled in behind the head."),
        io.Image.Output(display_name="background", tooltip="[B, 512, 512, 3]: the background, filled in behind the person."),
        io.Mask.Output(display_name="head mask", tooltip="[B, 512, 512]: white where the head is."),
        io.Mask.Output(display_name="person mask", tooltip="[B, 512, 512]: white where the person is."),
    ]


def portrait_results(portraits: Sequence[Portrait]) -> io.NodeOutput:
    """The values of `portrait_outputs`."""
    layers = [torch.cat([getattr(one, name) for one in portraits]) for name in ("head", "torso", "background")]
    masks = [torch.cat([getattr(one, name) for one in portraits])[:, 0] for name in ("head_mask", "person_mask")]
    shown = ((layer / 2 + 0.5).permute(0, 2, 3, 1).contiguous() for layer in layers)
    return io.NodeOutput(Portraits(tuple(portraits)), *shown, *masks, ui=shown_portrait(portraits[0]))
