"""Rules of the house that a reader could break without noticing (DESIGN section 1, and what ComfyUI asks of a pack)."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
FOLDERS_OF_THE_PACK = ("real3d_core", "nodes", "cuda_ops")
MODULES = sorted(path for folder in FOLDERS_OF_THE_PACK for path in (ROOT / folder).rglob("*.py"))
ROOMS = (  # of the core, from the ground up: a room imports only what stands before it; those of one line do not know each other
    ("errors", "memory", "one_thread", "progress", "smooth_step", "start", "wander"),
    ("workers",),
    ("ranges", "stream", "files", "console", "keyframes"),
    ("saved_files",),
    ("media", "mediapipe_models", "render", "speech"),
    ("motion",),
    ("face",),
    ("portrait",),
    ("avatar_kinds",),
    ("avatar", "provenance"),
    ("pipeline", "analytic", "real3d"),
    ("options",),
    ("command_line",),
    ("series",),
    ("__main__",),
)
LONGEST_FILE = 400  # lines of a file of code
HOST_BRINGS = {
    *("torch", "torchvision", "torchaudio", "numpy", "pillow", "transformers", "safetensors", "einops", "scipy", "av"),
    *("tqdm", "psutil", "aiohttp", "pyyaml"),
}
WITH_MEDIAPIPE = [  # (sys_platform, platform_machine) for which there are packages of it
    *(("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64"), ("win32", "ARM64")),
]
WITHOUT_MEDIAPIPE = [("darwin", "x86_64"), ("linux", "ppc64le"), ("freebsd14", "amd64")]


def tracked_texts() -> list[tuple[str, str]]:
    """(name, text) of every file under version control that is text."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    texts = []
    for name in filter(None, listing.stdout.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in content[:8000]:
            texts.append((name, content.decode("utf-8", errors="replace")))
    return texts


def imports(path: Path) -> list[tuple[int, str]]:
    """(level, module) of every import in a file; level counts the leading dots."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(0, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.level, node.module)] if node.module else [(node.level, name.name) for name in node.names]
    return found


def imported(path: Path) -> set[Path]:
    """The pack's own modules that a module imports when it is loaded itself."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            found |= {
                one for name in node.names for one in ((base / name.name).with_suffix(".py"), base.with_suffix(".py")) if one in MODULES
            }
    return found


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "real3d_core").parts[0].removesuffix(".py")


def required(name: str) -> list[str]:
    """Requirement lines of a file without comments."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_the_core_imports_without_the_host_and_without_heavy_detectors():
    """All its modules but the command line; each of these packages may be missing or slow to load."""
    script = """
import importlib, pkgutil, sys
import real3d_core
names = [module.name for module in pkgutil.walk_packages(real3d_core.__path__, "real3d_core.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
unwanted = {"comfy", "comfy_api", "folder_paths", "nodes", "cuda_ops", "mediapipe", "pocketsphinx", "librosa", "transformers"}
print(len(names), sorted(unwanted & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, _, unwanted = done.stdout.strip().partition(" ")
    assert int(count) > 10 and unwanted == "[]"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_inside_the_pack_are_relative_and_point_one_way(path):
    own = {*FOLDERS_OF_THE_PACK}
    inside_core = path.is_relative_to(ROOT / "real3d_core")
    depth = len(path.relative_to(ROOT).parts) - 1
    for level, module in imports(path):
        top = module.partition(".")[0]
        assert level or top not in own, f"'{module}' must be imported relatively: the folder may have any name"
        if inside_core:
            assert level <= depth, f"'{'.' * level}{module}' reaches out of real3d_core"
            assert top not in {"comfy", "comfy_api", "folder_paths"}, "the core knows nothing of ComfyUI"


def test_no_modules_import_each_other_in_a_circle():
    above: list[Path] = []
    cleared: set[Path] = set()

    def visit(path: Path) -> None:
        assert path not in above, " -> ".join(one.relative_to(ROOT).as_posix() for one in [*above[above.index(path) :], path])
        if path not in cleared:
            above.append(path)
            for one in imported(path):
                visit(one)
            above.pop()
            cleared.add(path)

    for path in MODULES:
        visit(path)


def test_rooms_of_the_core_stand_on_one_another():
    floors = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}
    inside = [
        path for path in MODULES if path.is_relative_to(ROOT / "real3d_core") and path.parent.name + path.name != "real3d_core__init__.py"
    ]
    assert {room_of(path) for path in inside} == set(floors), "a new room has its place in ROOMS"
    upwards = [
        f"{path.relative_to(ROOT)} imports {one.relative_to(ROOT)}"
        for path in inside
        for one in imported(path)
        if one.is_relative_to(ROOT / "real3d_core") and room_of(one) != room_of(path) and floors[room_of(one)] >= floors[room_of(path)]
    ]
    assert not upwards, "\n".join(upwards)


def test_no_file_of_code_is_too_long_to_read_in_one_go():
    long = [
        f"{name}: {text.count(chr(10))} lines"
        for name, text in tracked_texts()
        if Path(name).suffix in {".py", ".js", ".mjs", ".cpp", ".cu", ".h"} and text.count("\n") > LONGEST_FILE
    ]
    assert not long, "\n".join(long)


def test_the_door_imports_relatively():
    door = ROOT / "__init__.py"
    if not door.exists():
        pytest.skip("the nodes are not built yet")
    assert all(level or module.partition(".")[0] not in FOLDERS_OF_THE_PACK for level, module in imports(door))


def test_users_are_not_asked_for_what_the_host_brings():
    lines = required("requirements.txt")
    assert lines and not {distribution(line) for line in lines} & HOST_BRINGS
    assert not any(re.search(r"==|<|~=", line.partition(";")[0]) for line in lines), "no pins and no upper bounds"


@pytest.mark.parametrize(
    ("machines", "expected"), [(WITH_MEDIAPIPE, {"mediapipe"}), (WITHOUT_MEDIAPIPE, {"opencv-contrib-python-headless"})]
)
def test_every_machine_gets_opencv_once_and_mediapipe_where_there_is_one(machines, expected):
    """MediaPipe brings OpenCV; two packages of OpenCV overwrite each other."""
    requirements = [Requirement(line) for line in required("requirements.txt")]
    for system, machine in machines:
        here = {"sys_platform": system, "platform_machine": machine}
        assert {one.name for one in requirements if not one.marker or one.marker.evaluate(here)} == expected | {"threadpoolctl"}


def test_the_package_depends_on_what_the_requirements_say():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    stated = ast.literal_eval(re.search(r"^dependencies = (\[.*?\])", text, re.MULTILINE | re.DOTALL)[1])
    assert stated == required("requirements.txt")


def test_the_checkout_gets_pytorch_pinned_once():
    lines = [line for name in ROOT.glob("requirements*.txt") for line in required(name.name) if distribution(line).startswith("torch")]
    assert len(lines) == 1 and lines[0].startswith("torch==")


def test_no_line_names_a_place_of_one_machine_or_a_package_registry():
    """Relative names may hold these words; absolute paths and hosts may not."""
    places = "|".join(["wo" + "rk", "tm" + "p", "ro" + "ot", "ho" + "me", "Us" + "ers", "o" + "pt"])
    hosts = "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "download" + r"\.pytorch\.org", "py" + r"pi\.python"])
    forbidden = re.compile(rf"(?<![\w.)}}\]/*-])/(?:{places})/[A-Za-z.]|{hosts}|[A-Z]:\\\\?Us" + "ers")
    hits = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if forbidden.search(line)
    ]
    assert not hits, "\n".join(hits)


def test_every_python_file_says_what_it_is():
    without = [
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if path.read_text(encoding="utf-8").strip() and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not without


def test_the_licence_is_there_in_full():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
