"""A file of jobs is read: JSON, one film a line."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NoReturn

from ..errors import Real3DError, brief, one_line
from ..files import readable_file
from ..options import Parser, parser, refuse_idle
from .folders import SHEET
from .tasks import Job

_INPUTS = {"portrait": "picture", "audio": "sound", "driving": "video", "background": "picture", "mask": "picture"}
_FOLDERS = ("checkpoint", "models")  # a file or a folder of gigabytes: known by name
_OF_THE_FILE = ("out", "contact_sheet", "provenance")
_OF_THE_PORTRAIT = ("portrait", "mask", "face_index", "face_area")
_OF_THE_PICTURE = (*_OF_THE_FILE, *_OF_THE_PORTRAIT, "size", "background", "side_by_side", "paste_back")


@dataclass(frozen=True)
class Refusal:
    """A line that no film can be made of.

    line: of the file, from 1. name: what it calls its film, or where it stands. error: one sentence.
    """

    line: int
    name: str
    error: str


class _JobParser(Parser):
    def error(self, message: str) -> NoReturn:
        raise Real3DError(f"{' '.join(message.split())}; 'python -m real3d_core --help' lists all options.")


def read_jobs(path: str | os.PathLike, folder: Path) -> tuple[list[Job], list[Refusal]]:
    """All lines that can be meant, and what is wrong with the others.

    Args:
        folder: where the films will be.

    Raises:
        Real3DError: there is no such file, it is no text, or it has no line.
    """
    found = readable_file(path, "file of jobs", Real3DError)
    try:
        lines = found.read_text(encoding="utf-8-sig").split("\n")  # other ends of lines may stand in a transcript
    except UnicodeDecodeError:
        raise Real3DError(f"The file of jobs '{found.name}' is not a text in UTF-8: save it as one.") from None
    jobs: list[Job] = []
    refusals: list[Refusal] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                jobs.append(_job(number, line, found.parent, folder))
            except Real3DError as failure:
                refusals.append(Refusal(number, f"line {number}", f"Line {number} of '{found.name}': {failure}"))
    if not jobs and not refusals:
        raise Real3DError(f"The file of jobs '{found.name}' has no line: write one film a line, as JSON.")
    kept, clashing = _without_clashes(jobs, folder)
    return kept, sorted(refusals + clashing, key=lambda one: one.line)


def _job(number: int, line: str, base: Path, folder: Path) -> Job:
    options = _options(line)
    _refuse_outside(options.out, ".mp4")
    if options.contact_sheet:
        _refuse_outside(options.contact_sheet, ".png")
    known: dict[str, object] = dict(vars(options))
    for name, what in _INPUTS.items():
        value = getattr(options, name)
        if value is not None and not (name == "background" and value.startswith("#")):
            file = readable_file(base / value, what, Real3DError)
            setattr(options, name, str(file))
            status = file.stat()
            known[name] = _digest(file, status.st_size, status.st_mtime_ns)
    for name in _FOLDERS:
        if getattr(options, name) is not None:
            setattr(options, name, base.absolute() / getattr(options, name))
            known[name] = getattr(options, name)
    refuse_idle(options)
    name = PurePosixPath(options.out).as_posix()
    options.out = str(folder / name)
    if options.contact_sheet:
        options.contact_sheet = str(folder / options.contact_sheet)
    return Job(
        number,
        name,
        options,
        key=_key(known),
        portrait_key=_key({name: known[name] for name in _OF_THE_PORTRAIT}),
        motion_key=_key({name: value for name, value in known.items() if name not in _OF_THE_PICTURE}),
    )


def _options(line: str) -> argparse.Namespace:
    """What the command line would make of the same options."""
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as failure:
        raise Real3DError(f"it is no JSON ({brief(str(failure))}).") from None
    if not isinstance(given, dict):
        raise Real3DError('it is no JSON object; write {"portrait": "me.png", "audio": "voice.wav", "out": "film.mp4"}.')
    options = _film_parser()
    actions = {name[2:]: action for action in options._actions for name in action.option_strings if action.dest != "help"}
    arguments = []
    for name, value in given.items():
        if name not in actions:
            raise Real3DError(f"there is no option '{brief(name)}'; 'python -m real3d_core --help' lists all.")
        if actions[name].nargs == 0:
            if not isinstance(value, bool):
                raise Real3DError(f"'{name}' is to be true or false.")
            arguments += [f"--{name}"] * value
        elif isinstance(value, bool) or not isinstance(value, (str, int, float, type(None))):
            raise Real3DError(f"'{name}' is to be a text or a number.")
        elif value is not None:
            arguments.append(f"--{name}={value}")
    return options.parse_args(arguments)


@cache
def _film_parser() -> Parser:
    return parser(_JobParser)


def _refuse_outside(name: str, ending: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.suffix.lower() != ending:
        raise Real3DError(f"the output '{brief(name)}' must end in {ending}.")
    if one_line(name) != name:
        raise Real3DError(f"the output '{brief(name)}' has characters that cannot be shown: give a plain name.")
    if path.is_absolute() or ".." in path.parts or ":" in name or path.parts[0].startswith("."):
        raise Real3DError(f"the output '{brief(name)}' would lie outside the folder of films: give a plain name.")


def _without_clashes(jobs: list[Job], folder: Path) -> tuple[list[Job], list[Refusal]]:
    """No output is written twice, and no input is overwritten."""
    inputs = {os.path.realpath(getattr(job.options, name)): job for job in jobs for name in _INPUTS if getattr(job.options, name)}
    taken: dict[str, Job] = {}
    own_sheet = os.path.normcase(os.path.realpath(folder / SHEET))
    kept, refusals = [], []
    for job in jobs:
        outputs = [path for path in (job.options.out, job.options.contact_sheet) if path]
        places = [os.path.normcase(os.path.realpath(path)) for path in outputs]
        reader = next((inputs[place] for place in places if place in inputs), None)
        rival = next((taken[place] for place in places if place in taken), None)
        if own_sheet in places:
            error = f"Line {job.line} would overwrite the contact sheet of the whole series: choose another name than '{SHEET}'."
        elif reader:
            error = f"Line {job.line} would overwrite what line {reader.line} reads: choose another name for '{job.name}'."
        elif rival:
            error = f"Line {job.line} would overwrite what line {rival.line} makes: choose another name for '{job.name}'."
        else:
            kept.append(job)
            taken |= dict.fromkeys(places, job)
            continue
        refusals.append(Refusal(job.line, job.name, error))
    return kept, refusals


def _key(known: dict[str, object]) -> str:
    text = json.dumps(known, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@cache
def _digest(file: Path, size: int, changed: int) -> str:
    """Of what is in a file, however often it is named; read again only where it has changed."""
    found = hashlib.blake2b(digest_size=16)
    with open(file, "rb") as opened:
        while block := opened.read(1 << 20):
            found.update(block)
    return found.hexdigest()
