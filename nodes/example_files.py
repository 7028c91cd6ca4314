"""The input files of the examples: shipped with them, and copied into ComfyUI's input folder on request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .runtime.folders import input_folder
from .runtime.server import serve_json

FOLDER = Path(__file__).resolve().parent.parent / "example_workflows" / "input"
NAMES = ("real3d_portrait.jpg", "real3d_portrait_2.jpg", "real3d_background.jpg", "real3d_voice.wav", "real3d_driving.mp4")


def missing() -> list[str]:
    """The files of NAMES that are not in ComfyUI's input folder."""
    return [name for name in NAMES if not (input_folder() / name).exists()]


def copy(names: Sequence[str]) -> list[str]:
    """Copies files of NAMES into ComfyUI's input folder, and returns those that were not there before; none is overwritten.

    Raises:
        OSError: the folder cannot be written to.
    """
    wanted = [name for name in missing() if name in names]
    for name in wanted:
        _copy(FOLDER / name, input_folder() / name)
    return wanted


def _copy(source: Path, target: Path) -> None:
    content = source.read_bytes()
    with open(target, "xb") as file:  # x: never overwrite a file that has appeared in the meantime
        try:
            file.write(content)
        except OSError:
            target.unlink(missing_ok=True)
            raise


async def answer_missing(_: object) -> tuple[int, object]:
    """Status and body of GET /real3d/examples: the files of the examples that are missing."""
    return 200, {"missing": missing()}


async def answer_copy(asked: object) -> tuple[int, object]:
    """Status and body of POST /real3d/examples: 200 with the names copied, 400 for anything but a list of NAMES, 500 with the reason."""
    if not isinstance(asked, list) or not all(isinstance(name, str) and name in NAMES for name in asked):
        return 400, {"error": f"Only these files can be asked for: {', '.join(NAMES)}."}
    try:
        return 200, {"copied": copy(asked)}
    except OSError as failure:
        return 500, {"error": f"The files could not be copied from '{FOLDER}' into ComfyUI's input folder ({failure.strerror})."}


serve_json("GET", "/real3d/examples", answer_missing)
serve_json("POST", "/real3d/examples", answer_copy)
