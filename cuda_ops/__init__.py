"""The fast operators, built on first use: ray marching as `march_planes` of tensors and as `march`, the compiled twin of
real3d_core.render.march, and `painting`, the compiled twins of real3d_core.analytic.painting.

Importing builds nothing.
"""

from .back_ends import NAMES, chosen, march
from .composing import painting
from .op import march_planes

__all__ = ["NAMES", "chosen", "march", "march_planes", "painting"]
