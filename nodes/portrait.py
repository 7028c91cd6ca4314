"""Load avatar and Prepare portrait."""

from __future__ import annotations

import torch

from ..real3d_core.ranges import FACE_AREA, FACE_INDEX
from . import runtime
from .conversions import person_masks, photos
from .face_landmarks import FaceLandmarksSocket, faces_in_photos
from .runtime import CATEGORY, io, schema
from .sockets import AvatarSocket, Portraits, PortraitSocket


def face_inputs(optional: bool = False) -> list[io.Input]:
    """Which face of a photo is meant, and how closely it is cropped; shared by the nodes that take photos."""
    return [
        io.Int.Input(
            "face_index",
            default=0,
            min=FACE_INDEX.low,
            max=FACE_INDEX.high,
            optional=optional,
            tooltip="Which face, counted from the largest, which is 0.",
        ),
        io.Float.Input(
            "face_area",
            default=0.2,
            min=FACE_AREA.low,
            max=FACE_AREA.high,
            step=0.01,
            optional=optional,
            tooltip="The least part of the crop that the face shall fill, 0.02 to 0.5; more crops closer.",
        ),
    ]


class LoadAvatar(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        choices = runtime.avatar_choices()
        return schema(
            node_id="Real3DLoadAvatar",
            display_name="Load avatar",
            category=f"{CATEGORY}/portrait",
            description=(
                "The model that lifts, moves and finishes a portrait: the built-in one, which needs no download, or an official checkpoint."
            ),
            search_aliases=["talking head", "real3d", "model loader"],
            inputs=[
                io.Combo.Input(
                    "avatar",
                    options=choices,
                    default=choices[0],
                    tooltip="The built-in avatar, or a checkpoint (.ckpt, .safetensors) in the folder models/real3d.",
                ),
                io.Boolean.Input(
                    "own_expression",
                    default=False,
                    optional=True,
                    tooltip=(
                        "For checkpoints: movement starts from the photo's own expression, as in training, instead of the "
                        "motion's first frame, as published."
                    ),
                ),
                io.Boolean.Input(
                    "half_precision",
                    default=False,
                    optional=True,
                    tooltip=(
                        "For checkpoints: computes in bfloat16, which is faster on graphics cards and recent processors, and slightly "
                        "less exact."
                    ),
                ),
            ],
            outputs=[AvatarSocket.Output(display_name="avatar", tooltip="Connect it to every node that asks for an avatar.")],
        )

    @classmethod
    def validate_inputs(cls, avatar: str) -> bool | str:
        return runtime.sentence_or_true(lambda: runtime.refuse_hostile(avatar, "checkpoint"))

    @classmethod
    def fingerprint_inputs(cls, avatar: str, own_expression: bool = False, half_precision: bool = False) -> tuple:
        return runtime.avatar_fingerprint(avatar)

    @classmethod
    def execute(cls, avatar: str, own_expression: bool = False, half_precision: bool = False) -> io.NodeOutput:
        return io.NodeOutput(runtime.load_avatar(avatar, half_precision, own_expression))


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
        show = runtime.progress_bar(len(pictures))
        masks, found = person_masks(person_mask, len(pictures)), faces_in_photos(face_landmarks, pictures)
        models = runtime.model_folders()
        prepared = []
        for picture, mask, faces in zip(pictures, masks, found, strict=True):
            prepared.append(prepare_portrait(picture, models, mask, face_index, face_area, faces))
            show(len(prepared))
        layers = [torch.cat([getattr(one, name) for one in prepared]) for name in ("head", "torso", "background")]
        masks = [torch.cat([getattr(one, name) for one in prepared])[:, 0] for name in ("head_mask", "person_mask")]
        return io.NodeOutput(Portraits(tuple(prepared)), *((layer / 2 + 0.5).permute(0, 2, 3, 1).contiguous() for layer in layers), *masks)
