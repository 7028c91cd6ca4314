"""Photos in other colours than sRGB are read as they are meant; values are those of the literature for sRGB's own colours."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from colour_profiles import ADOBE_RGB, DISPLAY_P3, PROPHOTO, SRGB, grey_profile, ink_profile
from PIL import Image, features

from real3d_core.media.pictures import load_picture

SIDE = 48
RED, GREEN, GREY = (255, 0, 0), (0, 255, 0), (128, 128, 128)


def saved(path: Path, colour, mode: str = "RGB", **options) -> Path:
    Image.new(mode, (SIDE, SIDE), colour).save(path, **options)
    return path


def seen(path: Path) -> list[int]:
    picture = load_picture(path)
    assert picture.shape == (SIDE, SIDE, 4) and (picture[..., 3] == 255).all()
    return picture[SIDE // 2, SIDE // 2, :3].tolist()


def close(colour: list[int], wanted: tuple[int, int, int], levels: int = 3) -> bool:
    return max(abs(one - other) for one, other in zip(colour, wanted, strict=True)) <= levels


@pytest.mark.parametrize(
    ("profile", "stored", "meant"),
    [
        (DISPLAY_P3, (234, 51, 35), RED),
        (DISPLAY_P3, (117, 251, 76), GREEN),
        (DISPLAY_P3, GREY, GREY),
        (ADOBE_RGB, (219, 0, 0), RED),
        (ADOBE_RGB, (144, 255, 60), GREEN),
        (PROPHOTO, (179, 70, 26), RED),
        (PROPHOTO, (138, 237, 78), GREEN),
    ],
)
@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "webp", *(["avif"] if features.check("avif") else [])])
def test_an_rgb_profile_is_followed(tmp_path, ending, profile, stored, meant):
    quality = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}, "avif": {"quality": 100, "subsampling": "4:4:4"}}
    path = saved(tmp_path / f"a.{ending}", stored, icc_profile=profile, **quality.get(ending, {}))
    assert close(seen(path), meant, 9 if ending in ("jpg", "avif") else 3)


def test_a_profile_that_means_srgb_changes_no_bit(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    noise.save(tmp_path / "a.png", icc_profile=SRGB)
    assert np.array_equal(load_picture(tmp_path / "a.png")[..., :3], np.asarray(noise))


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_is_followed(tmp_path, mode):
    path = saved(tmp_path / "a.png", 55 if mode == "L" else (55, 255), mode, icc_profile=grey_profile(1.0))
    assert close(seen(path), (128, 128, 128))  # 0.215 of the light


def test_sixteen_bits_of_grey_follow_their_profile(tmp_path):
    values = np.full((SIDE, SIDE), round(0.2158 * 65535), np.uint16)
    Image.fromarray(values).save(tmp_path / "a.tif", icc_profile=grey_profile(1.0))
    assert close(seen(tmp_path / "a.tif"), (128, 128, 128))


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_inks_have_the_colours_of_their_profile(tmp_path, ending):
    dull = ink_profile((140, 112, 108))
    red, green, blue = seen(saved(tmp_path / f"a.{ending}", (255, 0, 0, 0), "CMYK", icc_profile=dull))
    assert 60 < red < green < blue < 190, "not the pure cyan of light"
    assert seen(saved(tmp_path / f"b.{ending}", (0, 0, 0, 0), "CMYK", icc_profile=dull)) == [255, 255, 255]


def test_transparency_is_kept_beside_a_profile(tmp_path):
    saved(tmp_path / "a.png", (234, 51, 35, 77), "RGBA", icc_profile=DISPLAY_P3)
    red, green, blue, alpha = load_picture(tmp_path / "a.png")[5, 5].tolist()
    assert close([red, green, blue], RED) and alpha == 77


def test_a_palette_has_a_profile_too(tmp_path):
    Image.new("RGB", (SIDE, SIDE), (234, 51, 35)).quantize().save(tmp_path / "a.png", icc_profile=DISPLAY_P3)
    assert close(seen(tmp_path / "a.png"), RED)


@pytest.mark.parametrize(
    "profile",
    [b"no profile " * 20, DISPLAY_P3[:200], DISPLAY_P3[:132] + bytes(500), grey_profile(1.0), ink_profile((255, 128, 128)), b"\0" * 128],
    ids=["garbage", "cut off", "without contents", "of grey", "of inks", "zeros"],
)
def test_a_profile_that_is_of_no_use_counts_as_none(tmp_path, profile):
    assert seen(saved(tmp_path / "a.png", (234, 51, 35), icc_profile=profile)) == [234, 51, 35]


def png_with(path: Path, colour, *chunks: tuple[bytes, bytes], profile: bytes | None = None) -> Path:
    """A PNG with further chunks in front of its pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), colour).save(buffer, "PNG", **({"icc_profile": profile} if profile else {}))
    content = buffer.getvalue()
    added = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    path.write_bytes(content[:33] + added + content[33:])
    return path


GAMMA = (b"gAMA", struct.pack(">I", 45455))
LINEAR = (b"gAMA", struct.pack(">I", 100000))
P3 = (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
SRGB_P = (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
NONSENSE = (b"cHRM", struct.pack(">8I", *[0] * 8))


@pytest.mark.parametrize(
    ("chunks", "stored", "meant"),
    [
        ([GAMMA, P3], (234, 51, 35), RED),
        ([P3], (234, 51, 35), RED),
        ([LINEAR], (55, 55, 55), GREY),
        ([LINEAR, SRGB_P], (55, 55, 55), GREY),
        ([GAMMA, SRGB_P], (9, 99, 200), (9, 99, 200)),
        ([GAMMA], (9, 99, 200), (9, 99, 200)),
        ([(b"sRGB", b"\0"), LINEAR, P3], (234, 51, 35), (234, 51, 35)),
        ([NONSENSE], (9, 99, 200), (9, 99, 200)),
        ([(b"gAMA", bytes(4))], (9, 99, 200), (9, 99, 200)),
        ([(b"cICP", bytes((12, 13, 0, 1)))], (234, 51, 35), RED),
        ([(b"cICP", bytes((1, 13, 0, 1))), P3], (9, 99, 200), (9, 99, 200)),
        ([(b"cICP", bytes((1, 8, 0, 1)))], (55, 55, 55), GREY),
        ([(b"cICP", bytes((9, 16, 0, 1)))], (109, 109, 109), GREY),  # 43.8 cd/m2
        ([(b"cICP", bytes((9, 18, 0, 1)))], (120, 120, 120), GREY),
        ([(b"cICP", bytes((200, 77, 0, 1)))], (9, 99, 200), (9, 99, 200)),
    ],
)
def test_a_png_says_in_chunks_what_its_numbers_mean(tmp_path, chunks, stored, meant):
    assert close(seen(png_with(tmp_path / "a.png", stored, *chunks)), meant)


def test_the_numbers_of_h273_go_before_a_pngs_profile(tmp_path):
    path = png_with(tmp_path / "a.png", (234, 51, 35), (b"cICP", bytes((12, 13, 0, 1))), profile=ADOBE_RGB)
    assert close(seen(path), RED)


def test_what_is_brighter_than_white_keeps_its_hue(tmp_path):
    red, green, blue = seen(png_with(tmp_path / "a.png", (200, 180, 160), (b"cICP", bytes((1, 16, 0, 1)))))
    assert 255 >= red > green > blue > 80


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_an_avif_of_high_dynamic_range_is_shown_in_standard_range(tmp_path):
    path = saved(tmp_path / "a.avif", (109, 109, 109), quality=100)
    content = path.read_bytes()
    start = content.index(b"colrnclx") + 8
    path.write_bytes(content[:start] + struct.pack(">HH", 9, 16) + content[start + 4 :])
    assert close(seen(path), GREY, 5)


def test_a_camera_says_adobe_rgb_without_a_profile(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    path = saved(tmp_path / "a.jpg", (219, 0, 0), exif=exif, quality=100, subsampling=0)
    assert Image.open(path).getexif().get_ifd(0xA005)[1].startswith("R03")
    assert close(seen(path), RED, 6)
