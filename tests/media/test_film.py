"""Films: streams are written whole with their sound, and no failure leaves a file."""

import math
import os
import threading
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from media_files import counting, read_numbers, tone

from real3d_core.errors import OutputError
from real3d_core.files import refuse_unwritable
from real3d_core.media.clip import open_clip
from real3d_core.media.encoding import Encoding, in_8_bits
from real3d_core.media.film import write_video
from real3d_core.media.sound import load_sound
from real3d_core.stream import FrameStream


class TestWriting:
    @pytest.mark.parametrize(
        ("fps", "exact"),
        [
            (25.0, 25),
            (30.0, 30),
            (12.5, Fraction(25, 2)),
            (23.976, Fraction(24000, 1001)),
            (24000 / 1001, Fraction(24000, 1001)),
            (29.97, Fraction(30000, 1001)),
            (59.94, Fraction(60000, 1001)),
        ],
    )
    def test_no_frame_is_lost_and_time_does_not_drift(self, tmp_path, fps, exact):
        duration = 4.03
        length = math.ceil(duration * fps)
        write_video(tmp_path / "a.mp4", counting(length, fps), tone(duration, 44100))
        with av.open(str(tmp_path / "a.mp4")) as container:
            frames = list(container.decode(video=0))
            stated = container.streams.video[0].average_rate
        assert len(frames) == length
        assert read_numbers(frame.to_ndarray(format="rgb24") for frame in frames) == [k % 20 for k in range(length)]
        assert stated == exact
        for number, frame in enumerate(frames):
            assert frame.pts * frame.time_base == number / stated
        assert abs(load_sound(tmp_path / "a.mp4").duration - duration) <= 1024 / 44100

    def test_the_sound_arrives_in_place_and_shape(self, tmp_path, assets):
        speech = load_sound(assets / "speech" / "librivox_0880_en.wav")
        write_video(tmp_path / "a.mp4", counting(math.ceil(speech.duration * 25)), speech)
        heard = load_sound(tmp_path / "a.mp4")
        assert heard.rate == 16000
        a, b = speech.samples[0], heard.samples[0]
        spectrum = torch.fft.rfft(a, 2 * len(a)) * torch.fft.rfft(b, 2 * len(a)).conj()
        shift = int(torch.fft.irfft(spectrum).argmax())
        assert min(shift, 2 * len(a) - shift) <= 8, "half a millisecond"
        length = min(len(a), len(b))
        assert torch.corrcoef(torch.stack([a[:length], b[:length]]))[0, 1] > 0.97

    @pytest.mark.parametrize(
        ("rate", "channels", "kept"), [(44056, 1, (48000, 1)), (48000, 2, (48000, 2)), (8000, 6, (8000, 2)), (8000, 12, (8000, 1))]
    )
    def test_any_rate_and_channels_can_be_written(self, tmp_path, rate, channels, kept):
        write_video(tmp_path / "a.mp4", counting(25), tone(1.0, rate, channels))
        heard = load_sound(tmp_path / "a.mp4")
        assert (heard.rate, len(heard.samples)) == kept
        assert abs(heard.duration - 1.0) <= 1024 / heard.rate
        mono = heard.mono(8000)
        assert abs(float(torch.fft.rfft(mono).abs().argmax()) * 8000 / len(mono) - 440) < 2

    def test_sound_and_picture_lie_side_by_side_in_the_file(self, tmp_path):
        write_video(tmp_path / "a.mp4", counting(250), tone(10.0, 16000))
        with av.open(str(tmp_path / "a.mp4")) as container:
            packets = sorted(
                (packet.pos, packet.stream.type, float(packet.dts * packet.time_base)) for packet in container.demux() if packet.pos
            )
        latest = {"video": 0.0, "audio": 0.0}
        for _, kind, time in packets:
            latest[kind] = time
            assert abs(latest["video"] - latest["audio"]) < 2.5
        assert (tmp_path / "a.mp4").read_bytes().index(b"moov") < (tmp_path / "a.mp4").read_bytes().index(b"mdat"), "starts without seeking"

    def test_colours_survive_and_are_tagged(self, tmp_path):
        colours = torch.tensor([[200, 40, 90], [20, 180, 60], [40, 60, 220], [230, 200, 170]]) / 255
        write_video(
            tmp_path / "a.mp4",
            FrameStream(4, 25.0, lambda a, b: colours[a:b, None, None].expand(-1, 64, 64, 3)),
            None,
            encoding=Encoding(crf=8),
        )
        pictures = list(open_clip(tmp_path / "a.mp4").frames())
        for picture, colour in zip(pictures, colours, strict=True):
            assert np.abs(picture[32, 32] - (colour * 255).numpy()).max() <= 3
        with av.open(str(tmp_path / "a.mp4")) as container:
            first = next(container.decode(video=0))
            assert (first.colorspace, first.color_range) == (1, 1)
            assert [getattr(first, name, 1) for name in ("color_primaries", "color_trc")] == [1, 1], "PyAV 14 does not tell"
            assert first.format.name == "yuv420p"

    def test_values_outside_the_range_are_clamped(self, tmp_path):
        write_video(
            tmp_path / "a.mp4",
            FrameStream(2, 25.0, lambda a, b: torch.tensor([-3.0, 7.0])[a:b, None, None, None].expand(-1, 32, 32, 3)),
            None,
        )
        dark, bright = open_clip(tmp_path / "a.mp4").frames()
        assert dark.max() <= 2 and bright.min() >= 253

    def test_odd_sides_are_padded(self, tmp_path):
        write_video(tmp_path / "a.mp4", counting(3, height=33, width=47), None)
        clip = open_clip(tmp_path / "a.mp4")
        assert (clip.height, clip.width) == (34, 48)

    def test_the_frames_do_not_depend_on_the_chunk_size(self, tmp_path):
        for chunk in (1, 7, 64):
            write_video(tmp_path / f"{chunk}.mp4", counting(50), tone(2.0, 16000), chunk=chunk)
        one, seven, all_at_once = (np.stack(list(open_clip(tmp_path / f"{chunk}.mp4").frames())) for chunk in (1, 7, 64))
        assert np.array_equal(one, seven) and np.array_equal(one, all_at_once)

    def test_frames_computed_side_by_side_make_the_same_film(self, tmp_path, two_workers):
        plain, threads = counting(50), set()

        def compute(start: int, stop: int) -> torch.Tensor:
            threads.add(threading.current_thread())
            return plain.frames(start, stop)

        seen = []
        write_video(tmp_path / "a.mp4", plain, tone(2.0, 16000))
        at_once = FrameStream(50, 25.0, compute, parallel=True)
        write_video(tmp_path / "b.mp4", at_once, tone(2.0, 16000), progress=lambda done, total: seen.append((done, total)))
        one, other = (np.stack(list(open_clip(tmp_path / name).frames())) for name in ("a.mp4", "b.mp4"))
        assert np.array_equal(one, other) and seen == [(number + 1, 50) for number in range(50)]
        assert len(threads) == 2 and threading.current_thread() not in threads

    def test_a_chunk_is_converted_while_a_device_computes_the_next_one(self, tmp_path, monkeypatch):
        plain, next_one, converted_meanwhile = counting(8), threading.Event(), []

        def compute(start: int, stop: int) -> torch.Tensor:
            if start == 4:
                next_one.set()
            return plain.frames(start, stop)

        def convert(frames: torch.Tensor) -> torch.Tensor:
            converted_meanwhile.append(next_one.wait(5))
            return in_8_bits(frames)

        monkeypatch.setattr("real3d_core.media.encoding.in_8_bits", convert)
        write_video(tmp_path / "a.mp4", FrameStream(8, 25.0, compute), None, chunk=4)
        assert converted_meanwhile == [True, True]
        assert len(list(open_clip(tmp_path / "a.mp4").frames())) == 8

    def test_whole_numbers_are_taken_as_they_are(self, tmp_path):
        plain = counting(10)
        for name, depth in (("a", 8), ("b", 10)):
            whole = plain.map(lambda chunk, start, stop: (chunk * 255).round().byte())
            write_video(tmp_path / f"{name}.mp4", whole, None, encoding=Encoding(bit_depth=depth))
            assert read_numbers(open_clip(tmp_path / f"{name}.mp4").frames()) == list(range(10))

    def test_progress_counts_frames_to_the_end(self, tmp_path):
        seen = []
        write_video(tmp_path / "a.mp4", counting(20), None, chunk=8, progress=lambda done, total: seen.append((done, total)))
        assert seen == [(8, 20), (16, 20), (20, 20)]

    def test_few_chunks_are_alive_at_once(self, tmp_path):
        alive: list[weakref.ref] = []
        most = 0

        def compute(start: int, stop: int) -> torch.Tensor:
            nonlocal most
            chunk = torch.zeros(stop - start, 32, 32, 3)
            alive.append(weakref.ref(chunk))
            most = max(most, sum(reference() is not None for reference in alive))
            return chunk

        write_video(tmp_path / "a.mp4", FrameStream(200, 25.0, compute), None, chunk=4)
        assert len(alive) == 50 and most <= 3

    @pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, MemoryError])
    def test_an_interrupted_video_leaves_the_old_file_and_nothing_else(self, tmp_path, failure):
        write_video(tmp_path / "a.mp4", counting(5), None)
        before = (tmp_path / "a.mp4").read_bytes()

        def compute(start: int, stop: int) -> torch.Tensor:
            if start >= 16:
                raise failure
            return torch.zeros(stop - start, 32, 32, 3)

        with pytest.raises(failure):
            write_video(tmp_path / "a.mp4", FrameStream(50, 25.0, compute), tone(2.0, 16000))
        assert (tmp_path / "a.mp4").read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]

    def test_a_cancel_stops_what_is_computed_side_by_side(self, tmp_path, two_workers):
        begun = []

        def cancel(done: int, total: int) -> None:
            if done == 5:
                raise InterruptedError

        frames = FrameStream(500, 25.0, lambda a, b: begun.append(a) or torch.zeros(b - a, 32, 32, 3), parallel=True)
        with pytest.raises(InterruptedError):
            write_video(tmp_path / "a.mp4", frames, None, progress=cancel)
        assert len(begun) < 12 and not list(tmp_path.iterdir())
        assert not [thread for thread in threading.enumerate() if thread.name.startswith(("real3d_", "encoding"))]

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("a.avi", "must end in .mp4"),
            ("a", "must end in .mp4"),
            ("gone/a.mp4", "does not exist"),
            ("there.mp4", "is a folder"),
            ("file/a.mp4", "cannot be written"),
        ],
    )
    def test_impossible_outputs_are_refused_before_anything_is_rendered(self, tmp_path, name, says):
        (tmp_path / "there.mp4").mkdir()
        (tmp_path / "file").touch()

        def compute(start: int, stop: int) -> torch.Tensor:
            raise AssertionError("rendered for nothing")

        with pytest.raises(OutputError, match=says):
            refuse_unwritable(tmp_path / name, (".mp4",))
        with pytest.raises(OutputError, match=says) as failure:
            write_video(tmp_path / name, FrameStream(5, 25.0, compute), None)
        assert "\n" not in str(failure.value) and str(tmp_path / name) in str(failure.value)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "there.mp4"]

    @pytest.mark.skipif(os.name != "posix", reason="Windows keeps no such permissions")
    def test_a_folder_without_permission_is_refused(self, tmp_path):
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        if os.access(closed, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(OutputError, match="cannot be written"):
            refuse_unwritable(closed / "a.mp4", (".mp4",))

    @pytest.mark.skipif(os.name != "posix", reason="needs a limit on file sizes")
    def test_a_full_disk_gives_one_sentence(self, tmp_path):
        import resource

        noise = FrameStream(20, 25.0, lambda a, b: torch.rand(b - a, 128, 128, 3, generator=torch.Generator().manual_seed(a)))
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, limit[1]))
        try:
            with pytest.raises(OutputError, match="cannot be written"):
                write_video(tmp_path / "a.mp4", noise, None)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert not list(tmp_path.iterdir())
