"""Talking 3-D portraits from one photo and a voice or a driving clip; knows nothing of ComfyUI.

A film in a few lines:

    from real3d_core import AvatarOptions, ModelFolders, PipelineOptions, load_avatar, load_picture
    from real3d_core import load_sound, talking_portraits, write_video

    models = ModelFolders()
    avatar = load_avatar("analytic", AvatarOptions(models))
    photo, voice = load_picture("me.png"), load_sound("voice.wav")
    made = talking_portraits(avatar, [photo], PipelineOptions(), models, voice)
    write_video("film.mp4", made.films[0], made.soundtrack)

The rooms: `pipeline` (the order of the stages), `avatar` and `avatar_kinds` (what an avatar is, and which there are), `portrait` (a photo
-> Portrait), `speech`, `face` and `motion` (voice, clip, head pose -> Motion), `render` (cameras, planes, ray marching), `analytic` and
`real3d` (the two avatars), `media` (files of pictures, sounds and clips) and `mediapipe_models` (what finds faces).
`docs/library.md` has a map and complete examples.

The public names can be imported from here; whatever they need is loaded when one is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for type checkers, which cannot follow __getattr__
    from .avatar import Avatar as Avatar
    from .avatar import SpeechStyle as SpeechStyle
    from .avatar import converted as converted
    from .avatar_kinds import AvatarOptions as AvatarOptions
    from .avatar_kinds import load_avatar as load_avatar
    from .avatar_kinds import load_motion as load_motion
    from .errors import Real3DError as Real3DError
    from .face.track import FaceTrack as FaceTrack
    from .face.track import track_face as track_face
    from .media.clip import Clip as Clip
    from .media.clip import open_clip as open_clip
    from .media.contact_sheet import contact_sheet as contact_sheet
    from .media.film import write_video as write_video
    from .media.pictures import load_picture as load_picture
    from .media.pictures import save_png as save_png
    from .media.sound import Sound as Sound
    from .media.sound import load_sound as load_sound
    from .mediapipe_models.model_files import ModelFolders as ModelFolders
    from .motion.motion import Motion as Motion
    from .motion.motion_files import save_motion as save_motion
    from .pipeline import PipelineOptions as PipelineOptions
    from .pipeline import TalkingPortraits as TalkingPortraits
    from .pipeline import make_motion as make_motion
    from .pipeline import render_frames as render_frames
    from .pipeline import talking_portraits as talking_portraits
    from .pipeline import with_head_pose as with_head_pose
    from .portrait.paste import paste_back as paste_back
    from .portrait.portrait import Portrait as Portrait
    from .portrait.portrait import prepare_portrait as prepare_portrait
    from .portrait.portrait_files import load_portraits as load_portraits
    from .portrait.portrait_files import save_portraits as save_portraits
    from .render.camera import CameraPath as CameraPath
    from .render.camera_paths import View as View
    from .render.camera_paths import dolly_view as dolly_view
    from .render.camera_paths import keyframe_view as keyframe_view
    from .render.camera_paths import orbit_view as orbit_view
    from .render.camera_paths import static_view as static_view
    from .render.head import render_head as render_head
    from .render.mixing import mix_planes as mix_planes
    from .render.passes import depth_picture as depth_picture
    from .render.passes import normal_picture as normal_picture
    from .render.passes import raw_colour as raw_colour
    from .render.passes import replace_colour as replace_colour
    from .render.planes import Planes as Planes
    from .render.planes_files import load_planes as load_planes
    from .render.planes_files import save_planes as save_planes
    from .render.ray_marching import HeadRender as HeadRender
    from .render.ray_marching import MarchSettings as MarchSettings
    from .stream import FrameStream as FrameStream

_PUBLIC = {
    "avatar": ("Avatar", "SpeechStyle", "converted"),
    "avatar_kinds": ("AvatarOptions", "load_avatar", "load_motion"),
    "errors": ("Real3DError",),
    "face.track": ("FaceTrack", "track_face"),
    "media.clip": ("Clip", "open_clip"),
    "media.contact_sheet": ("contact_sheet",),
    "media.film": ("write_video",),
    "media.pictures": ("load_picture", "save_png"),
    "media.sound": ("Sound", "load_sound"),
    "mediapipe_models.model_files": ("ModelFolders",),
    "motion.motion": ("Motion",),
    "motion.motion_files": ("save_motion",),
    "pipeline": ("PipelineOptions", "TalkingPortraits", "make_motion", "render_frames", "talking_portraits", "with_head_pose"),
    "portrait.paste": ("paste_back",),
    "portrait.portrait": ("Portrait", "prepare_portrait"),
    "portrait.portrait_files": ("load_portraits", "save_portraits"),
    "render.camera": ("CameraPath",),
    "render.camera_paths": ("View", "dolly_view", "keyframe_view", "orbit_view", "static_view"),
    "render.head": ("render_head",),
    "render.mixing": ("mix_planes",),
    "render.passes": ("depth_picture", "normal_picture", "raw_colour", "replace_colour"),
    "render.planes": ("Planes",),
    "render.planes_files": ("load_planes", "save_planes"),
    "render.ray_marching": ("HeadRender", "MarchSettings"),
    "stream": ("FrameStream",),
}
_MODULE_OF = {name: module for module, names in _PUBLIC.items() for name in names}


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
