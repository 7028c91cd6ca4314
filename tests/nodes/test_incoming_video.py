"""A VIDEO that comes in is read as the host means it: whole, in part, edited, from memory; and never loaded where that can be avoided."""

import io
import types
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pack_host
import pytest
import torch

SECONDS, WIDTH, HEIGHT = 4, 64, 48


def grey(second: float) -> int:
    """The level of the picture at a time: it rises by 5 with each of 25 pictures a second, modulo 50."""
    return round(second * 25) % 50 * 5


@pytest.fixture
def film(tmp_path) -> Path:
    """Grey pictures whose level tells their number, and a tone that is silent in the second second."""
    path = tmp_path / "film.mp4"
    time = np.arange(SECONDS * 16000) / 16000
    tone = np.where((time < 1) | (time >= 2), 0.5 * np.sin(2 * np.pi * 440 * time), 0).astype(np.float32)
    with av.open(str(path), "w") as container:
        pictures, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=16000, layout="mono")
        pictures.width, pictures.height, pictures.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(SECONDS * 25):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), grey(number / 25), np.uint8))))
        container.mux(pictures.encode(None))
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


class Video(pack_host.VideoInput):
    """A file-backed VIDEO that tells how it was edited, and counts what is asked of it."""

    def __init__(self, source, start: float = 0.0, duration: float = 0.0, edited: bool = False):
        self.source, self.window, self.edited = source, (start, duration), edited
        self.saved: list[tuple[Path, dict]] = []

    def get_stream_source(self):
        return self.source

    def has_pending_frame_edits(self):
        return self.edited

    def get_active_trim_window(self):
        return self.window

    def get_components(self):
        raise AssertionError("the whole video was loaded")


class Resized(Video):
    """Halves its pictures when it is saved."""

    def save_to(self, path, format="auto", codec="auto", metadata=None, crf=None, preset=None):
        self.saved.append((Path(path), {"crf": crf, "preset": preset}))
        with av.open(str(self.source)) as whole, av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH // 2, HEIGHT // 2, "yuv420p"
            for frame in whole.decode(video=0):
                container.mux(stream.encode(frame.reformat(WIDTH // 2, HEIGHT // 2)))
            container.mux(stream.encode(None))


@pytest.fixture(autouse=True)
def nothing_is_left(host):
    """Temporary files go with the clips that were read from them."""
    files = set(host.folder.glob("temp/**/*"))
    yield
    assert not {path for path in set(host.folder.glob("temp/**/*")) - files if path.is_file()}


@pytest.fixture
def clip_of(host):
    return host.part("conversions").driving_clip


def levels(clip) -> list[float]:
    return [float(picture.mean()) for picture in clip.frames()]


def expected(start: float, stop: float) -> pytest.approx:
    return pytest.approx([grey(number / 25) for number in range(round(start * 25), round(stop * 25))], abs=3)


@pytest.mark.parametrize("fps", [25.0, 24000 / 1001, 7.0])
@pytest.mark.parametrize("first", [0, 1, 9, 25])
def test_reading_may_begin_at_any_frame_of_any_rate(host, clip_of, film, fps, first):
    """And gives the same pictures as reading from the start does."""
    batch = torch.arange(100.0)[:, None, None, None].expand(100, 4, 4, 3) / 255
    for clip in (clip_of(Video(str(film))), host.part("incoming_video").PictureBatch(batch, 25.0)):
        assert np.array_equal(list(clip.frames(fps, first)), list(clip.frames(fps))[first:])


def test_a_file_is_read_as_it_is(clip_of, film):
    clip = clip_of(Video(str(film)))
    assert levels(clip) == expected(0, SECONDS)
    assert clip.duration == pytest.approx(SECONDS) and clip.sound().duration == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("window", "start", "stop"),
    [((1.0, 1.0), 1, 2), ((3.0, 0.0), 3, 4), ((-1.0, 0.0), 3, 4), ((-3.0, 1.0), 1, 2), ((2.2, 0.4), 2.2, 2.6), ((0.0, 1.2), 0, 1.2)],
)
def test_a_trimmed_video_is_read_between_its_ends(clip_of, film, window, start, stop):
    clip = clip_of(Video(str(film), *window))
    assert levels(clip) == expected(start, stop) and clip.duration == pytest.approx(stop - start, abs=0.01)
    sound = clip.sound()
    assert sound.duration == pytest.approx(stop - start, abs=0.1)
    silent = sound.samples[0, 1600:-1600].abs().max() < 0.01
    assert silent == ((start, stop) == (1, 2)), "the sound is the same part"


def test_a_part_that_holds_nothing_is_one_sentence(clip_of, host, film):
    with pytest.raises(host.core("errors").ClipError, match="there is no picture"):
        clip_of(Video(str(film), 9.0))


def test_bytes_are_read_like_a_file(clip_of, film):
    clip = clip_of(Video(io.BytesIO(film.read_bytes()), 1.0, 1.0))
    assert levels(clip) == expected(1, 2) and clip.sound().samples[0, 1600:-1600].abs().max() < 0.01


def test_an_edited_video_saves_itself_once_and_quickly(clip_of, host, film):
    video = Resized(str(film), edited=True)
    clip = clip_of(video)
    assert next(clip.frames()).shape == (HEIGHT // 2, WIDTH // 2, 3)
    assert levels(clip) == expected(0, SECONDS) and clip.sound() is None
    ((path, options),) = video.saved
    assert options == {"crf": 12.0, "preset": "ultrafast"} and path.is_relative_to(host.folder / "temp")


def test_pictures_outlive_the_clip_that_they_were_asked_of(host, film):
    pictures, _ = host.part("conversions").driving_frames(Resized(str(film), edited=True))
    assert sum(1 for _ in pictures) == SECONDS * 25


def test_a_video_that_knows_no_wishes_saves_itself_plainly(clip_of, film):
    class Plain(Resized):
        def save_to(self, path, format="auto", codec="auto", metadata=None):
            super().save_to(path)

    video = Plain(str(film), edited=True)
    assert levels(clip_of(video)) == expected(0, SECONDS) and len(video.saved) == 1


def test_a_wish_that_is_refused_is_given_up(clip_of, film):
    class Choosy(Resized):
        def save_to(self, path, format="auto", codec="auto", metadata=None, crf=None, preset=None):
            if preset:
                raise ValueError("no such preset")
            super().save_to(path)

    assert levels(clip_of(Choosy(str(film), edited=True))) == expected(0, SECONDS)


def test_a_video_of_another_pack_saves_itself(clip_of, film):
    class Foreign(pack_host.VideoInput):
        def save_to(self, path, format="auto", codec="auto", metadata=None):
            Path(path).write_bytes(film.read_bytes())

        def get_components(self):
            raise AssertionError("the whole video was loaded")

    assert levels(clip_of(Foreign())) == expected(0, SECONDS)


@pytest.mark.parametrize("told", ["duration", "size"])
def test_a_video_that_tells_no_ends_is_compared_with_its_file(clip_of, film, told):
    """As in ComfyUI 0.14 and 0.24, which trim without telling where."""

    class Older(pack_host.VideoInput):
        def get_stream_source(self):
            return str(film)

        def get_duration(self):
            return 1.0 if told == "duration" else float(SECONDS)

        def get_dimensions(self):
            return (32, 24) if told == "size" else (WIDTH, HEIGHT)

        def save_to(self, path, format="auto", codec="auto", metadata=None):
            raise OSError("cannot")

        def get_components(self):
            return types.SimpleNamespace(images=torch.full((25, 24, 32, 3), 0.5), audio=None, frame_rate=Fraction(25))

    assert levels(clip_of(Older())) == pytest.approx([128] * 25, abs=1)


def test_a_video_in_memory_is_read_there(clip_of, host, monkeypatch):
    class Held(pack_host.VideoFromComponents):
        def save_to(self, path, **wishes):
            raise AssertionError("it was encoded")

    monkeypatch.setattr(host.part("incoming_video").InputImpl, "VideoFromComponents", pack_host.VideoFromComponents, raising=False)
    audio = {"waveform": torch.full((1, 1, 8000), 0.25), "sample_rate": 16000}
    images = torch.linspace(0, 1, 12)[:, None, None, None].expand(12, 8, 8, 3)
    clip = clip_of(Held(types.SimpleNamespace(images=images, audio=audio, frame_rate=Fraction(24))))
    assert len(levels(clip)) == round(0.5 * 25) and clip.sound().duration == 0.5


@pytest.mark.parametrize("waveform", [None, torch.zeros(1, 1, 0), torch.zeros(1, 1, 100)], ids=["none", "empty", "short"])
def test_a_sound_of_no_use_counts_as_none(host, waveform):
    batch = host.part("incoming_video").PictureBatch
    audio = None if waveform is None else {"waveform": waveform, "sample_rate": 16000}
    assert batch(torch.zeros(2, 8, 8, 3), 25.0, audio).sound() is None


def test_our_own_film_hands_over_its_sound_without_being_rendered(host):
    sound = host.core("media.sound").Sound(torch.zeros(1, 16000), 16000)

    def compute(start, stop):
        raise AssertionError("it was rendered")

    frames = host.core("stream").FrameStream(25, 25.0, compute)
    rendered = host.part("rendered_video").RenderedVideo(frames, (64, 64), sound)
    assert host.part("incoming_video").IncomingVideo(rendered).sound() is sound


@pytest.mark.parametrize("cut", [0.5, 0.98], ids=["half", "without its index"])
def test_a_clip_that_was_cut_off_is_one_sentence(clip_of, host, film, cut):
    """Of the VIDEO's own answers each raises PyAV's error with a number."""
    whole = film.read_bytes()
    film.write_bytes(whole[: int(len(whole) * min(cut, whole.index(b"moov") / len(whole)))])

    class Loaded(pack_host.VideoFromFile):
        def _open(self):
            with av.open(self.path):
                raise AssertionError("opened")

        def get_duration(self):
            self._open()

        get_components = get_dimensions = get_duration

    with pytest.raises(host.core("errors").ClipError) as failure:
        clip_of(Loaded(str(film)))
    sentence = str(failure.value)
    assert "rrno" not in sentence and "\n" not in sentence and sentence.endswith(".")


def test_a_video_that_answers_nothing_is_one_sentence(clip_of, host):
    class Broken(pack_host.VideoInput):
        def get_components(self):
            raise OSError(1094995529, "Invalid data found when processing input")

    with pytest.raises(host.core("errors").ClipError, match=r"^The driving video cannot be read: .*\.$"):
        clip_of(Broken())


def test_a_cancel_while_it_saves_itself_is_passed_on(clip_of, host, film):
    interrupted = host.part("runtime.api").Interrupted

    class Cancelled(Resized):
        def save_to(self, path, **wishes):
            raise interrupted

    with pytest.raises(interrupted):
        clip_of(Cancelled(str(film), edited=True))
