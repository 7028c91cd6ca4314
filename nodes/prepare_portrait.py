"""Prepare portrait."""

from __future__ import annotations

import torch

from .conversions import person_masks, photos
from .face_landmarks import FaceLandmarksSocket, faces_in_photos
from .inputs import face_inputs
from .runtime import folders, progress
from .runtime.api import CATEGORY, io, schema
from .sockets import Portraits, PortraitSocket


class PreparePortrait(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DPreparePortrait",
            display_name="Prepare portrait",
            category=f"{CATEGORY}/portrait",
            description=(
                "Finds the face in a photo, crops it, and takes the photo apart into head, torso and background, "
                "each complete where another hid it."
            ),
            essentials_category="Image Tools",
            search_aliases=["face crop", "segment head", "matting"],
            inputs=[
                io.Image.Input(
                    "image", tooltip="A photo of a face from the front, at least 200 pixels wide; a batch gives a batch of portraits."
                ),
                io.Mask.Input(
                    "person_mask",
                    optional=True,
                    tooltip=(
                        "White where the person is, of any size; empty or not connected: found in the photo. (Load Image's mask is the "
                        "other way round: invert it.)"
                    ),
                ),
                *face_inputs(),
                FaceLandmarksSocket.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="From ComfyUI's 'Detect Face Landmarks (MediaPipe)' on the same image; not connected: found here.",
                ),
            ],
            outputs=[
                PortraitSocket.Output(display_name="portrait", tooltip="Everything known about the photo, for the following nodes."),
                io.Image.Output(display_name="head", tooltip="[B, 512, 512, 3]: the head on black."),
                io.Image.Output(display_name="torso", tooltip="[B, 512, 512, 3]: neck and shoulders on black, continued behind the head."),
                io.Image.Output(display_name="background", tooltip="[B, 512, 512, 3]: what is behind the person, filled in."),
                io.Mask.Output(display_name="head mask", tooltip="[B, 512, 512]: white where the head is."),
                io.Mask.Output(display_name="person mask", tooltip="[B, 512, 512]: white where the person is."),
            ],
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
        layers = [torch.cat([getattr(one, name) for one in prepared]) for name in ("head", "torso", "background")]
        masks = [torch.cat([getattr(one, name) for one in prepared])[:, 0] for name in ("head_mask", "person_mask")]
        return io.NodeOutput(Portraits(tuple(prepared)), *((layer / 2 + 0.5).permute(0, 2, 3, 1).contiguous() for layer in layers), *masks)
