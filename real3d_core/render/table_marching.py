"""The fast marcher in plain PyTorch."""

from .ray_marching import march

march_table = march
