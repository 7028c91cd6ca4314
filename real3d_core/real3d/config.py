"""The settings of the released model, and the reading of the config.yaml beside a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingModelError
from ..render.ray_marching import MarchSettings


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


# our setting: (its name in config.yaml, what it has to be)
HONOURED = {
    "resolution": ("neural_rendering_resolution", int),
    "coarse": ("num_samples_coarse", int),
    "fine": ("num_samples_fine", int),
    "box_side": ("box_warp", float),
    "mask_invalid_rays": ("mask_invalid_rays", bool),
    "head_threshold": ("htbsr_head_threshold", float),
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


def read_config(path: Path) -> dict[str, object]:
    """The settings in a config.yaml.

    Raises:
        MissingModelError: it can not be read, or is not a table of settings.
    """
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            settings = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as failure:
        reason = str(failure).splitlines()[0]
        raise MissingModelError(
            f"The configuration '{path}' can not be read ({reason}): copy it again from the official download."
        ) from None
    if not isinstance(settings, dict):
        raise MissingModelError(f"The configuration '{path}' is not a table of settings: copy it again from the official download.")
    return settings


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
                f"its config.yaml describes a variant that is not supported, {name}: {settings[name]} (only {name}: {wanted} is); "
                "use the released head-and-torso checkpoint."
            )
    for name, found in (("triplane_feature_type", planes), ("triplane_depth", depth)):
        if name in settings and settings[name] != found:
            raise MissingModelError(
                f"its config.yaml does not belong to it, {name}: {settings[name]} (its tensors are of {name}: {found}); "
                "copy both from the same training."
            )
    return Real3DConfig(**{ours: _setting(settings, name, kind) for ours, (name, kind) in HONOURED.items() if name in settings})


def _setting(settings: Mapping[str, object], name: str, kind: type) -> int | float | bool:
    value = settings[name]
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {bool: isinstance(value, bool), int: whole, float: whole or isinstance(value, float)}[kind]
    if not fits or (kind is not bool and value < 0):
        raise MissingModelError(f"its config.yaml has an unusable {name}: {value!r}; copy config.yaml again from the official download.")
    return kind(value)
