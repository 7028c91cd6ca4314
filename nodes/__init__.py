"""The nodes, one file each, and the extension that registers them."""

from __future__ import annotations

from . import example_files as example_files
from . import landmark_models as landmark_models
from . import live_route as live_route
from . import saved_faces as saved_faces
from .audio_to_motion import AudioToMotion
from .camera_path import CameraPathNode
from .convert_motion import ConvertMotion
from .direct_the_face import DirectTheFace
from .door import guarded
from .edit_motion import EditMotion
from .head_pose import HeadPose
from .image_to_plane import ImageToPlane
from .join_parts import JoinParts
from .load_avatar import LoadAvatar
from .mix_planes import MixPlanes
from .motion_adapter import MotionAdapter
from .motion_files import LoadMotion, SaveMotion
from .paste_back import PasteBack
from .planes_files import LoadPlanes, SavePlanes
from .planes_tensor import PlanesFromTensor, PlanesToTensor
from .portrait_files import LoadPortrait, SavePortrait
from .prepare_portrait import PreparePortrait
from .render_head import RenderHead
from .render_passes import RenderPasses, ReplaceRenderColour
from .runtime.api import ComfyExtension, io
from .side_by_side import SideBySide
from .super_resolution import SuperResolution
from .talking_portrait import TalkingPortrait
from .talking_portrait_to_video import TalkingPortraitToVideo
from .video_to_motion import VideoToMotion

NODES: list[type[io.ComfyNode]] = [
    TalkingPortrait,
    LoadAvatar,
    PreparePortrait,
    ImageToPlane,
    AudioToMotion,
    VideoToMotion,
    HeadPose,
    EditMotion,
    DirectTheFace,
    ConvertMotion,
    CameraPathNode,
    MotionAdapter,
    RenderHead,
    RenderPasses,
    ReplaceRenderColour,
    SideBySide,
    SuperResolution,
    PasteBack,
    TalkingPortraitToVideo,
    SavePortrait,
    LoadPortrait,
    SavePlanes,
    LoadPlanes,
    MixPlanes,
    PlanesToTensor,
    PlanesFromTensor,
    SaveMotion,
    LoadMotion,
    JoinParts,
]


class Real3DExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [guarded(node) for node in NODES]


async def comfy_entrypoint() -> Real3DExtension:
    return Real3DExtension()
