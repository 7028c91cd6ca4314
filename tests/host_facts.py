"""Facts of a version of ComfyUI that the pack is held to where no such host can run.

    python tests/host_facts.py CHECKOUT > tests/hosts/VERSION.json

Only names are read from the checkout, by its syntax tree: methods and parameters of the video interface, containers and codecs,
sockets, and the fields of a node's schema. A checkout of which only some files are at hand gives what those tell.
"""

from __future__ import annotations

import abc
import ast
import json
import re
import sys
from pathlib import Path

API = Path("comfy_api/latest")


def facts_of(checkout: Path) -> dict:
    """The facts of a checkout; null for what its files do not tell."""
    version = _text(checkout / "comfyui_version.py")
    io = _text(checkout / API / "_io.py")
    enums = _text(checkout / API / "_util" / "video_types.py") or _text(checkout / "comfy_api" / "util" / "video_types.py")
    return {
        "version": re.search(r'__version__ = "(.*)"', version)[1] if version else None,
        "video_methods": _methods(_text(checkout / API / "_input" / "video_types.py"), "VideoInput"),
        "containers": _members(enums, "VideoContainer"),
        "codecs": _members(enums, "VideoCodec"),
        "sockets": sorted(set(re.findall(r'@comfytype\(io_type="([^"]+)"', io))) if io else None,
        "schema_fields": _fields(io, "Schema"),
    }


def stand_in(facts: dict) -> type:
    """A base class of videos with the methods, abstract or not, that a host has."""
    members: dict[str, object] = {}
    for name, method in facts["video_methods"].items():

        def unanswered(self, *arguments, name=name, **named):
            raise AssertionError(f"{name} fell back to the host's own answer, which loads the whole video")

        members[name] = abc.abstractmethod(unanswered) if method["abstract"] else unanswered
    return abc.ABCMeta("VideoInput", (abc.ABC,), members)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _class(text: str | None, name: str) -> ast.ClassDef | None:
    return next((node for node in ast.walk(ast.parse(text or "")) if isinstance(node, ast.ClassDef) and node.name == name), None)


def _methods(text: str | None, name: str) -> dict | None:
    found = _class(text, name)
    return found and {
        node.name: {
            "abstract": any(isinstance(mark, ast.Name) and mark.id == "abstractmethod" for mark in node.decorator_list),
            "parameters": [one.arg for one in (*node.args.args[1:], *node.args.kwonlyargs)],
        }
        for node in found.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def _members(text: str | None, name: str) -> list[str] | None:
    found = _class(text, name)
    return found and [node.value.value for node in found.body if isinstance(node, ast.Assign)]


def _fields(text: str | None, name: str) -> list[str] | None:
    found = _class(text, name)
    return found and [node.target.id for node in found.body if isinstance(node, ast.AnnAssign)]


if __name__ == "__main__":
    print(json.dumps(facts_of(Path(sys.argv[1])), indent=1))
