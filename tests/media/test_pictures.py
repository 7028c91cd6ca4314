"""Pictures: every kind of photo becomes upright RGBA; every unusable one gives one sentence; PNG appear whole or not at all."""

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError, features

from real3d_core.errors import OutputError, PictureError
from real3d_core.media import pictures
from real3d_core.media.pictures import load_picture, opaque, save_png


@pytest.fixture
def face(assets) -> Image.Image:
    """A real photo, not square: 128 wide, 96 high."""
    return Image.open(assets / "portraits" / "astronaut.png").convert("RGB").resize((128, 128)).crop((0, 0, 128, 96))


def test_a_photo_keeps_its_pixels(assets):
    picture = load_picture(assets / "portraits" / "astronaut.png")
    assert picture.shape == (512, 512, 4) and picture.dtype == np.uint8
    assert np.array_equal(picture[..., :3], np.asarray(Image.open(assets / "portraits" / "astronaut.png").convert("RGB")))
    assert (picture[..., 3] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_photo_upright(tmp_path, face, orientation):
    turned = {
        1: [],
        2: ["FLIP_LEFT_RIGHT"],
        3: ["ROTATE_180"],
        4: ["FLIP_TOP_BOTTOM"],
        5: ["TRANSPOSE"],
        6: ["ROTATE_90"],
        7: ["TRANSVERSE"],
    }
    stored = face
    for step in turned.get(orientation, ["ROTATE_270"]):
        stored = stored.transpose(Image.Transpose[step])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(load_picture(tmp_path / "a.png")[..., :3], np.asarray(face))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_every_colour_mode_becomes_rgba(tmp_path, face, mode):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr", "LAB") else "a.png")
    if mode == "LAB":
        from PIL import ImageCms

        converted = ImageCms.applyTransform(
            face, ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        )
    else:
        converted = face.convert(mode)
    converted.save(path)
    picture = load_picture(path)
    assert picture.shape == (96, 128, 4)
    expected = np.asarray(face.convert("L").convert("RGB") if mode in ("1", "L", "LA") else face, dtype=np.float64)
    assert np.abs(picture[..., :3] - expected).mean() < {"1": 110, "P": 20, "LAB": 6, "YCbCr": 3}.get(mode, 1.01)
    assert abs(picture[..., :3].mean() - expected.mean()) < 6


def test_a_cmyk_jpeg_has_its_colours_the_right_way_round(tmp_path, face):
    face.convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    picture = load_picture(tmp_path / "a.jpg")
    assert np.abs(picture[..., :3].astype(float) - np.asarray(face)).mean() < 6


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path):
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64)
    Image.fromarray(ramp.astype(np.uint16)).save(tmp_path / "a.png")
    picture = load_picture(tmp_path / "a.png")
    assert np.abs(picture[..., 0] - ramp / 257).max() <= 0.51
    assert np.array_equal(picture[..., 0], picture[..., 2])


def test_transparency_is_kept(tmp_path, face):
    alpha = Image.fromarray(np.tile(np.arange(128, dtype=np.uint8), (96, 1)))
    face.putalpha(alpha)
    face.save(tmp_path / "a.png")
    assert np.array_equal(load_picture(tmp_path / "a.png")[..., 3], np.asarray(alpha))


GREY = [("grey", depth) for depth in (1, 2, 4, 8, 16)]
COLOURED = [("RGB", 8), ("RGB", 16), *(("palette", depth) for depth in (1, 2, 4, 8))]


@pytest.mark.parametrize(("kind", "depth"), [*GREY, *COLOURED])
def test_a_transparent_colour_is_found_at_every_depth(tmp_path, kind, depth):
    """The left half has it, the right half another one."""
    other, parts = (1 if kind == "palette" else 2**depth - 1), (3 if kind == "RGB" else 1)
    hidden = {1: 0, 2: 1, 4: 1, 8: 7, 16: 1234}[depth] if kind != "palette" else 0
    pixel = [format(value, f"0{depth}b") * parts for value in (hidden, other)]
    row = b"\0" + int(pixel[0] * 32 + pixel[1] * 32, 2).to_bytes(8 * depth * parts, "big")
    number = {"grey": 0, "RGB": 2, "palette": 3}[kind]
    told = b"\0" if kind == "palette" else struct.pack(">H", hidden) * parts
    colours = [(b"PLTE", b"\x10\x20\x30\xff\xff\xff")] if kind == "palette" else []
    (tmp_path / "a.png").write_bytes(png(64, 64, depth, number, row * 64, *colours, (b"tRNS", told)))
    picture = load_picture(tmp_path / "a.png")
    assert (picture[:, :32, 3] == 0).all() and (picture[:, 32:] == 255).all() and (opaque(picture) == 255).all()


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "avif"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, kind):
    if kind in ("webp", "avif") and not features.check(kind):
        pytest.skip(f"this Pillow knows no {kind}")
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / f"a.{kind}", save_all=True, append_images=frames[1:], duration=100)
    red, green, blue, alpha = load_picture(tmp_path / f"a.{kind}")[20, 20].tolist()
    assert red > 245 and max(green, blue) < 10 and alpha == 255


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow knows no AVIF")
def test_avif_is_read(tmp_path, face):
    face.save(tmp_path / "a.avif", quality=95)
    assert np.abs(load_picture(tmp_path / "a.avif")[..., :3].astype(float) - np.asarray(face)).mean() < 4


def test_heic_is_read_upright_where_pillow_heif_is_installed(tmp_path, face):
    heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    heif.from_pillow(face.transpose(Image.Transpose.ROTATE_90)).save(tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    picture = load_picture(tmp_path / "a.heic")
    assert picture.shape == (96, 128, 4)
    assert np.abs(picture[..., :3].astype(float) - np.asarray(face)).mean() < 4


def ftyp(*brands: bytes) -> bytes:
    """The start of a file of the MP4 family."""
    names = brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I", 8 + len(names)) + b"ftyp" + names + bytes(500)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (ftyp(b"heic", b"mif1", b"heic"), "is an HEIC picture: install pillow-heif"),
        (ftyp(b"mif1", b"heix", b"miaf"), "is an HEIC picture: install pillow-heif"),
        (ftyp(b"avif", b"mif1", b"miaf"), "is an AVIF picture: update Pillow"),
        (ftyp(b"isom", b"mp41", b"avc1"), "is a video: save one of its frames"),
        (ftyp(b"qt  "), "is a video"),
        (b"\x1aE\xdf\xa3" + bytes(500), "is a video"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(500), "is a video"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(500), "is a JPEG XL picture"),
        (b"\xff\x0a" + bytes(500), "is a JPEG XL picture"),
        (b"%PDF-1.7" + bytes(500), "is a PDF document"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "is an SVG drawing"),
        (b"\0\0\0\x08ftyp", "cannot be read"),
    ],
)
def test_what_no_library_here_reads_is_called_what_it_is(tmp_path, monkeypatch, content, says):
    monkeypatch.setattr(pictures.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(pictures.Image, "registered_extensions", dict)
    monkeypatch.setattr(pictures.Image, "open", unidentified)
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError) as failure:
        load_picture(tmp_path / "a.png")
    sentence = str(failure.value)
    assert f"a.png' {says}" in sentence and sentence.endswith(".") and "\n" not in sentence


def unidentified(path):
    raise UnidentifiedImageError


def test_what_hides_under_transparency_does_not_show():
    picture = np.zeros((2, 2, 4), np.uint8)
    picture[..., 0] = 200
    picture[..., 3] = [[255, 0], [51, 255]]
    assert opaque(picture).tolist() == [[[200, 0, 0], [255, 255, 255]], [[244, 204, 204], [200, 0, 0]]]
    assert opaque(picture, 0)[..., 0].tolist() == [[200, 0], [40, 200]]
    assert np.array_equal(opaque(picture[..., :3]), picture[..., :3])


def missing(folder: Path, photo: bytes) -> Path:
    return folder / "nothing.png"


def folder(folder: Path, photo: bytes) -> Path:
    return folder


def empty(folder: Path, photo: bytes) -> Path:
    (folder / "a.png").touch()
    return folder / "a.png"


def text(folder: Path, photo: bytes) -> Path:
    (folder / "a.png").write_text("not a picture")
    return folder / "a.png"


def truncated(folder: Path, photo: bytes) -> Path:
    (folder / "a.png").write_bytes(photo[: len(photo) // 2])
    return folder / "a.png"


def one_pixel(folder: Path, photo: bytes) -> Path:
    Image.new("RGB", (1, 1)).save(folder / "a.png")
    return folder / "a.png"


def flat(folder: Path, photo: bytes) -> Path:
    Image.new("RGB", (400, 31)).save(folder / "a.png")
    return folder / "a.png"


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG file of rows as they are stored; kind: 0 grey, 2 RGB, 3 palette. more: further blocks."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    blocks = ((b"IHDR", header), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    packed = (struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in blocks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def bomb(folder: Path, photo: bytes, width: int = 20000, height: int = 5001) -> Path:
    """A PNG header that claims more pixels than the file holds bytes."""
    (folder / "a.png").write_bytes(png(width, height, 8, 2, b"\0" * 999))
    return folder / "a.png"


def huge_bomb(folder: Path, photo: bytes) -> Path:
    return bomb(folder, photo, 60000, 60000)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (missing, "does not exist"),
        (folder, "is a folder"),
        (empty, "is empty"),
        (text, "cannot be read"),
        (truncated, "cannot be read"),
        (one_pixel, "is 1 x 1 pixels; at least 32 x 32"),
        (flat, "is 400 x 31 pixels; at least 32 x 32"),
        (bomb, "more than 100 megapixels"),
        (huge_bomb, "more than 100 megapixels"),
    ],
)
def test_unusable_pictures_give_one_sentence(assets, tmp_path, broken, says):
    path = broken(tmp_path, (assets / "portraits" / "astronaut.png").read_bytes())
    with pytest.raises(PictureError) as failure:
        load_picture(path)
    sentence = str(failure.value)
    assert says in sentence and str(path) in sentence and "\n" not in sentence and sentence.endswith(".")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", *(["AVIF"] if features.check("avif") else [])])
def test_damaged_bytes_never_give_another_error(tmp_path, face, kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    face.resize((40, 36)).save(tmp_path / "clean", format=kind, exif=exif)
    clean = (tmp_path / "clean").read_bytes()
    random = np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(clean)
        for place in random.integers(0, min(len(clean), 1200), 6):
            damaged[place] = random.integers(0, 256)
        (tmp_path / "damaged").write_bytes(damaged[: random.integers(1, len(clean) + 1)])
        with suppress(PictureError):
            assert load_picture(tmp_path / "damaged").shape[2] == 4


@pytest.mark.parametrize("shape", [(32, 48), (32, 48, 3), (32, 48, 4)])
def test_a_written_png_reads_back_the_same(tmp_path, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    save_png(tmp_path / "a.png", image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_failed_write_leaves_the_old_picture_and_nothing_else(tmp_path, monkeypatch):
    save_png(tmp_path / "a.png", np.zeros((32, 32), np.uint8))
    before = (tmp_path / "a.png").read_bytes()

    def interrupted(self, path, format):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures.Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_png(tmp_path / "a.png", np.ones((32, 32), np.uint8))
    assert (tmp_path / "a.png").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("name", "says"), [("a.jpg", "must end in .png"), ("gone/a.png", "does not exist"), ("there.png", "is a folder")])
def test_impossible_outputs_give_one_sentence(tmp_path, name, says):
    (tmp_path / "there.png").mkdir()
    with pytest.raises(OutputError, match=says):
        save_png(tmp_path / name, np.zeros((32, 32), np.uint8))
