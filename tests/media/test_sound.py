"""Sound: every common file is read to the same samples; every unusable one gives one sentence."""

import math
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from media_files import loudest_hertz

from real3d_core.errors import SoundError
from real3d_core.media.sound import Sound, load_sound, long_enough


def write_wav(path: Path, samples: np.ndarray, rate: int) -> Path:
    """Writes [L, C] int16 as PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def tone(hertz: float, seconds: float, rate: int, amplitude: float = 0.5) -> np.ndarray:
    """[L, 1] int16."""
    time = np.arange(round(seconds * rate)) / rate
    return np.rint(32767 * amplitude * np.sin(2 * math.pi * hertz * time))[:, None].astype(np.int16)


def encode(path: Path, codec: str, samples: np.ndarray, rate: int, picture_before: float = 0.0) -> Path:
    """Encodes [L, 1] int16 with PyAV; optionally beside a second of black video that starts earlier by `picture_before` seconds."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream(codec, rate=rate, layout="mono")
        if picture_before:
            video = container.add_stream("libx264", rate=25)
            video.width = video.height = 64
            for number in range(25):
                picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
                picture.pts, picture.time_base = number, Fraction(1, 25)
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(picture_before * rate)
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def test_the_repositorys_speech_is_read_sample_for_sample(assets):
    path = assets / "speech" / "librivox_0880_en.wav"
    with wave.open(str(path)) as file:
        expected = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        rate = file.getframerate()
    sound = load_sound(path)
    assert sound.rate == rate == 16000
    assert sound.samples.shape == (1, len(expected))
    assert torch.equal(sound.samples[0], torch.from_numpy(expected.astype(np.float32)))
    assert sound.duration == len(expected) / 16000


def test_stereo_at_another_rate_is_mixed_and_resampled(tmp_path):
    left, right = tone(440, 1.0, 44100), tone(440, 1.0, 44100, amplitude=0.1)
    sound = load_sound(write_wav(tmp_path / "stereo.wav", np.hstack([left, right]), 44100))
    assert sound.samples.shape == (2, 44100)
    mono = sound.mono(16000)
    assert mono.dtype == torch.float32 and len(mono) == 16000
    time = torch.arange(16000) / 16000
    expected = 0.3 * torch.sin(2 * math.pi * 440 * time)
    assert (mono - expected)[200:-200].abs().max() < 2e-3


def test_a_dozen_channels_are_read_each_as_it_is(tmp_path):
    """PyAV counts planes beyond the eighth wrongly, which ended the program."""
    channels = np.hstack([tone(100 * number, 0.5, 16000) for number in range(1, 13)])
    sound = load_sound(write_wav(tmp_path / "a.wav", channels, 16000))
    assert torch.equal(sound.samples, torch.from_numpy(channels.T.astype(np.float32) / 32768))


def test_mixing_down_removes_what_the_lower_rate_can_not_hold():
    time = torch.arange(48000) / 48000
    sound = Sound(torch.sin(2 * math.pi * 11000 * time)[None], 48000)  # would fold to 5 kHz
    assert sound.mono(16000)[500:-500].abs().max() < 0.01


def test_mono_at_the_same_rate_changes_nothing():
    samples = torch.linspace(-1, 1, 8000)[None]
    assert torch.equal(Sound(samples, 16000).mono(), samples[0])


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.m4a", "aac"), ("a.ogg", "libopus")])
def test_compressed_files_keep_length_and_pitch(tmp_path, name, codec):
    rate = 48000
    sound = load_sound(encode(tmp_path / name, codec, tone(440, 1.5, rate), rate))
    assert abs(sound.duration - 1.5) < 0.05  # encoders fill up their last block
    assert abs(loudest_hertz(sound.mono(16000), 16000) - 440) < 2
    assert 0.4 < sound.samples.abs().max() < 0.7


def test_the_sound_of_a_video_keeps_its_place_in_time(tmp_path):
    path = encode(tmp_path / "late.mp4", "aac", tone(440, 0.5, 48000), 48000, picture_before=0.4)
    mono = load_sound(path).mono(16000)
    assert abs(len(mono) / 16000 - 0.9) < 0.05
    assert mono[: int(0.37 * 16000)].abs().max() < 0.01
    assert mono[int(0.45 * 16000) : int(0.8 * 16000)].abs().max() > 0.4


def test_damaged_packets_become_silence_and_time_is_kept(tmp_path):
    rate = 48000
    clean = encode(tmp_path / "clean.m4a", "aac", tone(440, 3.0, rate), rate)
    damaged = bytearray(clean.read_bytes())
    start = damaged.index(b"mdat") + 4
    middle = start + (len(damaged) - start) // 3
    damaged[middle : middle + 1500] = np.random.default_rng(0).integers(0, 256, 1500, dtype=np.uint8).tobytes()
    (tmp_path / "damaged.m4a").write_bytes(damaged)
    sound = load_sound(tmp_path / "damaged.m4a")
    assert abs(sound.duration - 3.0) < 0.1
    assert sound.samples.abs().max() <= 1


def test_a_wav_that_breaks_off_is_read_as_far_as_it_goes(assets, tmp_path):
    whole = (assets / "speech" / "librivox_0880_en.wav").read_bytes()
    (tmp_path / "half.wav").write_bytes(whole[: 44 + 16000])
    assert abs(load_sound(tmp_path / "half.wav").duration - 0.5) < 0.1


def test_digital_silence_is_legal(tmp_path):
    sound = load_sound(write_wav(tmp_path / "silence.wav", np.zeros((8000, 1)), 16000))
    assert sound.duration == 0.5 and not sound.samples.any()


def test_a_fifth_of_a_second_is_enough(tmp_path):
    assert load_sound(write_wav(tmp_path / "short.wav", tone(200, 0.2, 8000), 8000)).duration == 0.2


def test_values_outside_the_range_are_clipped(tmp_path):
    path = tmp_path / "loud.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16000, layout="mono")
        loud = np.full((1, 8000), 3.0, np.float32)
        loud[0, 10] = np.nan
        frame = av.AudioFrame.from_ndarray(loud, format="flt", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples = load_sound(path).samples
    assert samples.max() == 1.0 and samples[0, 10] == 0.0


class TestChangesMidway:
    """A file whose channels or rate change is read to its end."""

    MP3, ADTS, AC3 = ("mp3", "libmp3lame", "mp3"), ("aac", "aac", "adts"), ("ac3", "ac3", "ac3")
    TS, OPUS, FLAC = ("ts", "aac", "mpegts"), ("opus", "libopus", "ogg"), ("oga", "flac", "ogg")
    EAC3, MP2, LATM, TS_AC3 = ("eac3", "eac3", "eac3"), ("mp2", "mp2", "mp2"), ("latm", "aac", "latm"), ("ts", "ac3", "mpegts")

    @staticmethod
    def joined(folder: Path, kind: tuple[str, str, str], *parts: tuple[float, int, str]) -> Path:
        """A file of tones of 440 Hz, one after the other, each with its own seconds, rate and layout."""
        ending, codec, container_format = kind
        whole = b""
        for number, (seconds, rate, layout) in enumerate(parts):
            path = folder / f"{number}.{ending}"
            with av.open(str(path), "w", format=container_format) as container:
                stream = container.add_stream(codec, rate=rate, layout=layout)
                samples = np.repeat(tone(440, seconds, rate).T / 32768, stream.layout.nb_channels, axis=0).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            whole += path.read_bytes()
        (folder / f"joined.{ending}").write_bytes(whole)
        return folder / f"joined.{ending}"

    @pytest.mark.parametrize(
        ("kind", "parts", "kept"),
        [
            (MP3, [(1.0, 16000, "mono"), (2.0, 16000, "stereo")], (16000, 2)),
            (MP3, [(2.0, 16000, "stereo"), (1.0, 16000, "mono")], (16000, 2)),
            (MP3, [(2.0, 16000, "mono"), (1.0, 24000, "mono")], (16000, 1)),
            (MP3, [(1.0, 44100, "mono"), (1.0, 16000, "stereo"), (1.5, 48000, "stereo")], (48000, 2)),
            (ADTS, [(1.0, 16000, "mono"), (1.5, 16000, "stereo")], (16000, 2)),
            (ADTS, [(1.5, 16000, "mono"), (1.0, 48000, "mono")], (16000, 1)),
            (AC3, [(1.0, 48000, "stereo"), (1.5, 32000, "mono")], (32000, 1)),
            (TS, [(1.0, 48000, "mono"), (1.5, 16000, "stereo")], (16000, 2)),
            (EAC3, [(1.0, 48000, "mono"), (1.5, 48000, "5.1")], (48000, 2)),
            (ADTS, [(1.5, 48000, "5.1"), (1.0, 32000, "mono")], (48000, 2)),
            (MP2, [(1.0, 48000, "stereo"), (1.5, 32000, "mono")], (32000, 1)),
            (LATM, [(1.0, 48000, "mono"), (1.5, 48000, "stereo")], (48000, 2)),
            (TS_AC3, [(1.0, 48000, "stereo"), (1.5, 32000, "mono")], (32000, 1)),
            (FLAC, [(1.0, 48000, "stereo"), (1.5, 32000, "mono")], (32000, 1)),
            (OPUS, [(1.0, 48000, "mono"), (1.5, 48000, "stereo")], (48000, 2)),
            (OPUS, [(1.0, 48000, "stereo"), (1.5, 48000, "mono"), (1.0, 48000, "mono")], (48000, 1)),
        ],
        ids=lambda value: value[0] if isinstance(value[0], str) else "",
    )
    def test_every_part_is_there(self, tmp_path, kind, parts, kept):
        sound = load_sound(self.joined(tmp_path, kind, *parts))
        assert (sound.rate, len(sound.samples)) == kept
        assert abs(sound.duration - sum(seconds for seconds, _, _ in parts)) < 0.13 * len(parts), "encoders fill up each part"
        mono, time = sound.mono(16000), 0.0
        for seconds, _, _ in parts:
            middle = mono[round((time + 0.3) * 16000) : round((time + seconds - 0.1) * 16000)]
            assert abs(loudest_hertz(middle, 16000) - 440) < 3 and middle.unfold(0, 400, 400).abs().amax(dim=1).min() > 0.3, "no hole"
            time += seconds

    def test_a_part_of_a_chained_file(self, tmp_path):
        path = self.joined(tmp_path, self.OPUS, (1.0, 48000, "mono"), (1.5, 48000, "stereo"))
        whole, part = load_sound(path), load_sound(path, 0.8, 1.4)
        assert torch.equal(part.samples, whole.samples[:, 38400:67200])

    def test_a_single_odd_packet_is_a_damaged_header(self, tmp_path):
        mono = encode(tmp_path / "mono.mp3", "libmp3lame", tone(440, 2.0, 16000), 16000).read_bytes()
        odd = self.joined(tmp_path, self.MP3, (0.1, 16000, "stereo")).read_bytes()
        start = mono.index(b"\xff\xf3", len(mono) // 2)
        frame = odd.index(b"\xff\xf3", len(odd) // 2)
        (tmp_path / "odd.mp3").write_bytes(mono[:start] + odd[frame : odd.index(b"\xff\xf3", frame + 4)] + mono[start:])
        sound = load_sound(tmp_path / "odd.mp3")
        assert (sound.rate, len(sound.samples)) == (16000, 1) and abs(sound.duration - 2.0) < 0.15


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.m4a", "aac"), ("a.flac", "flac")])
def test_a_part_is_what_stands_there_in_the_whole(tmp_path, name, codec):
    path = encode(tmp_path / name, codec, tone(60, 6.0, 48000) + tone(7, 6.0, 48000), 48000)
    whole = load_sound(path)
    for start, stop in ((0.0, 1.0), (0.7, 1.5), (4.1, 4.6)):
        part = load_sound(path, start, stop)
        assert part.samples.shape == (1, round((stop - start) * 48000))
        assert torch.allclose(part.samples, whole.samples[:, round(start * 48000) : round(stop * 48000)], atol=2e-3)
    assert abs(load_sound(path, start=5.0).duration - 1.0) < 0.03, "to the end"


def missing(folder: Path) -> Path:
    return folder / "nothing.wav"


def folder(folder: Path) -> Path:
    return folder


def empty(folder: Path) -> Path:
    (folder / "a.wav").touch()
    return folder / "a.wav"


def text(folder: Path) -> Path:
    (folder / "a.wav").write_text("This was a letter once.\n" * 200)
    return folder / "a.wav"


def without_samples(folder: Path) -> Path:
    return write_wav(folder / "a.wav", np.zeros((0, 1)), 16000)


def too_short(folder: Path) -> Path:
    return write_wav(folder / "a.wav", tone(200, 0.1, 16000), 16000)


def absurd_rate(folder: Path) -> Path:
    return write_wav(folder / "a.wav", tone(200, 0.1, 16000), 100)


def video_without_sound(folder: Path) -> Path:
    with av.open(str(folder / "a.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 64
        container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(video.encode(None))
    return folder / "a.mp4"


def playlist_of_another_file(folder: Path) -> Path:
    (folder / "a.wav").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n")
    return folder / "a.wav"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (missing, "does not exist"),
        (folder, "is a folder"),
        (empty, "is empty"),
        (text, "cannot be read"),
        (without_samples, "holds no samples"),
        (too_short, "lasts 0.100 s; at least 0.2 s"),
        (absurd_rate, "impossible rate of 100 samples per second"),
        (video_without_sound, "has no sound track"),
        (playlist_of_another_file, "cannot be read"),
    ],
)
def test_unusable_sounds_give_one_sentence(tmp_path, capfd, broken, says):
    path = broken(tmp_path)
    with pytest.raises(SoundError) as failure:
        load_sound(path)
    sentence = str(failure.value)
    assert says in sentence and str(path) in sentence and "\n" not in sentence and sentence.endswith(".")
    assert capfd.readouterr() == ("", ""), "FFmpeg's own messages are kept from the user"


def test_a_sound_from_elsewhere_is_measured_by_the_same_rule():
    with pytest.raises(SoundError, match=r"^The AUDIO input lasts"):
        long_enough(Sound(torch.zeros(1, 1600), 16000), "The AUDIO input")
