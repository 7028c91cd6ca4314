"""A film from a photo and a voice."""

import torch

from real3d_core import Direction, direct, load_avatar, load_picture, load_sound, perform, prepare_portrait, write_video

with torch.inference_mode():
    avatar = load_avatar("analytic")
    portrait = prepare_portrait(load_picture("me.png"))
    voice = load_sound("voice.wav")

    motion = direct(avatar, Direction(pose="sway", blink="natural"), voice)
    write_video("film.mp4", perform(avatar, portrait, motion), voice)
