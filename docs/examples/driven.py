"""A portrait driven by a clip, its motion edited and kept."""

import torch

from real3d_core import (
    Direction,
    direct,
    load_avatar,
    load_picture,
    open_clip,
    perform,
    prepare_portrait,
    save_motion,
    track_face,
    write_video,
)
from real3d_core.motion.editing import scaled, smoothed

with torch.inference_mode():
    avatar = load_avatar("analytic")
    portrait = prepare_portrait(load_picture("me.png"))

    clip = open_clip("clip.mp4")
    track = track_face(clip.frames())
    motion = direct(avatar, Direction(pose="driving", blink="driving"), track=track)
    motion = scaled(smoothed(motion, 0.04), pose=0.7, controls={"jaw_open": 1.2, "smile": 0.5})  # a softer, less smiling copy
    save_motion("motion.safetensors", motion)

    write_video("driven.mp4", perform(avatar, portrait, motion), clip.sound())
