"""ComfyUI's page in headless Chromium: its server, and what `browser/look.mjs` sees of it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "browser"
EXAMPLES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "example_workflows").glob("*.json"))}
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


PROFILES: list[tempfile.TemporaryDirectory] = []  # they go with this process


def new_profile() -> Path:
    """A folder for Chromium, with nothing in it but what the browser before has compiled."""
    PROFILES.append(tempfile.TemporaryDirectory(prefix="real3d_chromium_", ignore_cleanup_errors=True))
    *before, new = (Path(profile.name) / "Default" for profile in PROFILES[-2:])
    new.mkdir()
    for compiled in [last / name for last in before for name in ("Cache", "Code Cache")]:
        if compiled.is_dir():
            compiled.rename(new / compiled.name)
    return new.parent


def looked(url: str, pictures: Path, steps: list, **plan) -> dict:
    """What look.mjs saw."""
    pictures.mkdir(parents=True, exist_ok=True)
    file = pictures / "plan.json"
    whole = {"modules": modules(), "chromium": chromium(), "pictures": str(pictures), "show": bool(os.environ.get("REAL3D_PICTURES"))}
    whole |= {
        "examples": EXAMPLES,
        "steps": steps,
        "real": url == os.environ.get("REAL3D_COMFYUI_URL"),
        "profile": str(new_profile()),
        **plan,
    }
    file.write_text(json.dumps(whole), encoding="utf-8")
    limit = SECONDS + plan.get("seconds", 0)
    command = ["node", str(FOLDER / "look.mjs"), url, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, encoding="utf-8")
    assert done.stdout, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert "failure" not in seen, seen["failure"]
    return seen
