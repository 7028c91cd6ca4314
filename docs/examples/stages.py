"""Stage by stage: a camera path of your own, and passes of the rendered head beside the film."""

import torch

from real3d_core import (
    AvatarOptions,
    ModelFolders,
    depth_picture,
    keyframe_view,
    load_avatar,
    load_picture,
    load_sound,
    normal_picture,
    prepare_portrait,
    render_head,
    write_video,
)

models = ModelFolders()
with torch.inference_mode():
    avatar = load_avatar("analytic", AvatarOptions(models))
    portrait = prepare_portrait(load_picture("me.png"), models)
    voice = load_sound("voice.wav")

    planes = avatar.lift(portrait)  # image to plane
    motion = avatar.audio_to_motion(voice)  # audio to motion
    view = keyframe_view("0: -15 0 \n 2: 15 5 0 0.9", len(motion), motion.fps)  # seconds: yaw pitch roll distance
    cameras = avatar.cameras(portrait, motion, view)
    renders = render_head(avatar.adapt(planes, motion), avatar.decoder, cameras, avatar.march_settings)  # motion adapter, ray marching
    frames = avatar.compose(renders, portrait, motion, size=512)  # super-resolution with torso and background

    write_video("film.mp4", frames, voice)
    write_video("depth.mp4", renders.map(lambda render, start, stop: depth_picture(render)), None)
    write_video("normals.mp4", renders.map(lambda render, start, stop: normal_picture(render)), None)
