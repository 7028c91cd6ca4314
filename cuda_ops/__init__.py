"""The fast ray-marching op, built on first use: compiled twins of real3d_core.render.march. Importing builds nothing."""

from .back_ends import NAMES, Chosen, chosen, march, marcher

__all__ = ["NAMES", "Chosen", "chosen", "march", "marcher"]
