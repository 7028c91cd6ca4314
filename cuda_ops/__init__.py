"""The fast ray-marching op, built on first use: compiled twins of real3d_core.render.march."""
