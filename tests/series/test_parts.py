"""A film made in parts is the film made in one piece."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
import torch
from media_files import counting, read_numbers, tone

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.avatar import SpeechStyle
from real3d_core.errors import OutputError, SoundError
from real3d_core.media.encoding import Encoding
from real3d_core.media.film import write_video
from real3d_core.media.pictures import load_picture
from real3d_core.media.sound import load_sound
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.motion.motion_files import load_motion, save_motion
from real3d_core.pipeline import PipelineOptions, make_motion, render_frames
from real3d_core.portrait.portrait import prepare_portrait
from real3d_core.render.camera_paths import orbit_view
from real3d_core.render.ray_marching import MarchSettings
from real3d_core.series.parts import Part, cut, joined, sound_of_parts


@pytest.mark.parametrize(
    ("frames", "fps", "seconds", "expected"),
    [
        (1, 25, 60, ((0, 1),)),
        (2250, 25, 60, ((0, 2250),)),
        (2251, 25, 60, ((0, 1128), (1128, 2251))),
        (100, 25, 1, ((0, 28), (28, 56), (56, 84), (84, 100))),
        (9, 5, 1, ((0, 8), (8, 9))),
        (200, Fraction(30000, 1001), 2, ((0, 52), (52, 104), (104, 156), (156, 200))),
    ],
)
def test_long_films_are_cut_into_parts_of_one_length_at_multiples_of_four(frames, fps, seconds, expected):
    assert cut(frames, Fraction(fps), seconds, 4) == expected


@pytest.mark.parametrize("frames", [1, 7, 100, 1501, 90000])
@pytest.mark.parametrize("seconds", [1, 60, 3600])
def test_parts_follow_each_other_from_the_first_frame_to_the_last(frames, seconds):
    parts = cut(frames, Fraction(25), seconds, 4)
    assert parts[0][0] == 0 and parts[-1][1] == frames
    assert all(stop == start for (_, stop), (start, _) in pairwise(parts))
    assert all(stop - start <= 1.5 * seconds * 25 + 4 for start, stop in parts)


def write_parts(folder, stream, parts, suffix=".mp4"):
    made = [folder / f"{start}{suffix}" for start, _ in parts]
    for path, part in zip(made, parts, strict=True):
        write_video(path, stream.part(*part), None)
    return [Part.of(path) for path in made]


def decoded(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = {"size": (stream.width, stream.height), "rate": stream.average_rate, "length": stream.duration * stream.time_base}
        shown |= {name: getattr(stream.codec_context, name) for name in ("colorspace", "color_range", "pix_fmt", "name")}
        return shown, list(container.decode(video=0)), dict(container.metadata)


def samples(path):
    """Of the sound track as it is decoded, and its first time stamp."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        return np.concatenate([frame.to_ndarray() for frame in frames], axis=1), frames[0].pts, frames[0].sample_rate


@pytest.mark.parametrize(("fps", "channels", "rate"), [(25.0, 1, 16000), (29.97, 2, 44100)])
def test_joined_parts_are_the_film_in_one_piece(tmp_path, fps, channels, rate):
    stream, sound = counting(61, fps), tone(61 / fps + 0.013, rate, channels)
    metadata = {"comment": "of the test"}
    write_video(tmp_path / "whole.mp4", stream, sound, metadata=metadata)
    parts = write_parts(tmp_path, stream, [(0, 24), (24, 48), (48, 61)])
    joined(tmp_path / "joined.mp4", parts, sound, metadata)
    (shown, frames, told), (expected, _, _) = decoded(tmp_path / "joined.mp4"), decoded(tmp_path / "whole.mp4")
    assert shown == expected and told["comment"] == "of the test"
    assert read_numbers(frame.to_ndarray(format="rgb24") for frame in frames) == [k % 20 for k in range(61)]
    assert [frame.pts * frame.time_base for frame in frames] == [k / shown["rate"] for k in range(61)]
    heard, expected_sound = samples(tmp_path / "joined.mp4"), samples(tmp_path / "whole.mp4")
    assert np.array_equal(heard[0], expected_sound[0]) and heard[1:] == expected_sound[1:]


def test_the_pictures_of_parts_are_copied_as_they_are_encoded(tmp_path):
    parts = write_parts(tmp_path, counting(50), [(0, 24), (24, 49), (49, 50)])
    joined(tmp_path / "joined.mp4", parts, None)

    def packets(path):
        with av.open(str(path)) as container:
            return [(bytes(packet), packet.is_keyframe) for packet in container.demux(video=0) if packet.size]

    alone = [packets(part.path) for part in parts]
    assert packets(tmp_path / "joined.mp4") == [packet for part in alone for packet in part]
    assert all(part[0][1] for part in alone), "each begins with a picture that needs no other"


def test_any_part_can_be_shown_from_its_start(tmp_path):
    joined(tmp_path / "joined.mp4", write_parts(tmp_path, counting(72), [(0, 24), (24, 48), (48, 72)]), None)
    for second, number in ((0.96, 24), (1.92, 48)):
        with av.open(str(tmp_path / "joined.mp4")) as container:
            stream = container.streams.video[0]
            container.seek(round(second / stream.time_base), stream=stream)
            first = next(container.decode(video=0))
        assert first.pts * first.time_base == Fraction(number, 25)
        assert read_numbers([first.to_ndarray(format="rgb24")]) == [number % 20]


def test_parts_that_were_encoded_in_other_ways_are_refused(tmp_path):
    parts = write_parts(tmp_path, counting(20), [(0, 12)])
    write_video(tmp_path / "other.mp4", counting(8), None, encoding=Encoding("mp4", bit_depth=10))
    write_video(tmp_path / "faster.mp4", counting(8, 30.0), None)
    (tmp_path / "empty.mp4").write_bytes(bytes(100))
    for name, why in (("other", "same release of PyAV"), ("faster", "30 frames per second"), ("empty", "cannot be read")):
        with pytest.raises(OutputError, match=why):
            joined(tmp_path / "joined.mp4", [*parts, Part.of(tmp_path / f"{name}.mp4")], None)
    assert not (tmp_path / "joined.mp4").exists()


def test_a_part_that_lost_its_beginning_is_refused(tmp_path):
    (whole,) = write_parts(tmp_path, counting(20), [(0, 20)])
    with av.open(str(whole.path)) as source, av.open(str(tmp_path / "cut.mp4"), "w") as cut_off:
        stream = cut_off.add_stream_from_template(source.streams.video[0])
        for packet in list(source.demux(video=0))[3:-1]:
            packet.stream = stream
            cut_off.mux(packet)
    with pytest.raises(OutputError, match="cannot be copied"):
        joined(tmp_path / "joined.mp4", [whole, Part.of(tmp_path / "cut.mp4")], None)


def test_parts_may_come_in_matroska(tmp_path):
    """Which keeps times in milliseconds, and none for decoding."""
    stream, cuts = counting(61, 29.97), [(0, 24), (24, 48), (48, 61)]
    joined(tmp_path / "a.mp4", write_parts(tmp_path, stream, cuts), None)
    joined(tmp_path / "b.mp4", write_parts(tmp_path, stream, cuts, ".mkv"), None)
    one, other = decoded(tmp_path / "a.mp4"), decoded(tmp_path / "b.mp4")
    assert one[0] == other[0] and [frame.time for frame in one[1]] == [frame.time for frame in other[1]]
    assert all(np.array_equal(a.to_ndarray(), b.to_ndarray()) for a, b in zip(one[1], other[1], strict=True))


def test_sounds_of_parts_are_cut_where_the_pictures_end():
    whole = tone(3.1, 44100, 2)
    parts = [(1.0, whole.part(0, 1.02)), (1.0, whole.part(1, 2)), (1.0, whole.part(2, 9))]
    assert torch.equal(sound_of_parts(parts).samples, whole.samples)
    silent = sound_of_parts([parts[0], (1.0, None), parts[2]])
    assert silent.samples.shape == whole.samples.shape and not silent.samples[:, 44100:88200].any()
    assert torch.equal(silent.samples[:, 88200:], whole.samples[:, 88200:])
    assert sound_of_parts([(1.0, None)]) is None
    with pytest.raises(SoundError, match="other rates or channels"):
        sound_of_parts([parts[0], (1.0, tone(1.0, 16000, 2))])


@pytest.fixture(scope="module")
def avatar():
    return AnalyticAvatar(ModelFolders(), RENDER)


@pytest.fixture(scope="module")
def photo(assets):
    return load_picture(assets / "portraits" / "synthetic_p002.jpg")


@pytest.fixture(scope="module")
def portrait(photo):
    return prepare_portrait(photo, ModelFolders())


RENDER = MarchSettings(resolution=64, coarse=20, fine=8)
LIVELY = SpeechStyle(seed=7, acting=2.0, amplitude=1.5)
MOVING = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("options", "background", "turning"),
    [
        (PipelineOptions(size=64, speech=LIVELY, gaze=2.0), None, False),
        (PipelineOptions(size=64, speech=LIVELY, blink="periodic", pose="orbit", fps=29.97), MOVING, False),
        (PipelineOptions(size=64, framing="side by side", pose_amount=-3.0, blink="none"), None, True),
        (PipelineOptions(size=64, framing="whole photo"), MOVING[:1], False),
    ],
    ids=["blinks, gaze and acting", "a moving background and another rate", "side by side along a camera path", "whole photo"],
)
def test_frames_of_a_part_are_those_of_the_whole_film_to_the_bit(avatar, portrait, photo, assets, tmp_path, options, background, turning):
    """Also by a worker that has never rendered the frames before, and read the motion from a file."""
    motion = make_motion(avatar, options, load_sound(assets / "speech" / "librivox_0880_en.wav", 0, 1.0))
    save_motion(tmp_path / "motion.safetensors", motion)
    view = orbit_view(len(motion), motion.fps) if turning else None
    whole = render_frames(avatar, portrait, motion, options, photo, background, view)
    expected = torch.cat([chunk for _, _, chunk in whole.walk(0, 8, 4)])
    fresh, read = AnalyticAvatar(ModelFolders(), RENDER), load_motion(tmp_path / "motion.safetensors")
    part = render_frames(fresh, portrait, read, options, photo, background, view).part(4, 8)
    assert torch.equal(torch.cat(list(part.chunks(4))), expected[4:])
