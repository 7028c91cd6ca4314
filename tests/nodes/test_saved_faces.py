"""Faces that a user keeps: names and numbers are checked, and a file that is none is never written over."""

import asyncio
import json

import pytest


@pytest.fixture(scope="module")
def saved(host):
    return host.part("saved_faces")


@pytest.fixture
def path(tmp_path, saved):
    return tmp_path / "user" / "default" / saved.FILE


def save(saved, path, **asked):
    return asyncio.run(saved.answer_save(asked, path))


def test_faces_are_saved_replaced_and_removed(saved, path):
    assert asyncio.run(saved.answer_faces(None, path)) == (200, {"faces": {}})
    greeting = {"smile": 0.8, "gaze_x": -0.3, "head_yaw": 12.5}
    assert save(saved, path, name=" Greeting ", amounts={**greeting, "jaw_open": 0.0}) == (200, {"faces": {"Greeting": greeting}})
    save(saved, path, name="问候", amounts={"sad": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"Greeting": greeting, "问候": {"sad": 1.0}}
    assert save(saved, path, name="Greeting", amounts={"smile": 0.1})[1]["faces"]["Greeting"] == {"smile": 0.1}
    assert save(saved, path, name="Greeting") == (200, {"faces": {"问候": {"sad": 1.0}}})
    assert [one.name for one in path.parent.iterdir()] == [saved.FILE], "nothing else is left"


@pytest.mark.parametrize("name", [None, "", "  ", "x" * 61, "a\0b", "a\nb", 3, ["a"]])
def test_a_name_that_is_none_is_refused(saved, path, name):
    status, body = save(saved, path, name=name, amounts={"smile": 0.5})
    assert status == 200 and "name" in body["error"] and not path.exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "CON", "con.json", "a/b"])
def test_a_name_is_never_one_of_a_file(saved, path, name):
    assert save(saved, path, name=name, amounts={"smile": 0.5})[1] == {"faces": {name: {"smile": 0.5}}}
    assert [one.name for one in path.parent.iterdir()] == [saved.FILE]


@pytest.mark.parametrize(
    "amounts", [[], "smile", {"nose": 1}, {"smile": 2}, {"smile": "1"}, {"smile": True}, {"gaze_x": float("nan")}, {"ways": 1}]
)
def test_amounts_that_are_none_are_refused(saved, path, amounts):
    assert "error" in save(saved, path, name="a", amounts=amounts)[1] and not path.exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": {"smile": 7}}', '{"a": 3}', "[" * 5000, " " * 2**19])
def test_a_file_that_is_none_stays_as_it_is(saved, path, content):
    path.parent.mkdir(parents=True)
    path.write_text(content)
    for status, body in (asyncio.run(saved.answer_faces(None, path)), save(saved, path, name="b", amounts={"smile": 0.5})):
        assert status == 200 and "cannot be read" in body["error"]
    assert path.read_text() == content


def test_faces_are_bounded(saved, path):
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({str(number): {} for number in range(saved.MOST_FACES)}))
    assert "At most" in save(saved, path, name="one more", amounts={})[1]["error"]
    assert "faces" in save(saved, path, name="7", amounts={"smile": 0.5})[1]


def test_whatever_is_sent_is_no_list(saved, path):
    assert asyncio.run(saved.answer_save([], path))[0] == 400
