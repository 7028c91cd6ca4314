"""Files of jobs: every option by its own name, paths from the file, and one sentence for each line that cannot be meant."""

import json

import pytest

from real3d_core.errors import Real3DError
from real3d_core.series.jobs import read_jobs


@pytest.fixture
def files(tmp_path):
    """Two photos, a voice and a clip, which nobody looks into."""
    for name in ("me.png", "you.png", "voice.wav", "clip.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def read(files, *lines, out="films"):
    (files / "jobs.jsonl").write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return read_jobs(files / "jobs.jsonl", files / out)


ONE = {"portrait": "me.png", "audio": "voice.wav", "out": "a.mp4"}


def test_options_are_those_of_the_command_line_and_paths_are_the_files_own(files, monkeypatch):
    monkeypatch.chdir(files.parent)
    line = {**ONE, "size": 256, "pose-amount": -0.5, "paste-back": True, "side-by-side": False, "no-provenance": True, "seed": None}
    (job,), refusals = read(files, "", {**line, "contact-sheet": "sub/a.png", "out": "sub/a.mp4"})
    options = job.options
    assert not refusals and job.line == 2 and job.name == "sub/a.mp4"
    assert (options.portrait, options.audio) == (str(files / "me.png"), str(files / "voice.wav"))
    assert (options.out, options.contact_sheet) == (str(files / "films" / "sub" / "a.mp4"), str(files / "films" / "sub" / "a.png"))
    assert (options.size, options.pose_amount, options.paste_back, options.side_by_side) == (256, -0.5, True, None)
    assert not options.provenance and options.seed == 0


def test_a_line_ends_where_json_lines_do(files):
    lines = [{**ONE, "transcript": "one\u2028two\x85three", "out": name} for name in ("a.mp4", "b\u3000\xa0.mp4")]
    (files / "jobs.jsonl").write_text("\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8", newline="")
    jobs, refusals = read_jobs(files / "jobs.jsonl", files / "films")
    assert not refusals and [job.line for job in jobs] == [1, 2] and jobs[1].options.transcript == "one\u2028two\x85three"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        ({"portrait": "me.png", "audio": "voice.wav"}, "--out"),
        ({**ONE, "colour": "red"}, "no option 'colour'"),
        ({**ONE, "help": True}, "no option 'help'"),
        ({**ONE, "size": "large"}, "large"),
        ({**ONE, "size": True}, "'size'"),
        ({**ONE, "size": [64]}, "'size'"),
        ({**ONE, "paste-back": 1}, "true or false"),
        ({**ONE, "portrait": "none.png"}, "does not exist"),
        ({**ONE, "mask": "."}, "is a folder"),
        ({**ONE, "neutral": 3}, "--neutral"),
        ({**ONE, "out": "../a.mp4"}, "outside"),
        ({**ONE, "out": "/a.mp4"}, "outside"),
        ({**ONE, "out": ".series/a.mp4"}, "outside"),
        ({**ONE, "out": "a.avi"}, ".mp4"),
        ({**ONE, "out": ""}, ".mp4"),
        ({**ONE, "contact-sheet": "a.jpg"}, ".png"),
        ({**ONE, "contact-sheet": "./contact_sheet.png"}, "contact sheet of the whole series"),
        ({**ONE, "out": "a\0b.mp4"}, "cannot be shown"),
        ({**ONE, "out": "\ud800.mp4"}, "cannot be shown"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_a_line_that_cannot_be_meant_is_one_sentence_and_the_others_stay(files, line, word):
    jobs, (refusal,) = read(files, line, {**ONE, "out": "b.mp4"})
    assert [job.name for job in jobs] == ["b.mp4"]
    assert refusal.line == 1 and word in refusal.error and refusal.error.startswith("Line 1 ")
    assert "\n" not in refusal.error and refusal.error.endswith(".")


def test_nothing_is_written_twice_or_over_an_input(files):
    lines = ONE, {**ONE, "seed": 1}, {**ONE, "out": "b.mp4", "contact-sheet": "c.png"}, {**ONE, "out": "./b.mp4"}
    jobs, refusals = read(files, *lines)
    assert [job.line for job in jobs] == [1, 3]
    assert "what line 1 makes" in refusals[0].error and "what line 3 makes" in refusals[1].error
    jobs, (refusal,) = read(files, {"portrait": "me.png", "driving": "clip.mp4", "out": "clip.mp4"}, ONE, out=".")
    assert [job.line for job in jobs] == [2] and "what line 1 reads" in refusal.error


def test_a_file_without_jobs_is_refused(files):
    with pytest.raises(Real3DError, match="does not exist"):
        read_jobs(files / "none.jsonl", files)
    with pytest.raises(Real3DError, match="no line"):
        read(files, "", "  ")
    (files / "picture.jsonl").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(Real3DError, match="UTF-8"):
        read_jobs(files / "picture.jsonl", files)


def test_a_key_tells_what_a_film_shares_with_others(files):
    (a, seed, photo, size), _ = read(
        files, ONE, {**ONE, "seed": 1, "out": "b.mp4"}, {**ONE, "portrait": "you.png", "out": "c.mp4"}, {**ONE, "size": 64, "out": "d.mp4"}
    )
    assert len({a.key, seed.key, photo.key, size.key}) == 4
    assert a.motion_key == photo.motion_key == size.motion_key != seed.motion_key
    assert a.portrait_key == seed.portrait_key == size.portrait_key != photo.portrait_key


def test_a_changed_file_is_another_job_and_a_moved_series_is_the_same(files, tmp_path_factory):
    (before,), _ = read(files, ONE)
    (same,), _ = read(files, "", ONE)
    assert same.key == before.key
    other = tmp_path_factory.mktemp("other")
    for name in ("me.png", "voice.wav"):
        (other / name).write_bytes((files / name).read_bytes())
    (moved,), _ = read(other, ONE)
    assert moved.key == before.key
    (files / "voice.wav").write_bytes(b"another voice")
    (changed,), _ = read(files, ONE)
    assert changed.key != before.key
