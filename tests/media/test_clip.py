"""Clips are read at a constant rate, upright, in standard range, with their sound in its place."""

import math
import subprocess
import sys
import types
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import counting, read_numbers, set_display_matrix, write_clip, write_clip_with_sound
from PIL import Image, ImageCms

from real3d_core.errors import ClipError
from real3d_core.media.clip import Clip, _orientation, open_clip
from real3d_core.media.film import write_video

ROOT = Path(__file__).resolve().parent.parent.parent


def seen_and_heard(path: Path, start: float = 0.0, fps: float = 100.0) -> tuple[float, float]:
    """Seconds at which the flash is seen, and the beep heard, after `start`."""
    clip = open_clip(path).part(start)
    flash = next(number for number, picture in enumerate(clip.frames(fps)) if picture.mean() > 128) / fps
    sound = clip.sound()
    half_a_picture = 0.02  # a picture is shown from half way to the one before
    return flash + half_a_picture, float((sound.samples[0].abs() > 0.2).float().argmax()) / sound.rate


def perceptual_quantizer(light: float) -> float:
    """SMPTE ST 2084, of cd/m2."""
    power = (light / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hybrid_log_gamma(light: float) -> float:
    """ITU-R BT.2100, of cd/m2 on a display of 1000."""
    scene = (light / 1000) ** (1 / 1.2)
    return math.sqrt(3 * scene) if scene <= 1 / 12 else 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


class OtherSideData:
    """A picture with side data that PyAV does not know."""

    def __init__(self, rotation: int):
        self.rotation = rotation

    @property
    def side_data(self) -> dict:
        raise ValueError("31 is not a valid Type")


class TestReading:
    def test_a_constant_rate_clip_is_read_frame_for_frame(self, tmp_path):
        clip = open_clip(write_clip(tmp_path / "a.mp4", list(range(0, 2000, 40))))
        assert (clip.width, clip.height, clip.has_sound) == (64, 32, False)
        assert abs(clip.fps - 25) < 0.01 and abs(clip.duration - 2.0) < 0.01
        pictures = list(clip.frames(25.0))
        assert read_numbers(pictures) == [k % 20 for k in range(50)]
        assert pictures[0].shape == (32, 64, 3) and pictures[0].dtype == np.uint8

    @pytest.mark.parametrize(("fps", "expected"), [(12.5, 25), (50.0, 100), (30.0, 60)])
    def test_another_rate_takes_the_nearest_pictures(self, tmp_path, fps, expected):
        clip = open_clip(write_clip(tmp_path / "a.mp4", list(range(0, 2000, 40))))
        numbers = read_numbers(clip.frames(fps))
        assert len(numbers) == expected
        for k, number in enumerate(numbers):
            distance = [abs(source / 25 - k / fps) for source in range(50)]
            nearest = {source % 20 for source in range(50) if distance[source] < min(distance) + 1e-6}
            assert number in nearest

    def test_a_variable_rate_is_laid_out_by_its_time_stamps(self, tmp_path):
        clip = open_clip(write_clip(tmp_path / "a.mp4", [0, 40, 80, 480, 520, 560]))
        numbers = read_numbers(clip.frames(25.0))
        assert numbers[:3] == [0, 1, 2]
        assert numbers[3:7] == [2, 2, 2, 2], "nearer to 80 ms than to 480 ms"
        assert numbers[7] in (2, 3) and numbers[8:15] == [3, 3, 3, 3, 3, 4, 5]

    def test_the_first_picture_is_time_zero_wherever_the_clock_starts(self, tmp_path):
        clip = open_clip(write_clip(tmp_path / "a.mkv", list(range(5000, 6000, 40))))
        assert read_numbers(clip.frames(25.0)) == [k % 20 for k in range(25)]

    def test_reading_twice_gives_the_same(self, tmp_path):
        clip = open_clip(write_clip(tmp_path / "a.mp4", list(range(0, 400, 40))))
        assert read_numbers(clip.frames()) == read_numbers(clip.frames()) == list(range(10))

    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_a_phone_held_upright_gives_upright_pictures(self, tmp_path, turns):
        upright = np.zeros((64, 32, 3) if turns % 2 else (32, 64, 3), np.uint8)
        upright[:16, :16] = (255, 0, 0)  # a red corner at the top left
        stored = np.ascontiguousarray(np.rot90(upright, -turns))
        with av.open(str(tmp_path / "a.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
            container.mux(stream.encode(None))
        a, b = {1: (0, -1), 2: (-1, 0), 3: (0, 1)}[turns]  # 3 is what a phone writes: shown turned once clockwise
        set_display_matrix(tmp_path / "a.mp4", a, b, -b, a)
        clip = open_clip(tmp_path / "a.mp4")
        assert (clip.height, clip.width) == upright.shape[:2]
        (picture,) = clip.frames()
        assert picture.shape == upright.shape and np.abs(picture.astype(int) - upright).mean() < 12
        with av.open(str(tmp_path / "a.mp4")) as container:
            decoded = next(container.decode(video=0))
        for unreadable in (types.SimpleNamespace(rotation=decoded.rotation), OtherSideData(decoded.rotation)):
            assert _orientation(unreadable, "png") == _orientation(decoded, "h264")
        assert _orientation(OtherSideData(decoded.rotation), "tiff") == _orientation(decoded, "h264")

    def test_a_png_with_a_colour_profile_does_not_end_the_process(self, tmp_path):
        """PyAV 18 frees what such a picture carries twice, as soon as it is collected."""
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        Image.new("RGB", (64, 48), "red").save(tmp_path / "a.png", icc_profile=profile)
        script = (
            "import gc, sys; from real3d_core.media.clip import open_clip; clip = open_clip(sys.argv[1]); list(clip.frames()); gc.collect()"
        )
        done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.png")], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-500:]

    @pytest.mark.parametrize(
        ("matrix", "shown"),
        [
            ((-1, 0, 0, 1), np.fliplr),
            ((1, 0, 0, -1), np.flipud),
            ((0, 1, 1, 0), lambda stored: stored.swapaxes(0, 1)),
            ((0, -1, -1, 0), lambda stored: np.rot90(stored, 2).swapaxes(0, 1)),
        ],
        ids=["mirrored", "upside down and mirrored", "turned and mirrored", "turned the other way and mirrored"],
    )
    def test_a_display_matrix_that_mirrors_is_followed(self, tmp_path, matrix, shown):
        stored = np.zeros((32, 64, 3), np.uint8)
        stored[:16, :16] = (255, 0, 0)
        with av.open(str(tmp_path / "a.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
            container.mux(stream.encode(None))
        set_display_matrix(tmp_path / "a.mp4", *matrix)
        clip = open_clip(tmp_path / "a.mp4")
        (picture,) = clip.frames()
        assert picture.shape == shown(stored).shape == (clip.height, clip.width, 3)
        assert np.abs(picture.astype(int) - shown(stored)).mean() < 12

    @pytest.mark.parametrize("ending", ["mp4", "mkv"])
    def test_sound_that_starts_before_the_pictures_keeps_its_distance(self, tmp_path, ending):
        path = write_clip_with_sound(tmp_path / f"a.{ending}", picture_at=0.6, sound_at=0.0)
        seen, heard = seen_and_heard(path)
        assert seen - heard == pytest.approx(0.6, abs=0.03)
        assert heard == pytest.approx(1.0, abs=0.08), "the muxer of PyAV 14 moves both by two packets of sound"

    @pytest.mark.parametrize("ending", ["mp4", "mkv"])
    def test_sound_that_starts_after_the_pictures_keeps_its_distance(self, tmp_path, ending):
        path = write_clip_with_sound(tmp_path / f"a.{ending}", picture_at=0.0, sound_at=0.6)
        assert seen_and_heard(path) == pytest.approx((1.0, 1.6), abs=0.03)

    @pytest.mark.parametrize("ending", ["mp4", "mkv", "mov", "ts", "flv"])
    @pytest.mark.parametrize(("picture_at", "sound_at"), [(5.6, 5.0), (5.0, 5.6), (3000.0, 3000.6), (-0.3, 0.0), (-0.6, -0.3), (0.0, 0.0)])
    def test_pictures_and_sound_share_one_clock_wherever_it_starts(self, tmp_path, ending, picture_at, sound_at):
        path = write_clip_with_sound(tmp_path / f"a.{ending}", picture_at, sound_at)
        seen, heard = seen_and_heard(path)
        assert seen - heard == pytest.approx(picture_at - sound_at, abs=0.04)
        clip = open_clip(path)
        assert clip.duration == pytest.approx(sum(1 for _ in clip.frames()) / 25, abs=0.7), "the pictures, or whichever ends later"

    @pytest.mark.parametrize("ending", ["mp4", "mkv"])
    @pytest.mark.parametrize("apart", [70.0, -70.0])
    def test_a_minute_between_pictures_and_sound_is_kept(self, tmp_path, ending, apart):
        path = write_clip_with_sound(tmp_path / f"a.{ending}", max(apart, 0.0), max(-apart, 0.0))
        seen, heard = seen_and_heard(path, fps=25.0)
        assert seen - heard == pytest.approx(apart, abs=0.06)

    @pytest.mark.parametrize("start", [0.4, 3.2])
    def test_a_part_shows_and_sounds_as_the_whole_does_there(self, tmp_path, start):
        path = write_clip_with_sound(tmp_path / "a.mp4", picture_at=0.6, sound_at=0.0, beat=4.0, seconds=5)
        assert seen_and_heard(path, start) == pytest.approx((4.6 - start, 4.0 - start), abs=0.03)

    def test_a_part_holds_the_pictures_that_begin_in_it(self, tmp_path):
        clip = open_clip(write_clip(tmp_path / "a.mp4", list(range(0, 8000, 40))))
        for first, last in ((0, 10), (7, 9), (100, 130), (190, 200)):
            part = clip.part(first / 25, (last - first) / 25)
            assert read_numbers(part.frames()) == [k % 20 for k in range(first, last)]
            assert abs(part.duration - (last - first) / 25) < 1e-6
        assert read_numbers(clip.part(4.0).part(1.0, 0.2).frames()) == [k % 20 for k in range(125, 130)], "a part of a part"
        assert read_numbers(clip.part(7.8, 100.0).frames()) == [k % 20 for k in range(195, 200)], "no further than to the end"

    def test_a_part_between_two_pictures_shows_the_one_before(self, tmp_path):
        clip = open_clip(write_clip(tmp_path / "a.mp4", [0, 40, 80, 480, 520, 560]))
        assert read_numbers(clip.part(0.2, 0.2).frames()) == [2] * 5

    @pytest.mark.parametrize("start", [2.0, 3.0])
    def test_a_part_outside_the_clip_is_one_sentence(self, tmp_path, start):
        with pytest.raises(ClipError, match=r"^The video '.*' lasts 2\.00 s; there is no picture from \d\.00 s on\.$"):
            open_clip(write_clip(tmp_path / "a.mp4", list(range(0, 2000, 40)))).part(start, 1.0)

    @pytest.mark.skipif(not hasattr(av.VideoFrame, "duration"), reason="PyAV 14 does not tell how long the last picture is shown")
    def test_every_picture_of_a_gif_is_shown_for_its_own_time(self, tmp_path):
        pictures = [Image.new("RGB", (64, 32), (level * 60,) * 3) for level in range(4)]
        pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[200, 40, 800, 400])
        clip = open_clip(tmp_path / "a.gif")
        assert abs(clip.duration - 1.44) < 1e-6
        levels = [round(float(picture.mean()) / 60) for picture in clip.frames()]
        assert len(levels) == 36 and levels[-10:] == [3] * 10 and levels[:3] == [0] * 3

    @pytest.mark.parametrize("curve", [16, 18], ids=["PQ", "HLG"])
    def test_high_dynamic_range_is_shown_in_standard_range(self, tmp_path, curve):
        grey = 128 / 255
        light = 203 * ((grey + 0.055) / 1.055) ** 2.4  # cd/m2, white being 203 (ITU-R BT.2408)
        with av.open(str(tmp_path / "a.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p10le"
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, curve, 9, 1
            value = perceptual_quantizer(light) if curve == 16 else hybrid_log_gamma(light)
            pixels = np.full((32, 64, 3), round(value * 65535), np.uint16)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb48le")
            container.mux(stream.encode(frame.reformat(format="yuv420p10le", dst_colorspace=9, dst_color_range=1)))
            container.mux(stream.encode(None))
        (picture,) = open_clip(tmp_path / "a.mp4").frames()
        brightness = float(picture.mean())
        if int(av.__version__.split(".")[0]) < 18:
            assert 100 < brightness < 128, "only dull, as this PyAV cannot convert it"
        else:
            assert abs(brightness - 128) < 4

    @pytest.mark.skipif(int(av.__version__.split(".")[0]) < 18, reason="this PyAV cannot convert primaries")
    @pytest.mark.parametrize("limited", [1, 2], ids=["limited range", "full range"])
    @pytest.mark.parametrize(
        ("primaries", "curve", "matrix", "stored"), [(12, 13, 1, (234, 51, 35)), (9, 14, 9, (197, 70, 25))], ids=["Display P3", "BT.2020"]
    )
    def test_more_colours_than_srgb_has_are_converted(self, tmp_path, primaries, curve, matrix, stored, limited):
        with av.open(str(tmp_path / "a.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
            stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p10le"
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = primaries, curve, matrix, limited
            frame = av.VideoFrame.from_ndarray(np.full((32, 64, 3), stored, np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p10le", dst_colorspace=matrix, dst_color_range=limited)))
            container.mux(stream.encode(None))
        (picture,) = open_clip(tmp_path / "a.mp4").frames()
        red, green, blue = picture[16, 32].tolist()
        assert red > 225 and green < 60 and blue < 15, "as red as sRGB can be; FFmpeg keeps some of what it cannot be"

    @pytest.mark.parametrize("samples", [0, 1600], ids=["no samples", "0.1 s"])
    def test_a_sound_too_short_to_be_of_use_counts_as_none(self, tmp_path, samples):
        path = tmp_path / "a.mkv"
        with av.open(str(path), "w") as container:
            pictures, sound = container.add_stream("libx264", rate=25), container.add_stream("pcm_s16le", rate=16000, layout="mono")
            pictures.width, pictures.height, pictures.pix_fmt = 64, 32, "yuv420p"
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((32, 64, 3), np.uint8))))
            container.mux(pictures.encode(None))
            if samples:
                frame = av.AudioFrame.from_ndarray(np.ones((1, samples), np.int16), format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        clip = open_clip(path)
        assert clip.has_sound and clip.sound() is None

    def test_oblong_pixels_are_made_square(self, tmp_path):
        def oblong(stream):
            stream.codec_context.sample_aspect_ratio = Fraction(1, 2)

        clip = open_clip(write_clip(tmp_path / "a.mp4", [0, 40], prepare=oblong))
        assert (clip.width, clip.height) == (32, 32)
        assert next(clip.frames()).shape == (32, 32, 3)

    def test_a_clip_that_breaks_off_is_read_as_far_as_it_goes(self, tmp_path):
        write_video(tmp_path / "whole.mp4", counting(100), None)  # its index stands in front
        whole = (tmp_path / "whole.mp4").read_bytes()
        (tmp_path / "a.mp4").write_bytes(whole[: whole.index(b"mdat") + (len(whole) - whole.index(b"mdat")) // 2])
        numbers = read_numbers(open_clip(tmp_path / "a.mp4").frames())
        assert 5 < len(numbers) < 100 and numbers == [k % 20 for k in range(len(numbers))]

    def test_real_driving_clips(self, shared_media):
        clip = open_clip(shared_media / "driving" / "may_5s.mp4")
        assert (clip.width, clip.height, clip.fps, clip.has_sound) == (512, 512, 25.0, True)
        assert sum(1 for _ in clip.frames(25.0)) == 125
        carphone = open_clip(shared_media / "driving" / "carphone.mp4")
        assert (carphone.height, carphone.width, carphone.has_sound) == (144, 193, False)  # 176 pixels of 128:117
        assert sum(1 for _ in carphone.frames(25.0)) == 101  # 120 frames at 30000/1001

    @staticmethod
    def missing(folder: Path) -> Path:
        return folder / "a.mp4"

    @staticmethod
    def folder(folder: Path) -> Path:
        return folder

    @staticmethod
    def empty(folder: Path) -> Path:
        (folder / "a.mp4").touch()
        return folder / "a.mp4"

    @staticmethod
    def text(folder: Path) -> Path:
        (folder / "a.mp4").write_text("once upon a time\n" * 99)
        return folder / "a.mp4"

    @staticmethod
    def without_its_index(folder: Path) -> Path:
        whole = write_clip(folder / "whole.mp4", list(range(0, 2000, 40))).read_bytes()
        (folder / "a.mp4").write_bytes(whole[: len(whole) // 2])
        return folder / "a.mp4"

    @staticmethod
    def without_readable_pictures(folder: Path) -> Path:
        whole = bytearray(write_clip(folder / "whole.mp4", list(range(0, 400, 40))).read_bytes())
        start, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
        whole[start:end] = b"\xa5" * (end - start)
        (folder / "a.mp4").write_bytes(whole)
        return folder / "a.mp4"

    @staticmethod
    def sound_only(folder: Path) -> Path:
        with av.open(str(folder / "a.m4a"), "w") as container:
            stream = container.add_stream("aac", rate=48000, layout="mono")
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 48000
            container.mux(stream.encode(silence))
            container.mux(stream.encode(None))
        return folder / "a.m4a"

    @pytest.mark.parametrize(
        ("broken", "says"),
        [
            ("missing", "does not exist"),
            ("folder", "is a folder"),
            ("empty", "is empty"),
            ("text", "cannot be read"),
            ("without_its_index", "cannot be read"),
            ("without_readable_pictures", "has no readable picture"),
            ("sound_only", "has no picture track"),
        ],
    )
    def test_unusable_clips_give_one_sentence(self, tmp_path, capfd, broken, says):
        path = getattr(self, broken)(tmp_path)
        with pytest.raises(ClipError) as failure:
            open_clip(path)
        sentence = str(failure.value)
        assert says in sentence and str(path) in sentence and "\n" not in sentence and sentence.endswith(".")
        assert capfd.readouterr() == ("", ""), "FFmpeg's own messages are kept from the user"


def test_a_clip_is_a_value(tmp_path):
    path = write_clip(tmp_path / "a.mp4", [0, 40])
    assert open_clip(path) == open_clip(path) and isinstance(open_clip(path), Clip)
