"""The settings of the released model, and the reading of the config.yaml beside a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ...errors import MissingModelError, brief
from ...render.ray_marching import MarchSettings


@dataclass(frozen=True)
class Real3DConfig:
    """What a checkpoint's configuration may change; the defaults are the released model (spec 03 section 11, spec 04 section 1).

    resolution: rays along a side of the rendered head.
    coarse, fine: samples per ray of the two passes.
    box_side: side of the cube that the planes span.
    mask_invalid_rays: rays that miss the cube get no features.
    head_threshold: 0..1; a head more opaque than this hides the background completely.
    """

    resolution: int = 128
    coarse: int = 48
    fine: int = 48
    box_side: float = 1.0
    mask_invalid_rays: bool = False
    head_threshold: float = 0.9

    @property
    def march_settings(self) -> MarchSettings:
        """How the head is marched."""
        return MarchSettings(self.resolution, self.coarse, self.fine)


# our setting: (its name in config.yaml, what it has to be, least, greatest)
HONOURED: dict[str, tuple[str, type, float, float]] = {
    "resolution": ("neural_rendering_resolution", int, 16, 512),
    "coarse": ("num_samples_coarse", int, 4, 512),
    "fine": ("num_samples_fine", int, 0, 512),
    "box_side": ("box_warp", float, 0.01, 100.0),
    "mask_invalid_rays": ("mask_invalid_rays", bool, False, True),
    "head_threshold": ("htbsr_head_threshold", float, 0.0, 1.0),
}

# what other variants of the model say here
REQUIRED = {
    "triplane_hid_dim": 32,
    "ray_start": "auto",
    "ray_end": "auto",
    "disparity_space_sampling": False,
    "white_back": False,
}
REQUIRED_WITH_TORSO = {
    "torso_model_version": "v2",
    "htbsr_head_weight_fuse_mode": "v2",
    "weight_fuse": True,
    "torso_kp_num": 4,
    "torso_inp_mode": "rgb_alpha",
}


LARGEST = 100_000  # bytes of a config.yaml; the released ones have some thousand


def read_config(path: Path) -> dict[str, object]:
    """The settings in a config.yaml that are plain values; anything nested is given as an empty list.

    Nothing is built but these values, so neither aliases of aliases nor tags can do anything.

    Raises:
        MissingModelError: it cannot be read, or is not a table of settings.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        root = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
        return {} if root is None else _plain_values(root)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, yaml.YAMLError) as failure:
        reason = brief(str(failure)) or type(failure).__name__
        raise MissingModelError(
            f"The configuration '{path}' cannot be read ({reason}): copy it again from the official download."
        ) from None


def _plain_values(root: yaml.Node) -> dict[str, object]:
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("it is not a table of settings")
    build = yaml.SafeLoader("").construct_object
    values = {}
    for key, node in root.value:
        if node.tag.startswith("tag:yaml.org,2002:python/"):
            raise ValueError(f"{node.tag} would run code")
        if isinstance(key, yaml.ScalarNode):
            values[key.value] = build(node) if isinstance(node, yaml.ScalarNode) else []
    return values


def official_config(settings: Mapping[str, object], with_torso: bool, planes: str = "triplane", depth: int = 1) -> Real3DConfig:
    """The part of a configuration that inference depends on.

    Args:
        settings: what read_config gave; what is absent has its released value.
        with_torso: the checkpoint holds the torso model.
        planes: "triplane", "trigrid" or "trigrid_v2", as the checkpoint's tensors tell.
        depth: layers of its planes.

    Raises:
        MissingModelError: the settings describe another variant of the model, or a setting is not what it should be.
    """
    for name, wanted in (REQUIRED | (REQUIRED_WITH_TORSO if with_torso else {})).items():
        if name in settings and settings[name] != wanted:
            raise MissingModelError(
                f"its config.yaml describes a variant that is not supported, {name}: {_shown(settings[name])} "
                f"(only {name}: {wanted} is); use the released head-and-torso checkpoint."
            )
    for name, found in (("triplane_feature_type", planes), ("triplane_depth", depth)):
        if name in settings and settings[name] != found:
            raise MissingModelError(
                f"its config.yaml does not belong to it, {name}: {_shown(settings[name])} (its tensors are of {name}: {found}); "
                "copy both from the same training."
            )
    return Real3DConfig(**{ours: _setting(settings[wanted[0]], *wanted) for ours, wanted in HONOURED.items() if wanted[0] in settings})


def _setting(value: Any, name: str, kind: type, least: float, greatest: float) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {bool: isinstance(value, bool), int: whole, float: whole or isinstance(value, float)}[kind]
    if not fits or not least <= value <= greatest:
        wanted = "true or false" if kind is bool else f"{'a whole number' if kind is int else 'a number'} from {least} to {greatest}"
        raise MissingModelError(
            f"its config.yaml has an unusable {name}: {_shown(value)} (it must be {wanted}); "
            "copy config.yaml again from the official download."
        )
    return kind(value)


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to write very long ones
        return "a number of more than 64 bits"
    return brief(repr(value)) if isinstance(value, (str, int, float, type(None))) else "a list or a table"
