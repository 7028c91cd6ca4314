"""ComfyUI's FACE_LANDMARKS in place of our own tracking."""

import types

import numpy as np
import pytest
import torch

CROP = 192  # pixels of the crop that the host's network sees


@pytest.fixture(scope="module")
def photos(host):
    """Two photos of one size as IMAGE [2, H, W, 3], and the landmarks of their faces."""
    images = [host.inputs["portrait.png"][0], host.inputs["portrait_2.png"][0, ::2, ::2]]
    assert images[0].shape == images[1].shape
    finder = host.core("face.landmarks").FaceLandmarks(host.part("runtime.folders").model_folders())
    return torch.stack(images), [finder.in_picture((image * 255).byte().numpy())[0] for image in images]


def as_the_host_gives(frames: list[list[np.ndarray]], height: int, width: int) -> dict:
    """Faces [478, 3] in pixels as the host's node describes them."""
    return {"frames": [[described(face) for face in faces] for faces in frames], "image_size": (height, width), "connection_sets": {}}


def described(face: np.ndarray, angle: float = 0.2) -> dict:
    low, high = face[:, :2].min(0), face[:, :2].max(0)
    scale = CROP / (1.5 * (high - low).max())
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = (face[:, :2] - (low + high) / 2) @ turn * scale + CROP / 2
    return {
        **{"bbox_xyxy": np.concatenate([low, high]), "score": 0.9, "presence": 20.0, "blendshapes": {"jawOpen": 0.1}},
        **{"landmarks_xy": face[:, :2].astype(np.float32), "landmarks_3d": np.concatenate([seen, face[:, 2:] * scale], axis=1)},
        "transformation_matrix": np.eye(4),
    }


def smaller(face: np.ndarray, share: float, corner: tuple[float, float]) -> np.ndarray:
    return (face * share + np.array([*corner, 0])).astype(np.float32)


@pytest.fixture
def no_tracking(host, monkeypatch):
    def refuse(*_):
        raise AssertionError("the landmarks were given")

    monkeypatch.setattr(host.core("face.landmarks").FaceLandmarks, "in_picture", refuse)
    monkeypatch.setattr(host.core("face.landmarks").FaceLandmarks, "in_frames", refuse)


def test_the_socket_is_the_host_s_and_the_last_one(host):
    for node_id in ("Real3DPreparePortrait", "Real3DVideoToMotion"):
        last = host.nodes[node_id].GET_SCHEMA().inputs[-1]
        assert (last.id, last.io_type, last.optional) == ("face_landmarks", "FACE_LANDMARKS", True)


def test_landmarks_of_each_photo_of_a_batch_make_its_portrait(host, photos, request):
    images, faces = photos
    (expected,) = host.execute("Real3DPreparePortrait", image=images[1:])[0].items
    request.getfixturevalue("no_tracking")
    value = as_the_host_gives([[face] for face in faces], *images.shape[1:3])
    first, second = host.execute("Real3DPreparePortrait", image=images, face_landmarks=value)[0].items
    assert (second.landmarks - expected.landmarks).abs().max() * 512 < 6  # found in the photo instead of once more in its crop
    assert (first.landmarks - second.landmarks).abs().max() * 512 > 6
    window = first.window
    given = (faces[0] - np.array([window.left, window.top, 0])) / window.side
    assert np.abs(first.landmarks.numpy() - given).max() * 512 < 0.3


def test_landmarks_of_a_picture_scaled_evenly_fit_the_photo(host, photos, no_tracking):
    images, faces = photos
    half = as_the_host_gives([[faces[0] / 2]], images.shape[1] // 2, images.shape[2] // 2)
    whole = as_the_host_gives([[faces[0]]], *images.shape[1:3])
    found, expected = (
        host.execute("Real3DPreparePortrait", image=images[:1], face_landmarks=value)[0].items[0].landmarks for value in (half, whole)
    )
    assert (found - expected).abs().max() * 512 < 0.1


def test_faces_count_from_the_largest(host, photos, no_tracking):
    images, faces = photos
    small = smaller(faces[0], 0.6, (0, 200))
    value = as_the_host_gives([[small, faces[0]]], *images.shape[1:3])
    windows = [
        host.execute("Real3DPreparePortrait", image=images[:1], face_index=number, face_landmarks=value)[0].items[0].window
        for number in (0, 1)
    ]
    assert windows[0].side > 1.5 * windows[1].side


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda value: {**value, "frames": value["frames"] * 3}, "of 3 images, but there are 1 photos: connect the same images"),
        (lambda value: {**value, "image_size": (300, 900)}, "belong to an image of 900 x 300 pixels, but the photo has"),
        (
            lambda value: {**value, "frames": [[{"landmarks_xy": np.zeros((468, 2)), "landmarks_3d": np.zeros((468, 3))}]]},
            "not face landmarks of 478",
        ),
        (
            lambda value: {**value, "frames": [[{"landmarks_xy": np.full((478, 2), np.nan), "landmarks_3d": np.zeros((478, 3))}]]},
            "not face landmarks of",
        ),
        (lambda value: {**value, "frames": [[{"bbox_xyxy": [0, 0, 1, 1]}]]}, "not face landmarks of 478 points"),
        (lambda value: {**value, "frames": []}, "have no frames"),
        (lambda value: {**value, "frames": [[]]}, "No face was found"),
        (lambda value: torch.zeros(1, 478, 3), "connect (the output of )?'Detect Face Landmarks"),
        (lambda value: {"frames": 7}, "connect (the output of )?'Detect Face Landmarks"),
        (lambda value: "faces", "connect (the output of )?'Detect Face Landmarks"),
    ],
)
def test_what_does_not_fit_is_one_sentence(host, photos, change, sentence):
    images, faces = photos
    value = change(as_the_host_gives([[faces[0]]], *images.shape[1:3]))
    with pytest.raises(host.core("errors").Real3DError, match=sentence) as caught:
        host.execute("Real3DPreparePortrait", image=images[:1], face_landmarks=value)
    assert "\n" not in str(caught.value)


def talking(face: np.ndarray, frames: int) -> list[np.ndarray]:
    """A face that opens its mouth and moves to the right."""
    lower = [14, 87, 178, 317, 402, 17, 84, 314, 152, 148, 377]
    moved = []
    for number in range(frames):
        one = face + np.array([2.0 * number, 0, 0], np.float32)
        one[lower, 1] += 12 * np.sin(np.pi * number / frames) ** 2
        moved.append(one)
    return moved


def motion_of(host, faces: list[list[np.ndarray]], **inputs):
    avatar = host.execute("Real3DLoadAvatar", avatar="analytic (built in)")[0]
    value = as_the_host_gives(faces, 512, 512)
    return host.execute("Real3DVideoToMotion", avatar=avatar, smoothing=0.0, neutral_frame=0, face_landmarks=value, **inputs)[0]


def test_landmarks_alone_drive_a_face(host, photos, no_tracking):
    faces = talking(photos[1][0], 20)
    motion = motion_of(host, [[face] for face in faces])
    assert len(motion) == 20
    assert len(motion_of(host, [[face] for face in faces], fps=50.0)) == 10


def test_one_person_is_followed_and_gaps_are_bridged(host, photos, no_tracking):
    faces = talking(photos[1][0], 20)
    other = smaller(photos[1][0], 1.5, (900, 0))
    together = [[other, face] if number else [face] for number, face in enumerate(faces)]
    together[7] = []
    expected, found = motion_of(host, [[face] for face in faces]), motion_of(host, together)
    assert np.allclose(found.expression[:6], expected.expression[:6], atol=1e-4) and np.allclose(
        found.euler[:6], expected.euler[:6], atol=1e-4
    )
    assert (found.translation - expected.translation).abs().max() < 0.1  # the other one is 4 dm away


def test_a_face_that_comes_late_is_waited_for(host, photos, no_tracking, monkeypatch):
    said = []
    monkeypatch.setattr(host.part("runtime.server"), "show_on_node", lambda node, text: said.append(text))
    motion = motion_of(host, [[], [], *([face] for face in talking(photos[1][0], 20))])
    assert said == ["Bridged in the driving clip: frames 0 to 2: no face"]  # one more, as a face that comes may be seen in part
    assert len(motion) == 22 and motion.expression[:2].abs().max() < 1e-4


def test_a_clip_without_a_face_is_one_sentence(host, photos):
    with pytest.raises(host.core("errors").NoFaceError, match="No face was found in the driving clip"):
        motion_of(host, [[], []])


@pytest.mark.parametrize("fps", [8.0, 12.5, 23.976, 25.0, 29.97, 60.0, 240.0])
def test_frames_are_chosen_in_time_as_pictures_are(host, fps):
    numbers = torch.arange(40.0)
    pictures = host.part("conversions").driving_clip(None, (numbers / 255)[:, None, None, None].expand(-1, 4, 4, 3), fps).frames()
    value = {"frames": [[{"landmarks_xy": np.full((478, 2), number), "landmarks_3d": np.zeros((478, 3))}] for number in numbers]}
    chosen = host.part("face_landmarks").faces_at_25(value, None, None, fps)
    assert [int(one[0][0, 0]) for one in chosen] == [int(picture[0, 0, 0]) for picture in pictures]


def test_the_clip_s_own_rate_counts_and_its_length_must_match(host, photos, no_tracking):
    faces = [[face] for face in talking(photos[1][0], 20)]
    video = types.SimpleNamespace(get_components=None, get_frame_rate=lambda: 50, get_frame_count=lambda: 20)
    assert len(motion_of(host, faces, video=video)) == 10
    assert len(motion_of(host, faces, frames=torch.zeros(20, 8, 8, 3))) == 20
    estimated = types.SimpleNamespace(get_components=None, get_frame_rate=lambda: 50, get_frame_count=lambda: 21)
    assert len(motion_of(host, faces, video=estimated)) == 10
    longer = types.SimpleNamespace(get_components=None, get_frame_rate=lambda: 50, get_frame_count=lambda: 25)
    for other in ({"video": longer}, {"frames": torch.zeros(25, 8, 8, 3)}):
        with pytest.raises(host.core("errors").ClipError, match="have 20 frames, the clip 25"):
            motion_of(host, faces, **other)
    with pytest.raises(host.core("errors").ClipError, match="not both"):
        motion_of(host, faces, video=video, frames=torch.zeros(20, 8, 8, 3))
