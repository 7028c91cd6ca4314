"""The core's rooms that the op takes part in: `errors`, and `render` with the checks, rays, tables and settings that all marchers share.

They lie beside this package: in the pack, below whatever it is called; in a checkout or an installed library, at the top. A relative import
cannot leave the top level, and the pack has no name to import from, so the name is put together from this package's own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..real3d_core import errors, render
else:
    _BESIDE = __package__.rpartition("cuda_ops")[0]
    errors, render = import_module(f"{_BESIDE}real3d_core.errors"), import_module(f"{_BESIDE}real3d_core.render")

__all__ = ["errors", "render"]
