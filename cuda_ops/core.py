"""What this folder takes from the core, which lies beside it: in the pack, or at the top level where a checkout is run from its root.

A relative import cannot leave the top level, so the name is put together from this package's own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..real3d_core.errors import Real3DError
    from ..real3d_core.render.decoder import PlaneDecoder
    from ..real3d_core.render.march_inputs import checked_inputs, wants_gradients
    from ..real3d_core.render.plane_table import PlaneTable, Run
    from ..real3d_core.render.plane_table import Window as TableWindow
    from ..real3d_core.render.planes import Planes
    from ..real3d_core.render.ray_marching import OFFICIAL, HeadRender, MarchRays, MarchSettings, march, march_frames
    from ..real3d_core.render.table_marching import LeanDecoder, march_table
else:
    _CORE = ".".join([*__package__.split(".")[:-1], "real3d_core"])
    Real3DError = import_module(f"{_CORE}.errors").Real3DError
    _render = import_module(f"{_CORE}.render")
    PlaneDecoder, Planes, HeadRender, MarchSettings = _render.PlaneDecoder, _render.Planes, _render.HeadRender, _render.MarchSettings
    march, march_table = _render.march, _render.march_table
    _inputs = import_module(f"{_CORE}.render.march_inputs")
    checked_inputs, wants_gradients = _inputs.checked_inputs, _inputs.wants_gradients
    _table = import_module(f"{_CORE}.render.plane_table")
    PlaneTable, Run, TableWindow = _table.PlaneTable, _table.Run, _table.Window
    LeanDecoder = import_module(f"{_CORE}.render.table_marching").LeanDecoder
    _marching = import_module(f"{_CORE}.render.ray_marching")
    OFFICIAL, MarchRays, march_frames = _marching.OFFICIAL, _marching.MarchRays, _marching.march_frames

__all__ = [
    "OFFICIAL",
    "HeadRender",
    "LeanDecoder",
    "MarchRays",
    "MarchSettings",
    "PlaneDecoder",
    "PlaneTable",
    "Planes",
    "Real3DError",
    "Run",
    "TableWindow",
    "checked_inputs",
    "march",
    "march_frames",
    "march_table",
    "wants_gradients",
]
