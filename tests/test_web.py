"""The scripts of the page: small, their words translated, their mathematics the core's, and never in the way of the rest."""

import json
import re
import shutil
import subprocess

import pytest
import torch
from conftest import ROOT

from real3d_core.motion.by_hand import ways_of
from real3d_core.motion.expressions import face_keyframes
from real3d_core.render import camera_paths

SCRIPTS = sorted((ROOT / "web" / "js").glob("*"))
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)


def test_they_are_small_and_nobody_else_s():
    assert sum(path.stat().st_size for path in SCRIPTS) < 100_000
    imported = re.findall(r'from "([^"]+)"', SOURCE)
    assert imported and all(re.fullmatch(r"\./\w+\.js|\.\./\.\./\.\./scripts/(app|api)\.js", name) for name in imported)


def test_they_stay_within_the_pack_s_own_nodes():
    forbidden = (r"\.prototype\b", r"\bwindow\.\w+\s*=", r"document\.body", r"onDraw\w+", r"\beval\(", r"innerHTML", r"parseInt\(")
    assert not [pattern for pattern in forbidden if re.search(pattern, SOURCE)]


def test_every_word_is_translated_and_none_is_stale():
    table = json.loads((ROOT / "locales" / "zh" / "main.json").read_text(encoding="utf-8"))["real3d"]
    curves = {"jaw", "lips", "blink", "expression", "yaw", "pitch", "roll", "gaze_x", "gaze_y"}
    said = {text for call in re.findall(r"\bt\((.*)", SOURCE) for text in re.findall(r'"((?:[^"\\]|\\.)*)"', call)}
    assert set(table) <= said | curves
    assert set(re.findall(r'\bt\("([^"]+)"', SOURCE)) | curves <= set(table)
    for text, translated in table.items():
        assert re.search("[\u4e00-\u9fff]", translated) and re.findall(r"\{\d\}", text) == sorted(re.findall(r"\{\d\}", translated))


KEYS = "# a remark\n0: 0 0 0 1\n1.5: 30, -10\n2; 28 -10 5 0.8\n\n4: -40 20 0 1.5"
PATHS = [
    {"mode": "static"},
    {"mode": "orbit", "yaw": 25, "pitch": 10, "period": 3.3},
    {"mode": "dolly", "distanceStart": 1.2, "distanceEnd": 0.7},
    {"mode": "keyframes", "keyframes": KEYS},
    {"mode": "keyframes", "keyframes": "1: 10 5 3 0.9"},
    {"mode": "keyframes", "keyframes": "0: 0 0\n3: 30 -6 0 1.4"},
    {"mode": "keyframes", "keyframes": "0 ease_in: 0 0\n1.04 Hold: 30 -6 0 1.4\n2 linear: 4 4\n3; 6 6\n4 ease_out : 9\n4.5: 2"},
]


def calculated(script: str, *files: str) -> object:
    """What a script that imports web/js/views.js, and files that import nothing else, prints as JSON."""
    node = shutil.which("node")
    if not node:
        pytest.skip("there is no Node.js")
    source = "\n".join((ROOT / "web" / "js" / name).read_text(encoding="utf-8") for name in ("views.js", *files))
    source = re.sub(r"^import .*$", "", source, flags=re.MULTILINE)
    done = subprocess.run([node, "--input-type=module", "-"], input=f"{source}\n{script}", capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_knows_where_the_camera_is():
    frames, fps = 120, 25.0
    script = f"""
const views = (path) => Array.from({{ length: {frames} }}, (_, i) => viewAt({{ ...path, seconds: {(frames - 1) / fps} }}, i / {fps}));
console.log(JSON.stringify({json.dumps(PATHS)}.map(views)))"""
    core = [
        camera_paths.static_view(frames),
        camera_paths.orbit_view(frames, fps, 25, 10, 3.3),
        camera_paths.dolly_view(frames, 1.2, 0.7),
        *(camera_paths.keyframe_view(path["keyframes"], frames, fps) for path in PATHS[3:]),
    ]
    for path, views, view in zip(PATHS, calculated(script), core, strict=True):
        pitch, yaw, roll = torch.rad2deg(view.angles).unbind(1)
        expected = torch.stack([yaw, pitch, roll, view.distance], dim=1)
        assert torch.allclose(torch.tensor(views, dtype=torch.float32), expected, atol=2e-4), path


def test_keyframes_are_edited_as_text():
    script = f"""
const text = {json.dumps(KEYS)};
const three = "0: 0 0 0 1\\n1: 5 0 0 1\\n2: 9 0 0 1";
const keys = parseKeyframes(text);
console.log(JSON.stringify({{
  times: keys.map((key) => key.time),
  added: withKeyframe(text, 3, [1, 2, 3, 1.1]),
  first: withKeyframe("", 0, [0, 0, 0, 1]),
  last: withKeyframe("0: 0 0 0 1\\n", 2, [0, 0, 0, 1]),
  without: withoutKeyframe(text, keys[1]),
  moved: withChangedKeyframe(three, parseKeyframes(three)[1], 2.5, [5, 0, 0, 1]),
  hostile: parseKeyframes("x: 1\\n-1: 2\\n1 2 3 4 5 6\\n1e400: 0\\nNaN: 1\\n1 constructor: 1").length,
  eased: withChangedKeyframe("0 hold: 1\\n2: 3 0 0 1", parseKeyframes("0 hold: 1\\n2: 3 0 0 1")[0], 1, [5, 0, 0, 1]),
  soft: withChangedKeyframe("0 hold: 1", parseKeyframes("0 hold: 1")[0], 0, [1, 0, 0, 1], "smooth"),
}}))"""
    told = calculated(script)
    assert told["times"] == [0, 1.5, 2, 4] and told["hostile"] == 0
    assert told["added"] == "# a remark\n0: 0 0 0 1\n1.5: 30, -10\n2; 28 -10 5 0.8\n\n3: 1 2 3 1.1\n4: -40 20 0 1.5"
    assert told["first"] == "0: 0 0 0 1" and told["last"] == "0: 0 0 0 1\n2: 0 0 0 1"
    assert "30, -10" not in told["without"] and "# a remark" in told["without"]
    assert told["moved"] == "0: 0 0 0 1\n2: 9 0 0 1\n2.5: 5 0 0 1"
    assert told["eased"] == "1 hold: 5 0 0 1\n2: 3 0 0 1" and told["soft"] == "0: 1 0 0 1"
    for text in (told["added"], told["without"], told["moved"], told["eased"]):
        camera_paths.keyframe_view(text, 10, 25.0)


FACE = "# a remark\n0: neutral\n1.5: smile = 0.8, gaze_x = -0.3\n3: surprised; head_yaw = 12.5, gaze_x = .2\n4 hold: smile\n4.4:"


def test_the_page_knows_what_the_face_does():
    frames, fps = 120, 25.0
    script = f"""
const keys = parseFaceKeys({json.dumps(FACE)});
console.log(JSON.stringify(Array.from({{ length: {frames} }}, (_, i) => faceAt(keys, i / {fps}))))"""
    expressions, by_hand = face_keyframes(FACE, frames, fps)
    shown = calculated(script, "face_keys.js")
    assert set(shown[0]) == {"neutral", "smile", "surprised", "gaze_x", "head_yaw"}
    for name in shown[0]:
        expected = {**expressions, **by_hand}[name]
        assert torch.allclose(torch.tensor([face[name] for face in shown], dtype=torch.float32), expected, atol=2e-4), name


def test_faces_are_edited_as_text():
    script = f"""
const text = {json.dumps(FACE)};
const keys = parseFaceKeys(text);
console.log(JSON.stringify({{
  added: withFaceKey(text, null, 2, {{ gaze_y: 0.25, smile: 0, head_roll: -3 }}),
  set: withFaceKey(text, keys[1], 1.5, {{ smile: 0.9 }}),
  moved: withFaceKey(text, keys[1], 3.5, keys[1].values),
  first: withFaceKey("", null, 0, {{}}),
  mirrored: mirrored({{ gaze_x: 0.5, gaze_y: 0.1, head_yaw: -4, blink_left: 1, brow_outer_left: 0.2, brow_outer_right: 0.4, smile: 1 }}),
  hostile: parseFaceKeys("x: smile\\n-1: smile\\n1: smile = much\\n1 smile\\n1 bouncy: smile").length,
  eased: withFaceKey("1 linear: smile = 0.5", parseFaceKeys("1 linear: smile = 0.5")[0], 2, {{ smile: 1 }}),
  ways: parseWays("jaw_open = scale, gaze_x: replace"),
  written: formatWays({{ jaw_open: "scale", gaze_x: "add", frown: "replace" }}),
}}))"""
    told = calculated(script, "face_keys.js")
    assert "\n2: gaze_y = 0.25, head_roll = -3\n3:" in told["added"] and "# a remark" in told["added"]
    assert told["set"] == FACE.replace("smile = 0.8, gaze_x = -0.3", "smile = 0.9")
    assert told["moved"].splitlines()[3] == "3.5: smile = 0.8, gaze_x = -0.3" and told["first"] == "0:" and told["hostile"] == 0
    assert told["eased"] == "2 linear: smile = 1"
    expected = {"gaze_x": -0.5, "gaze_y": 0.1, "head_yaw": 4, "brow_outer_left": 0.4, "brow_outer_right": 0.2, "smile": 1}
    assert told["mirrored"] == expected | {"blink_left": 0, "blink_right": 1}
    assert told["ways"] == {"jaw_open": "scale", "gaze_x": "replace"} and told["written"] == "jaw_open = scale, frown = replace"
    for text in (told["added"], told["set"], told["moved"], told["first"], told["eased"]):
        face_keyframes(text, 10, 25.0)
    assert ways_of(told["written"]) == {"jaw_open": "scale", "frown": "replace"}
