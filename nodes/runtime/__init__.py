"""The only room that knows ComfyUI: its node API, folders, devices, progress bars and server."""
