"""A portrait driven by a clip, its motion edited and kept."""

import torch

from real3d_core import (
    AvatarOptions,
    ModelFolders,
    PipelineOptions,
    load_avatar,
    load_picture,
    make_motion,
    open_clip,
    prepare_portrait,
    render_frames,
    save_motion,
    track_face,
    write_video,
)
from real3d_core.motion.editing import scaled, smoothed

models = ModelFolders()
with torch.inference_mode():
    avatar = load_avatar("analytic", AvatarOptions(models))
    portrait = prepare_portrait(load_picture("me.png"), models)

    clip = open_clip("clip.mp4")
    track = track_face(clip.frames(), models)
    motion = make_motion(avatar, PipelineOptions(), track=track)
    motion = scaled(smoothed(motion, 0.04), pose=0.7, controls={"jaw_open": 1.2, "smile": 0.5})  # a softer, less smiling copy
    save_motion("motion.safetensors", motion)

    write_video("driven.mp4", render_frames(avatar, portrait, motion), clip.sound())
