"""A film from a photo and a voice."""

import torch

from real3d_core import AvatarOptions, ModelFolders, PipelineOptions, load_avatar, load_picture, load_sound, talking_portraits, write_video

models = ModelFolders()  # or ModelFolders((Path("my/models"),)), where official checkpoints lie
with torch.inference_mode():
    avatar = load_avatar("analytic", AvatarOptions(models))
    photo, voice = load_picture("me.png"), load_sound("voice.wav")

    made = talking_portraits(avatar, [photo], PipelineOptions(pose="sway", blink="natural"), models, voice)
    write_video("film.mp4", made.films[0], made.soundtrack)
