"""The rendered picture, looked at as a person would: does it show the portrait, and does it do what was asked?"""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.analytic.controls import BASIS
from real3d_core.analytic.ray_maps import without_steps
from real3d_core.face.canonical_face import canonical_face
from real3d_core.face.landmark_sets import CHIN, JAW, JAW_CORNERS, RIGHT_LOWER_LID
from real3d_core.face.landmarks import FaceLandmarks
from real3d_core.face.track import track_from_landmarks
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion import Motion
from real3d_core.motion.pose import turn_about_neck
from real3d_core.pipeline import PipelineOptions, render_frames
from real3d_core.portrait.portrait import prepare_portrait
from real3d_core.render.camera import matrix_to_euler, project
from real3d_core.render.head import render_head
from real3d_core.render.ray_marching import MarchSettings
from real3d_core.stream import FPS, together


def frames_of(avatar, portrait, motion, background=None, **options):
    stream = render_frames(avatar, portrait, motion, PipelineOptions(**options), background=background)
    return torch.cat(list(stream.chunks(4)))


def person_masks(avatar, portrait, motion):
    """[T, 512, 512] in 0..1."""
    planes, cameras = avatar.adapt(avatar.lift(portrait), motion), avatar.cameras(portrait, motion)
    heads = render_head(planes, avatar.decoder, cameras, avatar.march_settings)
    return avatar.person_mask(heads, portrait, motion).frames(0, len(motion)).numpy()


def seen(frames):
    """What MediaPipe measures in the frames."""
    finder = FaceLandmarks(ModelFolders())
    found = [finder.in_picture((frame * 255).round().byte().numpy()) for frame in frames]
    assert all(found), "a frame without a face"
    return track_from_landmarks(np.stack([faces[0] for faces in found]), FPS, canonical_face(ModelFolders()))


def still_with(**controls):
    curves = {name: torch.tensor([0.0, value]) for name, value in controls.items()}
    return Motion.still(BASIS, 2).with_controls(**curves)


@pytest.mark.parametrize("who", ["portrait", "smiling"])
def test_at_rest_it_is_the_photo(avatar, who, request):
    portrait = request.getfixturevalue(who)
    frame = frames_of(avatar, portrait, Motion.still(BASIS, 1))[0]
    photo = portrait.image[0].permute(1, 2, 0) / 2 + 0.5
    assert (frame - photo).abs().max() < 0.05
    assert (frame - photo).abs().mean() < 0.0005


@pytest.mark.parametrize("who", ["portrait", "smiling"])
def test_no_background_is_seen_through_the_person(avatar, who, request):
    portrait = request.getfixturevalue(who)
    green, red = (torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 512, 512) for colour in ([0.0, 1, 0], [1.0, 0, 0]))
    shown = [frames_of(avatar, portrait, Motion.still(BASIS, 1), background)[0] for background in (green, red)]
    share = (shown[0] - shown[1]).abs()[..., 0].numpy()
    person = cv2.erode((portrait.person_mask[0, 0].numpy() > 0.98).astype(np.uint8), np.ones((7, 7))) > 0
    assert share[person].mean() < 0.01
    assert np.quantile(share[person], 0.99) < 0.03


def test_what_the_head_uncovers_keeps_no_trace_of_it(avatar, portrait):
    euler = torch.zeros(1, 3)
    euler[0, 1] = np.radians(20)
    frame = frames_of(avatar, portrait, Motion.still(BASIS, 1).with_pose(euler, turn_about_neck(euler)))[0]
    person = portrait.person_mask[0, 0] > 0.02
    behind = portrait.background[0].permute(1, 2, 0) / 2 + 0.5
    uncovered = person & ((frame - behind).abs().amax(-1) < 0.5) & (portrait.head_mask[0, 0] > 0.5)
    beside = behind[~person].mean(dim=0)
    assert uncovered.any() and (behind[uncovered] - beside).abs().max() < 0.35


def test_turning_the_head_turns_the_seen_head_by_as_much(avatar, portrait):
    euler = torch.zeros(3, 3)
    euler[1, 1], euler[2, 0] = np.radians(15), np.radians(-12)
    track = seen(frames_of(avatar, portrait, Motion.still(BASIS, 3).with_pose(euler, turn_about_neck(euler))))
    angles = matrix_to_euler(torch.from_numpy(track.rotations))
    turned = np.degrees((angles - angles[0]).numpy())
    assert abs(turned[1, 1] - 15) < 4
    assert abs(turned[2, 0] + 12) < 4


@pytest.mark.parametrize("who", ["portrait", "smiling"])
def test_a_head_that_sways_keeps_its_ears_and_hair(avatar, who, request):
    """They once faded as soon as they moved: the solid ended within them, and what lay beyond it was shown by half."""
    portrait = request.getfixturevalue(who)
    euler = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, math.radians(8)]])
    motion = Motion.still(BASIS, 2).with_pose(euler, turn_about_neck(euler))
    at_rest, swayed = person_masks(avatar, portrait, motion)
    before, after = (
        project(avatar.lift(portrait).landmarks, camera)[0].numpy() * 512 - 0.5 for camera in avatar.cameras(portrait, motion).cameras
    )
    carried = cv2.warpAffine(at_rest, cv2.estimateAffine2D(before, after)[0], (512, 512))
    person = cv2.erode((carried > 0.99).astype(np.uint8), np.ones((9, 9))) > 0
    person[round(float(after[JAW_CORNERS, 1].min())) :] = False
    assert person.sum() > 20000 and swayed[person].min() > 0.9


def test_the_jaw_of_a_turned_face_is_a_smooth_line(avatar, smiling):
    """It was serrated by the grid of the rays."""
    euler = torch.tensor([[0.0, math.radians(25), 0.0]])
    (mask,) = person_masks(avatar, smiling, Motion.still(BASIS, 1).with_pose(euler, turn_about_neck(euler)))
    mouth, chin = (round(float(smiling.landmarks[point, 1]) * 512) for point in (13, CHIN))
    beside = mask[mouth - 10 : (mouth + chin) // 2, ::-1]
    outline = (1 - np.maximum.accumulate(beside, axis=1)).sum(axis=1)
    rows = np.arange(len(outline))
    assert np.std(outline - np.polyval(np.polyfit(rows, outline, 5), rows)) < 0.15


@pytest.mark.parametrize("degrees", [-15, 15])
def test_turned_long_hair_has_no_step_where_the_torso_begins(avatar, long_haired, degrees):
    """Head hair once stood out over the shoulders' hair like a shelf, at the level of the jaw's corners."""
    euler = torch.tensor([[0.0, math.radians(degrees), 0.0]])
    motion = Motion.still(BASIS, 1).with_pose(euler, turn_about_neck(euler))
    green = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 256, 256)
    frame = frames_of(avatar, long_haired, motion, size=256, background=green)[0]
    person = (frame - torch.tensor([0.0, 1.0, 0.0])).abs().amax(dim=2) > 0.5
    level = round(float(long_haired.landmarks[JAW_CORNERS, 1].mean()) * 256)
    for side in (person, person.flip(1)):
        outline = side[level - 25 : level + 25].int().argmax(dim=1)
        assert (outline[4:] - outline[:-4]).abs().max() <= 5


def test_an_outline_within_the_head_shows_no_grid_of_rays():
    """Where a cheek hides hair, photo coordinates jump; what does not jump stays to the bit."""
    jump = torch.zeros(1, 6, 32, 32)
    jump[..., 16:] = 0.4
    softened = without_steps(jump)
    assert (softened[..., 1:] - softened[..., :-1]).abs().max() < 0.2
    assert torch.equal(softened[..., :8], jump[..., :8]) and torch.equal(softened[..., 24:], jump[..., 24:])
    slope = torch.linspace(0, 0.5, 32).expand(1, 6, 32, 32)
    assert torch.equal(without_steps(slope), slope)


def test_jaw_open_opens_the_lips_by_the_documented_gap(avatar, portrait):
    track = seen(frames_of(avatar, portrait, still_with(jaw_open=1.0)))
    assert 0.08 < track.lip_gap[1] - track.lip_gap[0] < 0.16  # JAW_GAP is 0.12 face heights


def test_a_chin_that_goes_back_stays_a_chin(avatar, portrait):
    """Driving clips pull an opening jaw back by as much as the solid is thick there: it once went through its own back."""
    motion = Motion.still(BASIS, 2).with_controls(jaw_open=torch.full((2,), 0.4))
    back = motion.expression.clone()
    back[1, len(BASIS.controls) :].view(-1, 3)[sorted({*JAW, 18, 200, 199, 175}), 2] = -0.1
    plain, moved = frames_of(avatar, portrait, replace(motion, expression=back), size=256)
    u, v = (portrait.landmarks[CHIN, :2] * 256).round().int().tolist()
    chin = (slice(v - 14, v), slice(u - 12, u + 12))
    assert (moved[chin] - plain[chin]).abs().mean() < 0.06


def test_lips_press_closes_a_smile_that_shows_teeth(avatar, smiling):
    track = seen(frames_of(avatar, smiling, still_with(lips_press=1.0)))
    assert track.lip_gap[0] > 0.03
    assert track.lip_gap[1] < 0.015


@pytest.mark.parametrize("who", ["portrait", "smiling"])
def test_lips_press_wins_over_an_open_jaw(avatar, who, request):
    track = seen(frames_of(avatar, request.getfixturevalue(who), still_with(lips_press=1.0, jaw_open=0.8)))
    assert track.lip_gap[1] < 0.015


def test_one_blink_closes_one_eye(avatar, portrait):
    track = seen(frames_of(avatar, portrait, still_with(blink_left=1.0)))
    right, left = track.eye_opening[1] / track.eye_opening[0]
    assert left < 0.55
    assert right > 0.8


def test_a_closed_lid_shows_no_light_rim_above_its_lashes(avatar, assets):
    """The skin fold over an open eye catches the light; carried along by the lid it looked like a slit in a closed eye."""
    narrowed = prepare_portrait(load_picture(assets / "portraits" / "synthetic_p009_selfie.jpg"), ModelFolders())
    frame = frames_of(avatar, narrowed, still_with(blink_right=1.0))[1].mean(-1)
    edge = narrowed.landmarks[RIGHT_LOWER_LID[4:], :2]  # the half towards the nose
    height = float((narrowed.landmarks[10, :2] - narrowed.landmarks[152, :2]).norm())

    def brightness(above):
        x, y = ((edge - torch.tensor([0.0, above * height])) * len(frame)).long().T
        return frame[y, x].mean()

    assert brightness(0.012) < brightness(0.028) + 0.03


def test_any_chunking_gives_the_same_frames(avatar, portrait):
    controls = {"jaw_open": torch.linspace(0, 1, 5), "blink_left": torch.linspace(1, 0, 5)}
    motion = Motion.still(BASIS, 5).with_controls(**controls)
    stream = render_frames(avatar, portrait, motion, PipelineOptions(size=256))
    together = stream.frames(0, 5)
    alone = torch.cat([stream.frames(k, k + 1) for k in range(5)])
    assert torch.equal(together, alone)


def test_frames_computed_side_by_side_are_the_same(portrait, two_workers):
    avatar = AnalyticAvatar(ModelFolders(), MarchSettings(resolution=64, coarse=24, fine=8))
    motion = Motion.still(BASIS, 6).with_controls(jaw_open=torch.linspace(0, 1, 6), blink_left=torch.linspace(1, 0, 6))
    renders = render_head(
        avatar.adapt(avatar.lift(portrait), motion), avatar.decoder, avatar.cameras(portrait, motion), avatar.march_settings
    )
    both = together([avatar.compose(renders, portrait, motion, size=192), avatar.person_mask(renders, portrait, motion, size=192)])
    for number, pair in enumerate(both.chunks(4)):
        for one, other in zip(pair, both.frames(number, number + 1), strict=True):
            assert (one - other).abs().max() < 1e-5, "the frame of one thread, and of PyTorch's two"
    assert number == 5


def test_another_background_replaces_only_the_background(avatar, portrait):
    colour = torch.tensor([0.1, 0.8, 0.2]).view(1, 3, 1, 1).expand(1, 3, 256, 256)
    plain = frames_of(avatar, portrait, Motion.still(BASIS, 1), size=256)[0]
    replaced = frames_of(avatar, portrait, Motion.still(BASIS, 1), size=256, background=colour)[0]
    person = torch.nn.functional.interpolate(portrait.person_mask, size=(256, 256), mode="area")[0, 0]
    assert (replaced[person < 0.01] - torch.tensor([0.1, 0.8, 0.2])).abs().mean() < 0.02
    assert (replaced[person > 0.99] - plain[person > 0.99]).abs().mean() < 0.01


def test_a_large_frame_is_as_sharp_as_the_photo(avatar, portrait):
    """900 pixels of the photo make the crop; at 900 the frame keeps most of the photo's finest detail in the face."""
    frame = frames_of(avatar, portrait, Motion.still(BASIS, 1), size=900)[0].permute(2, 0, 1)
    photo = portrait.plates.crop(portrait.plates.photo)[0]
    assert photo.shape == frame.shape
    face = (slice(None), slice(250, 640), slice(300, 600))

    def detail(picture):
        return (picture[face][:, 1:, 1:] - picture[face][:, :-1, :-1]).square().mean().sqrt()

    assert detail(frame) > 0.85 * detail(photo)


def test_a_voice_closes_and_opens_a_smile_as_it_does_closed_lips(avatar, portrait, smiling):
    says = still_with(speaking=1.0, jaw_open=0.9), still_with(speaking=1.0, jaw_open=0.9, lips_press=1.0)
    opened, pressed = ([seen(frames_of(avatar, who, motion)).lip_gap[1] for who in (portrait, smiling)] for motion in says)
    assert 0.85 < opened[1] / opened[0] < 1.2
    assert max(pressed) < 0.015
