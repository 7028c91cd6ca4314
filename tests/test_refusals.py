"""The reason given for a file that cannot be read is the true one, in one printable line, whatever the file is and is called."""

import os
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from real3d_core.errors import Real3DError, one_line
from real3d_core.media.clip import open_clip
from real3d_core.media.container import protected_kinds
from real3d_core.media.pictures import load_picture
from real3d_core.media.sound import load_sound

DOORS = {"picture": load_picture, "sound": load_sound, "video": open_clip}


def reason(door: str, path: Path | str) -> str:
    with pytest.raises(Real3DError) as failure:
        DOORS[door](path)
    sentence = str(failure.value)
    assert len(sentence.splitlines()) == 1 and sentence.endswith(".")
    sentence.encode("utf-8")
    return sentence


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("film.mp4", bytes(100))
    return path


def film(path: Path, pictures: int = 10, samples: int = 8000, **options) -> Path:
    """Noise for the eye and for the ear."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w", options=options) as container:
        video, audio = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=16000, layout="mono")
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        packets = []
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        if samples:
            noise = random.standard_normal((1, samples)).astype(np.float32) / 10
            frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
            packets += audio.encode(frame)
        packets += audio.encode(None)
        for packet in sorted((one for one in packets if one.dts is not None), key=lambda one: float(one.dts * one.time_base)):
            container.mux(packet)
    return path


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"Dear diary, today I made a film.\n" * 50, "a text"),
        (b"\xef\xbb\xbf  <!DOCTYPE HTML><title>404 Not Found</title>" * 20, "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a pointer of Git LFS"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(range(256)), "an archive"),
        (b"%PDF-1.7 " * 99, "a PDF document"),
    ],
)
def test_what_is_no_medium_at_all_is_called_what_it_is(tmp_path, door, content, says):
    for ending in ("mp4", "wav", "png"):
        assert says in reason(door, written(tmp_path / f"a.{ending}", content))


@pytest.mark.parametrize("door", DOORS)
def test_an_archive_is_called_one(tmp_path, door):
    assert "an archive" in reason(door, archive(tmp_path / "a.mp4"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n" + bytes(200), "light values"),
        (b"II*\0" + bytes(200), "a TIFF or a camera's raw file"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(200), "is a sound"),
        (b"\x1aE\xdf\xa3" + bytes(200), "is a video"),
    ],
)
def test_what_is_no_photo_is_called_what_it_is(tmp_path, content, says):
    assert says in reason("picture", written(tmp_path / "a.png", content))


def test_pictures_have_no_sound_and_sounds_no_pictures(assets):
    assert "no sound track" in reason("sound", assets / "portraits" / "astronaut.png")
    assert "no picture track" in reason("video", assets / "speech" / "librivox_0880_en.wav")


def test_a_track_without_anything_in_it_is_empty_not_damaged(tmp_path):
    assert "holds no pictures" in reason("video", film(tmp_path / "a.mkv", pictures=0))
    assert "holds no samples" in reason("sound", film(tmp_path / "b.mkv", samples=0))


def test_one_picture_is_a_clip(tmp_path):
    assert sum(1 for _ in open_clip(film(tmp_path / "a.mp4", pictures=1, samples=0)).frames()) == 1


class TestProtected:
    def test_what_is_encrypted_is_not_shown_as_noise(self, tmp_path):
        key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "0123456789abcdef" * 2, "encryption_kid": "00" * 16}
        path = film(tmp_path / "a.mp4", **key)
        for door in ("video", "sound"):
            assert "protected against copying" in reason(door, path)

    @pytest.mark.parametrize(
        ("own", "marked", "closed", "opens"),
        [(b"avc1", b"encv", "video", "sound"), (b"mp4a", b"drms", "sound", "video"), (b"mp4a", b"enca", "sound", "video")],
    )
    def test_the_other_track_is_open(self, tmp_path, own, marked, closed, opens):
        path = written(tmp_path / "a.mp4", film(tmp_path / "plain.mp4").read_bytes().replace(own, marked))
        assert "protected against copying" in reason(closed, path)
        DOORS[opens](path)
        assert closed == "video" or open_clip(path).sound() is None

    def test_a_format_that_nobody_knows_is_no_missing_track(self, tmp_path):
        path = written(tmp_path / "a.mp4", film(tmp_path / "plain.mp4").read_bytes().replace(b"avc1", b"xyz1"))
        assert "has pictures in a format that FFmpeg cannot decode here" in reason("video", path)

    @pytest.mark.parametrize(
        "content", [b"", b"\0\0\0\x01moov", b"\0\0\0\0moovstsd", b"\0\0\0\x08free" * 3, b"\xff" * 40, b"\0\0\0\x05moov"]
    )
    def test_odd_boxes_are_no_trouble(self, tmp_path, content):
        assert protected_kinds(written(tmp_path / "a.mp4", content)) == set()


@pytest.mark.parametrize("door", DOORS)
def test_places_where_no_file_is(tmp_path, door):
    assert "name of the" in reason(door, "")
    assert "does not exist" in reason(door, "a\0b.mp4")
    assert "check its name" in reason(door, tmp_path / ("x" * 300))
    if os.name == "posix":
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        assert "symbolic links); check its name" in reason(door, tmp_path / "loop")
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        assert "does not exist" in reason(door, tmp_path / "dangling")
        os.mkfifo(tmp_path / "pipe.mp4")
        assert "a pipe or a device" in reason(door, tmp_path / "pipe.mp4")


@pytest.mark.parametrize("door", DOORS)
def test_what_is_not_permitted_is_called_that(tmp_path, door, monkeypatch):
    def refused(*arguments, **named):
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path / "a.mp4", b"content")
    monkeypatch.setattr("builtins.open", refused)
    assert "(Permission denied); check its permissions" in reason(door, path)


@pytest.mark.parametrize(
    "name", ["a\nb.mp4", "a\rb.mp4", "a\x1b[31mb.mp4", "a\udcffb.mp4", "a\u2028b.mp4", "a\u202eb.mp4", "-a.mp4", "100%s.mp4"]
)
def test_any_name_fits_into_a_line(tmp_path, name):
    for door in DOORS:
        assert "does not exist" in reason(door, tmp_path / name)


def test_readable_names_stay_as_they_are():
    for name in ("影片 élève.mp4", "👩‍👩‍👧 family.mp4", "مرحبا.mp4", "a b.mp4"):
        assert one_line(name) == name
