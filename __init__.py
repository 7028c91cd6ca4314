"""Entry point of ComfyUI. Nothing heavy is imported here; the core is imported when a node first runs."""

from .nodes import comfy_entrypoint

WEB_DIRECTORY = "./web"

__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
