"""What the operators take part in of the core: `errors`, `render` with the checks, rays, tables and settings that all marchers share, and
what frames of the built-in avatar are composed by.

They lie beside this package: in the pack, below whatever it is called; in a checkout or an installed library, at the top. A relative import
cannot leave the top level, and the pack has no name to import from, so the name is put together from this package's own. A room is loaded
when it is first asked for: ComfyUI wants to know the back ends' names before anything is rendered.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..real3d_core import errors as errors
    from ..real3d_core import render as render
    from ..real3d_core.analytic import channels as channels
    from ..real3d_core.analytic import eyeball as eyeball
    from ..real3d_core.analytic import eyes as eyes
    from ..real3d_core.analytic import far_side as far_side
    from ..real3d_core.analytic import lids as lids
    from ..real3d_core.analytic import mouth as mouth
    from ..real3d_core.analytic import mouth_light as mouth_light
    from ..real3d_core.analytic import own_teeth as own_teeth
    from ..real3d_core.analytic import painting as painting
    from ..real3d_core.analytic import ray_maps as ray_maps
    from ..real3d_core.portrait import plates as plates
else:
    _AVATAR = ("channels", "eyeball", "eyes", "far_side", "lids", "mouth", "mouth_light", "own_teeth", "painting", "ray_maps")
    _PLACES = {"errors": "errors", "plates": "portrait.plates", "render": "render", **{room: f"analytic.{room}" for room in _AVATAR}}

    def __getattr__(room: str) -> ModuleType:
        if room not in _PLACES:
            raise AttributeError(room)
        return import_module(f"{__package__.rpartition('cuda_ops')[0]}real3d_core.{_PLACES[room]}")
