"""Load avatar."""

from __future__ import annotations

from .inputs import choice
from .runtime import api, device, folders
from .runtime.api import CATEGORY, io, schema
from .sockets import AvatarSocket


class LoadAvatar(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="Real3DLoadAvatar",
            display_name="Load avatar",
            category=f"{CATEGORY}/portrait",
            description=(
                "Loads the model that lifts, animates and renders a portrait: the built-in avatar, which needs no download, "
                "or an official checkpoint."
            ),
            search_aliases=["talking head", "real3d", "model loader"],
            inputs=[
                choice("avatar", folders.avatar_choices(), "The built-in avatar, or a checkpoint (.ckpt, .safetensors) in models/real3d."),
                io.Boolean.Input(
                    "own_expression",
                    default=False,
                    optional=True,
                    tooltip=(
                        "Checkpoints only: the source expression is that of the photo, as in training, instead of that of the "
                        "motion's first frame, as in the published inference."
                    ),
                ),
                io.Boolean.Input(
                    "half_precision",
                    default=False,
                    optional=True,
                    tooltip=("Checkpoints only: compute in bfloat16, which is faster on GPUs and recent CPUs and slightly less accurate."),
                ),
            ],
            outputs=[AvatarSocket.Output(display_name="avatar", tooltip="Connect it to every node with an avatar input.")],
        )

    @classmethod
    def validate_inputs(cls, avatar: str) -> bool | str:
        return api.sentence_or_true(lambda: folders.refuse_hostile(avatar, "checkpoint"))

    @classmethod
    def fingerprint_inputs(cls, avatar: str, own_expression: bool = False, half_precision: bool = False) -> tuple:
        return folders.avatar_fingerprint(avatar)

    @classmethod
    def execute(cls, avatar: str, own_expression: bool = False, half_precision: bool = False) -> io.NodeOutput:
        return io.NodeOutput(device.load_avatar(avatar, half_precision, own_expression))
