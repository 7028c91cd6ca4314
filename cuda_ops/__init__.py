"""The fast ray-marching op, built on first use: `march_planes` of tensors, and `march`, the compiled twin of real3d_core.render.march.

Importing builds nothing.
"""

from .back_ends import NAMES, chosen, march
from .op import march_planes

__all__ = ["NAMES", "chosen", "march", "march_planes"]
