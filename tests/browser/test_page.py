"""The page itself in headless Chromium, in both renderers: every example opens, the head is turned, the motion and the rendering are seen.

Needs Chromium and playwright-core (a Node.js package); where they are not installed, skipped. Pictures are left in pytest's folder for
temporary files. With REAL3D_COMFYUI_URL in the environment the same is done with that running ComfyUI, and examples are run there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT

FOLDER = Path(__file__).resolve().parent
EXAMPLES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "example_workflows").glob("*.json"))}
FACES = "mediapipe_face_fp32.safetensors"  # what the examples declare
MODEL = {"name": FACES, "url": f"https://example.org/{FACES}", "folder": "/models/detection"}
SECONDS = 480


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.skip("no Chromium is installed (name one in CHROMIUM): the page is not looked at")
    return found


def modules() -> str:
    """A node_modules folder that holds playwright-core."""
    places = [os.environ.get("COMFY_NODE_MODULES"), os.environ.get("NODE_PATH"), ROOT / "output" / "node" / "node_modules"]
    for place in filter(None, places):
        if shutil.which("node") and (Path(place) / "playwright-core").is_dir():
            return str(place)
    pytest.skip("playwright-core is not installed (npm install --prefix output/node playwright-core): the page is not looked at")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of the page, and what runs of nodes would tell it."""
    with serving(tmp_path_factory.mktemp("page")) as told:
        yield told


@contextmanager
def serving(folder: Path):
    """The page's server in a folder of its own; its address and process, and what runs of nodes would tell the page."""
    chromium(), modules()
    pytest.importorskip("comfyui_frontend_package")
    command = [sys.executable, str(FOLDER / "page_server.py"), str(folder / "comfy")]
    with open(folder / "page_server.log", "w+") as log:
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = server.stdout.readline()
            if not line:
                log.seek(0)
                pytest.fail(f"the page server did not start:\n{log.read()[-3000:]}")
            yield {**json.loads(line), "process": server.pid, "log": folder / "page_server.log"}
        finally:
            server.kill()
            server.wait(10)


def looked(url: str, pictures: Path, steps: list, **plan) -> dict:
    """What look.mjs saw."""
    pictures.mkdir(parents=True, exist_ok=True)
    file = pictures / "plan.json"
    whole = {"modules": modules(), "chromium": chromium(), "pictures": str(pictures), "examples": EXAMPLES, "steps": steps, **plan}
    file.write_text(json.dumps(whole), encoding="utf-8")
    limit = SECONDS + plan.get("seconds", 0)
    command = ["node", str(FOLDER / "look.mjs"), url, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, encoding="utf-8")
    assert done.stdout, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert "failure" not in seen, seen["failure"]
    return seen


@pytest.fixture(scope="module", params=["canvas", "nodes 2.0"])
def seen(request, served, tmp_path_factory):
    steps = [["examples"], ["orbit", "Real3DCameraPath", "novel_view_orbit"], ["orbit", "Real3DTalkingPortrait", "simple"]]
    steps += [["keyframes", "keep_and_mix"], ["motion", "stage_by_stage"], ["rendering", "simple"], ["files", "keep_and_mix"]]
    steps += [["again", "Real3DTalkingPortrait", "simple"], ["again", "Real3DCameraPath", "novel_view_orbit"]]
    steps += [["help", "Real3DCameraPath", "novel_view_orbit"], ["models", "keep_and_mix"]]
    steps += [["direct", "directed_face"], ["faceKeys", "directed_face"], ["manners", "directed_face"]]
    steps += [["scenes", "novel_view_orbit", "simple", "driven_by_video"]]
    steps += [["modes", "novel_view_orbit"], ["subgraphs", "novel_view_orbit", "simple"]]
    told = {name: served[name] for name in ("head", "motion", "source", "frame", "folder")}
    vue = request.param == "nodes 2.0"
    pictures = tmp_path_factory.mktemp("pictures") / request.param.replace(" ", "_")
    return looked(served["url"], pictures, steps, vue=vue, light=vue, model=MODEL, **told)


def test_examples_open_without_a_complaint_and_keep_their_values(seen):
    assert not seen["problems"]
    assert sorted(seen["examples"]) == sorted(EXAMPLES)
    for name, example in seen["examples"].items():
        assert not example["missing"], name
        assert not example["untidy"], f"{name}, with the pictures of its renderings: {example['untidy']}"
        stored = {str(node["id"]): node.get("widgets_values", []) for node in EXAMPLES[name]["nodes"] if node["type"].startswith("Real3D")}
        shown = {key: list(values)[: len(stored[key])] for key, values in example["values"].items()}  # widgets of later versions follow
        assert shown == stored, name


@pytest.mark.parametrize("kind", ["Real3DCameraPath", "Real3DTalkingPortrait"])
def test_dragging_turns_the_head_and_the_numbers_follow(seen, kind):
    told = seen[f"orbit_{kind}"]

    def place(moment: str) -> tuple:
        return tuple(told[moment][name] for name in ("view_yaw", "view_pitch", "view_distance"))

    assert place("before") == (0, 0, 1) and place("dragged") == (24, -10, 1) and place("draggedLive") == (-20, 2, 1)
    assert told["drawn"] and told["drawnTurned"] and told["drawn"] != told["drawnTurned"], "without planes a drawn head turns"
    assert told["face"] and told["faceTurned"] and told["face"] != told["faceTurned"], "the server's picture turns"
    assert told["stayed"], "the node was dragged instead of the head"
    assert place("wheeled")[2] > 1 and not told["zoomed"], "the wheel is for the distance, not for the canvas"
    assert place("keyed") == (-18, 4, pytest.approx(place("wheeled")[2] - 0.05))
    assert told["followed"] and "-33" in told["numbers"], "a number that was typed turns the picture"
    others = set(told["before"]) - {"view_yaw", "view_pitch", "view_distance"}
    assert all(told["keyed"][name] == told["before"][name] for name in others)


def test_keyframes_are_added_moved_deleted_and_saved(seen):
    told = seen["keyframes"]
    assert told["added"]["keyframes"] == f"{told['before']}\n3: 0 0 0 1" and told["added"]["mode"] == "keyframes"
    assert told["dragged"] == f"{told['before']}\n3: 20 0 0 1" and told["count"] == 4
    assert told["moved"] == told["dragged"].replace("1: 12", "1.04: 12", 1)
    assert told["deleted"] == "0: 0 0 0 1\n2: 0 0 0 1\n3: 20 0 0 1" and told["nodeIsThere"]
    times = [float(line.partition(":")[0]) for line in told["draggedKey"].splitlines()]
    assert len(times) == 3 and times[0] == 0 and 1.2 < times[1] < 1.9 and times[2] == 3
    assert told["savedAndLoaded"] and told["reloaded"] == told["draggedKey"]


def test_a_motion_is_drawn_with_its_values(seen):
    told = seen["motion"]
    assert told["hinted"] and "Run the workflow" in told["hint"]
    assert (told["curves"], told["wave"]) == (8, 1)
    assert told["quarter"].startswith("0.75 / 3.00 s") and "jaw" in told["quarter"] and "\u00b0" in told["quarter"]
    assert told["later"] != told["quarter"] and told["end"] == "3.00"
    assert (told["reopened"], told["cached"]) == (0, 8), "what the cache holds is drawn although the node did not run"


def test_a_rendering_shows_its_newest_frame_and_is_cancelled(seen):
    told = seen["rendering"]
    assert told["running"] == "Frame 12 of 60, 8.3 fps" and told["picture"] == 192
    assert told["slow"] == "Frame 12 of 60, 0.04 fps"
    assert told["cancelling"] == "Cancelling \u2026" and told["interrupted"] and told["cancelled"] == "Cancelled at frame 12 of 60"


@pytest.mark.parametrize("kind", ["Real3DCameraPath", "Real3DTalkingPortrait"])
def test_undo_copies_and_reloads_keep_the_picture_and_the_numbers_one(seen, kind):
    told = seen[f"again_{kind}"]
    yaws = {"first": [12], "second": [32], "undone": [12], "undoneTwice": [0], "redone": [12], "draggedOn": [-18]}
    for moment in (*yaws, "copied", "reloaded"):
        for _, words, (yaw, pitch, distance), _, right in told[moment]:
            assert right, f"{moment}: the picture is another one's"
            assert words == f"yaw {yaw}\u00b0  pitch {pitch}\u00b0  distance {distance:.2f}", moment
        assert told[moment][0][3], f"{moment}: the head of the last run is not seen"
    assert {moment: [place[0] for _, _, place, *_ in told[moment]] for moment in yaws} == yaws
    assert len(told["copied"]) == 2 and told["copied"][1][2][0] == 33 and told["reloaded"] == told["copied"]


def test_a_rendering_goes_on_after_undo(seen):
    told = seen["again_Real3DTalkingPortrait"]
    assert told["rendering"] == told["renderingAfter"] == ["Frame 12 of 60, 8.3 fps"]
    assert told["renderingOn"] == ["Frame 13 of 60, 8.3 fps"] and told["renderingDone"] == ["60 frames, 8.3 fps"]


@pytest.mark.parametrize("kind", ["Real3DCameraPath", "Real3DTalkingPortrait"])
def test_pictures_are_no_inputs(seen, kind):
    inputs = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))[kind]["inputs"]
    assert set(seen[f"again_{kind}"]["prompt"]) <= set(inputs)


def test_a_camera_path_shows_the_numbers_of_its_mode(seen):
    told = seen["modes"]
    own = {"static": [], "orbit": ["yaw", "pitch", "period"], "dolly": ["distance_start", "distance_end"], "keyframes": ["keyframes"]}
    place = ["view_yaw", "view_pitch", "view_distance", "orbit"]
    assert told["seen"] == {mode: ["mode", "frames", "fps", *names, *place] for mode, names in own.items()}
    assert told["after"] == {**told["before"], "mode": "keyframes"} and told["stored"] == 12, "hidden numbers keep values and places"
    assert told["connected"] == ["mode", "frames", "fps", "yaw", *own["dolly"], *place], "what is connected is not hidden"
    assert told["disconnected"] == told["seen"]["dolly"] and told["inside"] == told["seen"]["orbit"]


def test_the_face_answers_sliders_dragging_keys_and_the_pointer(seen):
    told = seen["direct"]
    turned = ("gaze_x", "gaze_y", "head_yaw", "head_pitch", "head_roll")
    moved = {moment: {name: now[name] for name in turned} for moment, now in told.items() if isinstance(now, dict)}
    assert told["appeared"] and told["rest"], "before any run"
    assert told["slid"] == 0.8 and told["jaw"] not in (False, told["rest"]) and told["back"] == told["rest"], (
        "zero sliders are the photo again"
    )
    assert told["keyed"] == 0.1 and told["undone"] == 0.08, "arrow keys move a slider, undo takes it back"
    assert moved["dragged"] == {"gaze_x": 0.08, "gaze_y": 0, "head_yaw": 18, "head_pitch": -9, "head_roll": 0}
    assert moved["rolled"] == {**moved["dragged"], "head_roll": 15} and told["unrolled"] == 0
    assert told["turned"] and told["turned"] not in (told["rest"], told["turnedBack"])
    assert moved["arrows"] == {**moved["dragged"], "head_yaw": 10, "head_pitch": -7}
    assert moved["home"] == {"gaze_x": 0.08, "gaze_y": 0, "head_yaw": 0, "head_pitch": 0, "head_roll": 0}
    assert told["followed"] and told["unset"] == 0.08, "eyes that follow the pointer change no slider"
    assert moved["looking"]["gaze_x"] > 0.2 and moved["looking"]["gaze_y"] > 0.1, "until it is pressed"
    assert not any(moved["reset"].values()) and told["end"] == told["rest"]


def test_the_face_is_directed_over_time(seen):
    told = seen["faceKeys"]
    rest, surprised, smiling, back = told["scrubbed"]
    assert told["count"] == 3 and len({rest, surprised, smiling}) == 3 and back == rest and told["smile"] == 0.9
    assert told["set"] == f"{told['before']}\n3: smile = 0.9, gaze_x = -0.4", "a slider sets the whole face of its moment"
    assert told["mirrored"] == told["set"].replace("-0.4", "0.4") == told["undone"]
    assert told["pasted"] == told["mirrored"].replace("0: neutral", "0: smile = 0.9, gaze_x = 0.4", 1)
    assert told["end"] == "4.00" and 0.2 < told["playing"] < 4 and told["paused"]
    assert told["drawn"] == [3, 1], "the speech that comes in"
    assert (told["replace"], told["scale"]) == ("jaw_open = replace", "jaw_open = scale")
    assert told["saved"] == "Greeting" and told["loaded"]["smile"] == 0.65 and told["forgotten"] == 1, "a face is kept, and let go"


def test_the_same_face_is_seen_in_other_nodes(seen):
    told = seen["scenes"]
    for name in ("path", "simple"):
        assert told[name]["appeared"] and told[name]["turned"] and told[name]["yaw"] == 20 and not told[name]["hint"], name
    assert told["scrubbed"] and told["grown"], "the strip shows the frame of its moment, as large as the node"
    assert told["hint"] == "Run once to see the face" and told["edited"] and told["moment"]


def test_the_face_keeps_its_manners(seen):
    told = seen["manners"]
    assert told["whileRunning"] == 0 and told["afterwards"], "nothing is asked for while a workflow runs"
    assert told["whileHidden"] == 0 and told["back"]
    assert told["lost"] and told["healed"]
    assert "cannot be used" in told["refused"] and told["unknown"] == "Run once to see the face"
    assert told["released"] and told["afterRemoval"] == 0 and told["images"] == 0


def test_the_picture_of_the_head_grows_with_its_node(seen):
    (low, _), (high, side) = seen["modes"]["small"], seen["modes"]["large"]
    assert high > 2 * low and 300 < side <= 384


def test_the_help_of_a_node_is_where_the_page_looks_first(seen):
    asked, text = seen["help"]["asked"], seen["help"]["text"]
    assert asked == [["Real3DCameraPath/en.md", 200]] and text.startswith("Camera path") and "Good to know" in text


def test_subgraphs_show_what_the_workflow_shows(seen):
    told = seen["subgraphs"]
    assert told["camera"].count(":") == 2 and told["clock"] == "0.00 / 0.60 s", "the motion is in another subgraph"
    yaws = {
        moment: [(place[0], live) for _, _, place, live, _ in told[moment]] for moment in ("path", "pathDragged", "pathUndone", "simple")
    }
    assert yaws == {"path": [(0, True)], "pathDragged": [(12, True)], "pathUndone": [(0, True)], "simple": [(0, True)]}
    assert told["rendering"] == "Frame 12 of 60, 8.3 fps"


def test_the_files_of_an_example_are_copied_if_the_user_wants_it(seen):
    files = ["real3d_portrait.jpg", "real3d_portrait_2.jpg", "real3d_voice.wav"]
    for answer, expected in (("no", []), ("yes", files)):
        told = seen["files"][answer]
        assert all(name in told["text"] for name in files) and "Existing files are not overwritten" in told["text"]
        assert (told["before"], told["after"]) == ([], expected)
        assert not told["askedAgain"] and told["nodes"] == len(EXAMPLES["keep_and_mix"]["nodes"])


def test_the_model_that_finds_faces_is_offered_where_there_is_none(seen):
    for answer, fetched in (("no", []), ("yes", [MODEL["url"]])):
        told = seen["models"][answer]
        assert all(part in told["text"] for part in MODEL.values()) and told["dialogs"] == 1
        assert told["fetched"] == fetched and not told["askedAgain"]


MONKEY = (int(os.environ.get("REAL3D_MONKEY_SECONDS", "12")), int(os.environ.get("REAL3D_MONKEY_SEED", "1")))
MORE_MEMORY = 50e6  # bytes that a server may take for whatever is done to its faces, once it has drawn as many as it keeps


def test_a_monkey_at_the_face_leaves_nothing_behind(served, tmp_path):
    """REAL3D_MONKEY_SECONDS=600 lets it play for ten minutes, REAL3D_MONKEY_SEED makes it another one."""
    looked(served["url"], tmp_path / "before", [["monkey", "directed_face", 10, 0]], vue=False, light=False)
    before, quiet = memory(served["process"]), served["log"].read_text(errors="replace").count("Traceback")
    steps = [["monkey", "directed_face", *MONKEY]]
    seen = looked(served["url"], tmp_path, steps, vue=False, light=False, seconds=MONKEY[0])
    told = seen["monkey"]
    assert not seen["problems"] and not [note for note in seen["notes"] if note.startswith("page error")]
    assert sum(told["counted"].values()) > 10 and told["elements"] == told["nodes"], "a picture for each node"
    assert told["orphans"] == [0, 0], "nothing is asked for without a node"
    assert served["log"].read_text(errors="replace").count("Traceback") == quiet
    if before is not None:
        assert memory(served["process"]) - before < MORE_MEMORY


def memory(process: int) -> int | None:
    """Bytes that a process has; None where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    found = re.search(r"VmRSS:\s*(\d+)", status.read_text()) if status.is_file() else None
    return None if found is None else 1024 * int(found[1])


def test_the_page_speaks_chinese(served, tmp_path):
    words = json.loads((ROOT / "locales" / "zh" / "main.json").read_text(encoding="utf-8"))["real3d"]
    seen = looked(served["url"], tmp_path, [["motion", "stage_by_stage"]], locale="zh", motion=served["motion"])
    assert not seen["problems"] and seen["motion"]["hint"] == words["Run the workflow to see the motion of the face and the head"]
    assert words["jaw"] in seen["motion"]["quarter"]


@pytest.mark.parametrize("vue", [False, True], ids=["canvas", "nodes 2.0"])
def test_a_real_run_fills_the_nodes(vue, tmp_path):
    url = os.environ.get("REAL3D_COMFYUI_URL")
    if not url:
        pytest.skip("REAL3D_COMFYUI_URL names no running ComfyUI with this pack")
    kind = ["Real3DTalkingPortrait"]
    amplitude = 0.8 if vue else 0.9  # another film in each renderer: ComfyUI keeps what it has run
    steps = [["run", "simple", kind, {"mouth_amplitude": amplitude}]]
    steps += [["cancel", "simple", kind, {"mouth_amplitude": amplitude, "size": 768}]]
    seen = looked(url, tmp_path, steps, vue=vue)
    if vue and "run" not in seen:
        pytest.skip("Nodes 2.0 of this page shows no elements of packs")
    assert not seen["problems"] and seen["run"]["end"].startswith("execution_success") and seen["run"]["running"]
    assert seen["run"]["face"] and seen["run"]["face"] != seen["run"]["faceTurned"] and seen["run"]["faceUndone"] == seen["run"]["face"]
    assert seen["cancel"]["told"] == ["Cancelling \u2026"] and seen["cancel"]["end"] == "execution_interrupted"
    assert seen["cancel"]["after"][0].startswith("Cancelled at frame")
