"""The examples on real ComfyUI servers. Needs checkouts of ComfyUI, 0.3.64 or later, and is skipped without any:

REAL3D_COMFYUI names them, separated as in PATH, each as CHECKOUT=PYTHON with the Python that can run it (this one if not given).
Takes many minutes per checkout. What a host does not offer is not asked of it.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import wave
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from pack_host import ROOT
from PIL import Image

HOSTS = [host.partition("=")[::2] for host in os.environ.get("REAL3D_COMFYUI", "").split(os.pathsep) if host]
pytestmark = pytest.mark.skipif(not HOSTS, reason="REAL3D_COMFYUI names no checkout of ComfyUI")

EXAMPLES = ("simple", "stage_by_stage", "driven_by_video", "novel_view_orbit", "restyle_between_stages", "long_clip_video")
EXAMPLES += ("keep_and_mix", "directed_face", "film_in_parts")
SMALL = {"size": 256, "resolution": 64}
MEBIBYTE = 1024  # of the kibibytes that /proc counts in


class Server:
    """main.py --cpu with the pack linked in, in a folder of its own."""

    def __init__(self, base: Path, checkout: str, python: str):
        self.base = base
        for name in ("custom_nodes", "input", "output", "models", "user", "temp"):
            (base / name).mkdir(parents=True)
        (base / "custom_nodes" / "real3d-portrait").symlink_to(ROOT, target_is_directory=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [
            python or sys.executable,
            "main.py",
            "--cpu",
            "--listen",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        command += ["--base-directory", str(base), "--database-url", "sqlite:///:memory:", "--disable-api-nodes"]
        self.log = base / "server.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, cwd=checkout, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def wait(self) -> None:
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise TimeoutError("the server does not answer")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def get(self, path: str):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, content: dict):
        request = urllib.request.Request(self.url + path, json.dumps(content).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def queue(self, graph: dict, workflow: dict | None = None) -> str:
        saved = {"extra_pnginfo": {"workflow": workflow}} if workflow else {}
        queued = self.post("/prompt", {"prompt": graph, "extra_data": saved})
        assert not queued["node_errors"], queued["node_errors"]
        return queued["prompt_id"]

    def offers(self, node: str) -> dict | None:
        """The description of a node, None where the host has none of this name."""
        return self.get(f"/object_info/{urllib.parse.quote(node)}").get(node)

    def path(self, file: dict) -> Path:
        return self.base / file["type"] / file["subfolder"] / file["filename"]

    def ended(self, number: str, seconds: float = 3600) -> dict:
        """The history of a run that has ended: messages by kind, and the files of its outputs."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            history = self.get(f"/history/{number}").get(number)
            if history:
                messages = dict(history["status"]["messages"])
                files = [
                    file for output in history["outputs"].values() for group in output.values() for file in group if isinstance(file, dict)
                ]
                return {"status": history["status"]["status_str"], "messages": messages, "files": files}
            time.sleep(0.2)
        raise TimeoutError(number)

    def run(self, graph: dict, workflow: dict | None = None) -> dict:
        ended = self.ended(self.queue(graph, workflow))
        assert ended["status"] == "success", ended["messages"].get("execution_error", ended["messages"])
        return ended

    def peak(self) -> int:
        """The most memory that the server ever had, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // MEBIBYTE


@pytest.fixture(scope="module", params=HOSTS, ids=lambda host: Path(host[0]).name)
def checkout(request) -> tuple[str, str]:
    """A checkout of ComfyUI and the Python that runs it."""
    return request.param


@pytest.fixture(scope="module")
def server(tmp_path_factory, assets, checkout):
    with running(tmp_path_factory.mktemp("comfyui") / "base", assets, *checkout) as started:
        yield started


@contextmanager
def running(base: Path, assets: Path, checkout: str, python: str):
    """A server with pictures and voices in its input folder."""
    started = Server(base, checkout, python)
    try:
        inputs = base / "input"
        Image.new("RGB", (200, 320), (160, 90, 40)).save(inputs / "background_2.png")
        for seconds, name in ((0.6, "real3d_voice"), (10, "voice_10"), (60, "voice_60")):
            write_voice(assets / "speech" / "librivox_0880_en.wav", inputs / f"{name}.wav", seconds)
        started.wait()
        missing = started.get("/real3d/examples")["missing"]
        assert started.post("/real3d/examples", missing) == {"copied": missing}
        yield started
    finally:
        started.stop()


def write_voice(source: Path, target: Path, seconds: float) -> None:
    """The recording over and over until it lasts so long."""
    with wave.open(str(source)) as file:
        parameters, samples = file.getparams(), file.readframes(file.getnframes())
    width = parameters.sampwidth * parameters.nchannels
    wanted = round(seconds * parameters.framerate) * width
    with wave.open(str(target), "wb") as file:
        file.setparams(parameters)
        file.writeframes((samples * (wanted // len(samples) + 1))[:wanted])


def twin(name: str, changes: dict) -> dict:
    """The API twin of an example with other values for the inputs of these names."""
    graph = json.loads((ROOT / "tests" / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    for node in graph.values():
        node["inputs"].update(
            {key: value for key, value in changes.items() if key in node["inputs"] and not isinstance(node["inputs"][key], list)}
        )
    return graph


def numbers(graph: dict, *kinds: str) -> set[str]:
    return {key for key, node in graph.items() if node["class_type"] in kinds}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_a_second_run_is_all_cached(server, name):
    graph = twin(name, SMALL)
    first = server.run(graph)
    films = [file for file in first["files"] if file["filename"].endswith(".mp4")]
    assert films and all(server.path(film).stat().st_size > 5000 for film in films)
    again = server.run(graph)
    assert set(again["messages"]["execution_cached"]["nodes"]) == set(graph)


def test_another_background_runs_only_what_depends_on_it(server):
    graph = twin("long_clip_video", SMALL)
    server.run(graph)
    background = next(key for key, node in graph.items() if node["inputs"].get("image") == "real3d_background.jpg")
    graph[background]["inputs"]["image"] = "background_2.png"
    cached = set(server.run(graph)["messages"]["execution_cached"]["nodes"])
    assert set(graph) - cached == {background} | numbers(graph, "Real3DTalkingPortraitToVideo", "SaveVideo")


def test_cancel_stops_a_film_and_the_next_run_works(server):
    graph = twin("long_clip_video", {**SMALL, "audio": "voice_60.wav"})
    heard = {key: node for key, node in graph.items() if node["class_type"] in ("Real3DLoadAvatar", "LoadAudio", "Real3DAudioToMotion")}
    heard["90"] = {
        "class_type": "Real3DSaveMotion",
        "inputs": {"motion": [*numbers(heard, "Real3DAudioToMotion"), 0], "filename_prefix": "m"},
    }
    server.run(heard)  # so that what follows is rendering
    before = sorted((server.base / "output").rglob("*"))
    number = server.queue(graph)
    for _ in range(600):
        if list((server.base / "output").rglob(".*.mp4")):  # the unfinished film
            break
        time.sleep(0.2)
    time.sleep(3)
    asked = time.monotonic()
    server.post("/interrupt", {})
    ended = server.ended(number, 120)
    print(f"cancelled within {time.monotonic() - asked:.1f} s")
    assert "execution_interrupted" in ended["messages"], ended
    assert sorted((server.base / "output").rglob("*")) == before, "half a film was left"
    server.run(twin("simple", {**SMALL, "seed": 7}))


def test_core_saves_cuts_joins_and_takes_apart_our_film(server):
    """Everything behind one VIDEO, each where the host offers it."""
    graph = twin("simple", SMALL)
    (source,) = numbers(graph, "Real3DTalkingPortrait")
    dynamic = "DYNAMIC" in str(server.offers("SaveVideo")["input"]["required"]["format"][0])
    wanted = {}

    def save(name: str, video: list, inputs: dict, **expected) -> None:
        graph[name] = {"class_type": "SaveVideo", "inputs": {"video": video, "filename_prefix": f"chains/{name}", **inputs}}
        wanted[name] = expected

    save("plain", [source, 0], {"format": "auto", "codec": "auto"}, frames=15, codecs={"h264", "aac"})
    save("h264", [source, 0], {"format": "mp4", "codec": "h264"}, frames=15, codecs={"h264", "aac"})
    if dynamic:
        quality = {"format.codec.encoding.crf": 40.0, "format.codec.encoding.color_space": "auto"}
        coarse = {"format": "mp4", "format.codec": "h264", "format.codec.encoding": "re-encode", **quality}
        save("mkv", [source, 0], {"format": "mkv", "format.codec": "auto"}, frames=15, codecs={"h264", "aac"})
        save("webm", [source, 0], {"format": "webm", "format.codec": "av1"}, frames=15, codecs={"av1", "opus"})
        save("coarse", [source, 0], coarse, frames=15, codecs={"h264", "aac"})
    if server.offers("Video Slice"):
        graph["cut"] = {
            "class_type": "Video Slice",
            "inputs": {"video": [source, 0], "start_time": 0.2, "duration": 0.2, "strict_duration": True},
        }
        save("part", ["cut", 0], {"format": "auto", "codec": "auto"}, frames=5, codecs={"h264", "aac"})
    graph["apart"] = {"class_type": "GetVideoComponents", "inputs": {"video": [source, 0]}}
    graph["again"] = {"class_type": "CreateVideo", "inputs": {"images": ["apart", 0], "audio": ["apart", 1], "fps": ["apart", 2]}}
    save("rebuilt", ["again", 0], {"format": "auto", "codec": "auto"}, frames=15, codecs={"h264", "aac"})

    files = server.run(graph, workflow={"nodes": [], "note": "kept"})["files"]
    for name, expected in wanted.items():
        path = next((server.path(file) for file in files if file["filename"].startswith(f"{name}_")), None)
        assert path, f"{name} was not saved: {files}"
        with av.open(str(path)) as container:
            pictures = [picture.time for picture in container.decode(video=0)]
            codecs = {stream.codec_context.codec.canonical_name for stream in container.streams}
            metadata = {key.lower(): text for key, text in container.metadata.items()}
        assert len(pictures) == expected["frames"], name
        assert np.allclose(pictures, np.arange(len(pictures)) / 25, atol=0.002), name
        assert codecs == expected["codecs"], name
        assert json.loads(metadata["workflow"])["note"] == "kept" and set(json.loads(metadata["prompt"])) == set(graph), name
    if dynamic:
        sizes = {file["filename"].partition("_")[0]: server.path(file).stat().st_size for file in files}
        assert sizes["coarse"] < 0.6 * sizes["plain"]


def test_parts_from_the_queue_are_joined_as_they_are_encoded(server):
    """The graphs of docs/examples, as several workers would run them; Save Video copies what Join parts gives it."""

    def made(name: str, **inputs) -> Path:
        graph = json.loads((ROOT / "docs" / "examples" / f"{name}.json").read_text(encoding="utf-8"))
        for node in graph.values():
            node["inputs"].update({key: value for key, value in (SMALL | inputs).items() if key in node["inputs"]})
        (film,) = (file for file in server.run(graph)["files"] if file["filename"].endswith(".mp4"))
        return server.path(film)

    def read(path: Path) -> tuple[list[bytes], np.ndarray]:
        with av.open(str(path)) as container:
            packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        with av.open(str(path)) as container:
            return packets, np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)

    whole = made("part_in_the_queue", start_frame=0, frame_count=0)
    parts = [made("part_in_the_queue", start_frame=start, frame_count=count) for start, count in ((0, 8), (8, 0))]
    for number, part in enumerate(parts, 1):
        shutil.copy(part, server.base / "input" / f"real3d_part_{number}.mp4")
    pictures, heard = read(made("join_parts"))
    assert pictures == [packet for part in parts for packet in read(part)[0]] and len(pictures) == len(read(whole)[0])
    assert np.array_equal(heard, read(whole)[1])


def test_memory_does_not_grow_with_the_length_of_a_film(tmp_path, assets, checkout):
    small = {"size": 256, "resolution": 32}
    with running(tmp_path / "base", assets, *checkout) as server:
        server.run(twin("long_clip_video", {**small, "audio": "voice_10.wav"}))
        short = server.peak()
        server.run(twin("long_clip_video", {**small, "audio": "voice_60.wav"}))
        long = server.peak()
    print(f"peak {short} MiB for 10 s, {long} MiB for 60 s")
    assert long - short < 150


def wished(server, values: dict, **others):
    """The answer to a wish for a face: a JPEG, or what is said instead of one."""
    wish = {"asker": "test", "node": "Real3DDirectTheFace", "photo": {"file": "real3d_portrait.jpg"}, "values": values, **others}
    request = urllib.request.Request(server.url + "/real3d/live", json.dumps(wish).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        body = answer.read()
    return body if answer.headers["Content-Type"] == "image/jpeg" else json.loads(body)


def test_a_face_answers_before_any_run_waits_during_one_and_shows_its_motion(server):
    rest, open_mouth = wished(server, {"amount": 0.0}), wished(server, {"amount": 0.0, "jaw_open": 0.8})
    assert rest[:2] == open_mouth[:2] == b"\xff\xd8" and rest != open_mouth == wished(server, {"amount": 0.0, "jaw_open": 0.8})
    refused = wished(server, {}, photo={"file": "../../../etc/passwd"})
    assert refused["state"] == "refused" and "cannot be used" in refused["error"]
    closer = {"file": "real3d_portrait.jpg", "face_area": 0.21}  # newer hosts tell nothing of a node that they take from the cache
    graph = twin("directed_face", {**SMALL, "seed": 11, "face_area": 0.21})
    (directs,) = numbers(graph, "Real3DDirectTheFace")
    number, seen = server.queue(graph), []
    while not server.get(f"/history/{number}"):
        seen.append(wished(server, {"amount": 0.0}))
    assert {"state": "busy"} in seen
    outputs = server.get(f"/history/{number}")[number]["outputs"]
    (motion,), (prepared,) = outputs[directs]["real3d_source"], numbers(graph, "Real3DPreparePortrait")
    speaking = wished(server, {"amount": 0.0}, motion=motion, time=0.4)
    assert speaking[:2] == b"\xff\xd8" and speaking != rest
    (token,) = outputs[prepared]["real3d_portrait"]
    assert wished(server, {"amount": 0.0}, photo={"token": token}) == wished(server, {"amount": 0.0}, photo=closer), "one portrait"
    server.post("/real3d/live/release", {"asker": "test"})
    assert server.get("/real3d/faces") == {"faces": {}}
    saved = server.post("/real3d/faces", {"name": "Greeting", "amounts": {"smile": 0.5}})
    assert saved == server.get("/real3d/faces") == {"faces": {"Greeting": {"smile": 0.5}}}
    assert [path.name for path in server.base.joinpath("user").rglob("real3d_faces.json")] == ["real3d_faces.json"]


def test_a_hostile_workflow_is_refused_by_the_server(server):
    graph = twin("simple", SMALL)
    graph["90"] = {"class_type": "Real3DLoadAvatar", "inputs": {"avatar": "../../../etc/passwd"}}
    graph[next(iter(numbers(graph, "Real3DTalkingPortrait")))]["inputs"]["avatar"] = ["90", 0]
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.queue(graph)
    assert "cannot be used" in refused.value.read().decode()
