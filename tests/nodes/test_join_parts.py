"""Parts of a film become the film: their pictures as they are encoded, its sound encoded once."""

import av
import numpy as np
import pytest
from pack_host import VideoFromFile, composing


@pytest.fixture
def render(host, stages):
    """A function from a part to its VIDEO."""

    def part(start: int, count: int, **inputs):
        given = composing(stages, audio=host.inputs["voice.wav"]) | inputs
        return host.execute("Real3DTalkingPortraitToVideo", **given, start_frame=start, frame_count=count)[0][0]

    return part


@pytest.fixture
def files(render, tmp_path):
    """The saved parts of a film, as 'Load Video' gives them."""
    paths = [tmp_path / name for name in ("first.mp4", "second.mkv", "third.mp4")]
    for path, (start, count) in zip(paths, ((0, 2), (2, 3), (5, 0)), strict=True):
        render(start, count).save_to(str(path))
    return paths


def pictures(*films) -> list[bytes]:
    """As they are encoded."""
    made = []
    for film in films:
        with av.open(str(film)) as container:
            made += [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return made


def samples(film) -> np.ndarray:
    with av.open(str(film)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def join(host, *parts, **inputs) -> str:
    given = {f"part_{number}": part for number, part in enumerate(parts, 1)}
    return host.execute("Real3DJoinParts", **given, **inputs)[0].get_stream_source()


def test_saved_parts_are_copied_and_the_whole_voice_is_encoded_once(host, render, files, tmp_path):
    film = join(host, *(VideoFromFile(str(path)) for path in files), audio=host.inputs["voice.wav"])
    render(0, 0).save_to(str(tmp_path / "whole.mp4"))
    assert pictures(film) == pictures(*files)
    assert np.array_equal(samples(film), samples(tmp_path / "whole.mp4"))
    with av.open(film) as container:
        assert [frame.pts * frame.time_base * 25 for frame in container.decode(video=0)] == [0, 1, 2, 3, 4, 5]
        assert "avatar analytic" in container.metadata["comment"]


def test_parts_rendered_in_the_same_graph_are_the_film_with_its_own_sound(host, render, files, tmp_path):
    film = join(host, render(0, 2), render(2, 3), render(5, 0))
    render(0, 0).save_to(str(tmp_path / "whole.mp4"))
    assert pictures(film) == pictures(*files)
    assert np.array_equal(samples(film), samples(tmp_path / "whole.mp4"))


def test_joined_films_can_be_joined(host, files):
    one, two, three = (VideoFromFile(str(path)) for path in files)
    first = host.execute("Real3DJoinParts", part_1=one, part_2=two)[0]
    assert pictures(join(host, first, three)) == pictures(*files)


def test_parts_of_another_size_and_files_without_pictures_are_refused(host, render, files, tmp_path):
    refusal = host.core("errors").Real3DError
    with pytest.raises(refusal, match="Part 2 was encoded in another way"):
        join(host, VideoFromFile(str(files[0])), render(2, 2, size=64))
    (tmp_path / "none.mp4").write_bytes(bytes(100))
    with pytest.raises(refusal, match="cannot be read"):
        join(host, VideoFromFile(str(tmp_path / "none.mp4")))
