"""The VIDEO of every version of ComfyUI whose facts are known: `host_facts.py` tells where they come from.

A stand-in base class is made from the facts. It cannot show that a real host is content, which `test_server.py` does; it shows that
nothing a host asks for by name is missing, and that nothing falls back to the host's own answers, which load the whole video.
"""

import importlib.util
import io
import itertools
import json
import sys
import types
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from host_facts import stand_in
from pack_host import PACK, ROOT

HOSTS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "tests" / "hosts").glob("*.json"))}
WISHES = {
    "bit_depth": (None, 8, 10),
    "crf": (None, 0.0, 30.0),
    "color_space": (None, "sRGB", "HDR", "HDR PQ"),
    "preset": (None, "ultrafast"),
    "metadata": ({"workflow": {"nodes": []}},),
}
LENGTH, SIDE, RATE = 20, 64, 25.0


class VideoFromFile:
    """The host's own video of a file, which knows every method that there will ever be."""

    def __init__(self, file: str):
        self.file = file

    def get_stream_source(self) -> str:
        return self.file

    def __getattr__(self, name: str):
        return lambda *arguments, **named: (name, self.file, arguments, named)


@pytest.fixture
def video_class(host, monkeypatch):
    """Makes the pack's VIDEO class anew over a base class."""
    runtime = host.part("runtime.api")

    def over(base: type) -> type:
        monkeypatch.setattr(runtime, "Input", types.SimpleNamespace(Video=base))
        monkeypatch.setattr(runtime, "InputImpl", types.SimpleNamespace(VideoFromFile=VideoFromFile))
        name = f"{PACK}.nodes.rendered_video_over_a_stand_in"
        spec = importlib.util.spec_from_file_location(name, ROOT / "nodes" / "rendered_video.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module.RenderedVideo

    return over


class Film:
    """Frames of one grey each, with grain, that count how often they are computed."""

    def __init__(self, host, video_class: type):
        self.computed: list[int] = []
        stream = host.core("stream").FrameStream(LENGTH, RATE, self._compute)
        tone = torch.sin(torch.arange(round(LENGTH / RATE * 16000)) * 0.2)[None] * 0.3
        self.video = video_class(stream, (SIDE, SIDE), host.core("media.sound").Sound(tone, 16000))

    def _compute(self, start: int, stop: int) -> torch.Tensor:
        self.computed += range(start, stop)
        grain = torch.rand(SIDE, SIDE, 1, generator=torch.Generator().manual_seed(0)) * 16 / 255 - 8 / 255
        return torch.stack([grey(number) + grain.expand(-1, -1, 3) for number in range(start, stop)])


def grey(number: int) -> float:
    return round(20 + 10 * number) / 255


def shown(source, **options) -> tuple[list[int], dict, set[str]]:
    """The numbers of a file's frames, its metadata, and the kinds of its tracks."""
    with av.open(source, **options) as container:
        levels = [float(np.median(picture.to_ndarray(format="rgb24"))) for picture in container.decode(video=0)]
        kinds = {stream.codec_context.name for stream in container.streams}
        return [round((level - 20) / 10) for level in levels], dict(container.metadata), kinds


def every_call(facts: dict) -> list[dict]:
    """One call of `save_to` per container and codec that go together, and per value of each further parameter."""
    named = [name for name in facts["video_methods"]["save_to"]["parameters"] if name in WISHES]
    pairs = [
        {"format": container, "codec": codec}
        for container, codec in itertools.product(facts["containers"], facts["codecs"])
        if (container, codec) != ("webm", "h264")
    ]
    usual = {name: WISHES[name][0] for name in named}
    typical = [{"format": "mp4", "codec": "h264"}, {"format": "webm", "codec": "av1"}]
    return [{**pair, **usual} for pair in pairs] + [
        {**pair, **usual, name: value} for pair in typical if pair in pairs for name in named for value in WISHES[name]
    ]


@pytest.mark.parametrize("version", HOSTS)
def test_nothing_is_abstract_and_nothing_loads_the_whole_video(host, video_class, version):
    facts = HOSTS[version]
    film = Film(host, video_class(stand_in(facts)))
    simple = {
        "get_dimensions": (SIDE, SIDE),
        "get_display_dimensions": (SIDE, SIDE),
        "get_frame_count": LENGTH,
        "get_frame_rate": Fraction(25),
        "get_duration": LENGTH / RATE,
        "get_bit_depth": 8,
        "get_color_space": "sRGB",
        "get_active_trim_window": (0.0, 0.0),
        "has_pending_frame_edits": False,
        "get_container_format": "mov,mp4,m4a,3gp,3g2,mj2",
    }
    asked = {name: getattr(film.video, name)() for name in facts["video_methods"] if name in simple}
    assert asked == {name: simple[name] for name in asked} and len(asked) >= 3
    assert film.computed == [], "facts about a film are known before it is rendered"
    remaining = set(facts["video_methods"]) - set(simple) - {"get_components", "save_to", "as_trimmed", "get_stream_source"}
    for name in remaining:
        assert getattr(film.video, name)(1, 2)[0] == name
    assert shown(film.video.get_stream_source())[0] == list(range(LENGTH))
    assert film.computed == list(range(LENGTH)), "a film is rendered once"


@pytest.mark.parametrize("version", HOSTS)
def test_every_way_of_saving_that_the_host_offers(host, video_class, version, tmp_path):
    facts = HOSTS[version]
    film = Film(host, video_class(stand_in(facts)))
    for number, call in enumerate(every_call(facts)):
        ending = {"auto": "mp4"}.get(call["format"], call["format"])
        path = tmp_path / f"{number}.{ending}"
        film.video.save_to(str(path), **call)
        numbers, metadata, codecs = shown(str(path))
        metadata = {name.lower(): text for name, text in metadata.items()}
        assert numbers == list(range(LENGTH)) or call.get("color_space", "sRGB") not in (None, "sRGB"), call
        assert json.loads(metadata["workflow"]) == {"nodes": []}, call
        assert len(codecs) == 2 and (codecs & {"opus", "libopus"} if ending == "webm" else "aac" in codecs), call
        assert ("h264" in codecs) == (call["codec"] == "h264" or (call["codec"] == "auto" and ending != "webm")), call
    assert film.computed == list(range(LENGTH)), "a film is rendered once"
    buffer = io.BytesIO()
    film.video.save_to(buffer)
    buffer.seek(0)
    assert shown(buffer)[0] == list(range(LENGTH))


def test_depth_and_colours_are_those_that_were_chosen(host, video_class, tmp_path):
    film = Film(host, video_class(stand_in(HOSTS["0.46.0"])))
    for space, transfer, matrix in (("sRGB", 1, 1), ("HDR", 18, 9), ("HDR PQ", 16, 9)):
        for depth in (8, 10):
            film.video.save_to(str(tmp_path / "film.mkv"), format="mkv", codec="av1", bit_depth=depth, color_space=space)
            with av.open(str(tmp_path / "film.mkv")) as container:
                first = next(container.decode(video=0))
                assert (first.color_trc, first.colorspace) == (transfer, matrix)
                assert first.format.name == ("yuv420p" if depth == 8 and space == "sRGB" else "yuv420p10le")


def test_a_smaller_crf_gives_a_larger_file(host, video_class, tmp_path):
    film = Film(host, video_class(stand_in(HOSTS["0.33.0"])))
    for codec, highest in (("h264", 51.0), ("av1", 63.0)):
        sizes = []
        for crf in (0.0, highest):
            film.video.save_to(str(tmp_path / "film.mkv"), format="mkv", codec=codec, crf=crf)
            sizes.append((tmp_path / "film.mkv").stat().st_size)
        assert sizes[0] > 1.05 * sizes[1], codec


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"format": "webm", "codec": "h264"}, "WebM"),
        ({"crf": 99.0}, "crf is 99"),
        ({"preset": "warp"}, "preset 'warp'"),
        ({"bit_depth": 12}, "bit depth '12'"),
    ],
)
def test_values_that_no_film_can_have_give_one_sentence(host, video_class, tmp_path, wish, says):
    film = Film(host, video_class(stand_in(HOSTS["0.46.0"])))
    with pytest.raises(host.core("errors").OutputError) as failure:
        film.video.save_to(str(tmp_path / "film.webm"), **wish)
    assert says in str(failure.value) and not list(tmp_path.iterdir()) and not film.computed


def test_a_part_renders_only_its_frames_and_keeps_its_sound(host, video_class, tmp_path):
    for version in ("0.14.1", "0.33.0", "0.46.0"):
        film = Film(host, video_class(stand_in(HOSTS[version])))
        part = film.video.as_trimmed(0.2, 0.4, strict_duration=True)
        assert (part.get_frame_count(), part.get_duration()) == (10, 0.4) and film.computed == []
        part.save_to(str(tmp_path / "part.mp4"))
        assert shown(str(tmp_path / "part.mp4"))[0] == list(range(5, 15))
        assert film.computed == list(range(5, 15))
        heard = host.core("media.sound").load_sound(tmp_path / "part.mp4")
        assert abs(heard.duration - 0.4) < 0.07
        assert part.get_components().audio["waveform"].shape == (1, 1, 6400)
        again = part.as_trimmed(0.2, 0)
        assert (again.get_frame_count(), again.get_duration()) == (5, 0.2)


@pytest.mark.parametrize(
    ("start", "duration", "strict", "frames"),
    [
        (0.0, 0.0, False, (0, 20)),
        (None, None, False, (0, 20)),
        (-0.2, 0.0, False, (15, 20)),
        (-9.0, 0.2, False, (0, 5)),
        (0.6, 5.0, False, (15, 20)),
        (0.6, 5.0, True, None),
        (0.8, 0.0, False, None),
        (5.0, 1.0, False, None),
    ],
)
def test_any_part_can_be_asked_for(host, video_class, start, duration, strict, frames):
    film = Film(host, video_class(stand_in(HOSTS["0.33.0"])))
    part = film.video.as_trimmed(start, duration, strict)
    if frames is None:
        assert part is None
    else:
        levels = part.get_components().images.mean(dim=(1, 2, 3))
        assert torch.allclose(levels, torch.tensor([grey(number) for number in range(*frames)]), atol=0.01)


def test_a_host_that_adds_a_method_tomorrow_is_answered_by_its_own_file(host, video_class):
    facts = json.loads(json.dumps(HOSTS["0.46.0"]))
    facts["video_methods"]["as_dreamt"] = {"abstract": True, "parameters": ["depth"]}
    facts["video_methods"]["get_mood"] = {"abstract": False, "parameters": []}
    base = stand_in(facts)
    base.lyrics = property(lambda self: pytest.fail("fell back to the host's own answer"))
    film = Film(host, video_class(base))
    name, path, arguments, named = film.video.as_dreamt(3, slowly=True)
    assert (name, arguments, named) == ("as_dreamt", (3,), {"slowly": True})
    assert shown(path)[0] == list(range(LENGTH))
    assert film.video.get_mood()[1] == path, "the film is written once"
    assert film.video.lyrics()[0] == "lyrics"
    assert film.computed == list(range(LENGTH))


def test_a_format_or_wish_of_tomorrow_is_left_to_the_hosts_own_file(host, video_class, monkeypatch):
    saved = []
    monkeypatch.setattr(VideoFromFile, "save_to", lambda self, path, **wishes: saved.append((path, wishes)), raising=False)
    film = Film(host, video_class(stand_in(HOSTS["0.46.0"])))
    film.video.save_to("film.mov", format="mov", codec="prores", metadata={"a": 1})
    film.video.save_to("film.mp4", grain=0.5, crf=20.0, color_space=None)
    assert saved == [
        ("film.mov", {"format": "mov", "codec": "prores", "metadata": {"a": 1}}),
        ("film.mp4", {"format": "auto", "codec": "auto", "metadata": None, "crf": 20.0, "grain": 0.5}),
    ]
