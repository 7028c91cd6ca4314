"""Who does a task: one process that holds an avatar and what the latest films had in common."""

from __future__ import annotations

import errno
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from ..avatar import Avatar
from ..avatar_kinds import avatar_kind, load_avatar, load_motion
from ..command_line import CHUNK, Inputs, avatar_source, marcher, read_inputs
from ..errors import OutputError, Real3DError, brief, one_line
from ..media.contact_sheet import contact_sheet
from ..media.film import write_video
from ..mediapipe_models.model_files import ModelFolders
from ..memory import peak_memory
from ..motion.motion import Motion
from ..motion.motion_files import save_motion
from ..pipeline import follow, make_motion, render_frames, soundtrack
from ..portrait.remembered import prepared
from ..provenance import provenance
from ..stream import FrameStream
from .folders import Folders
from .parts import Part, cut, joined
from .tasks import Job, Result, Task

_OF_THE_AVATAR = ("avatar", "checkpoint", "models", "device", "half", "own_expression")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FULL_TO_RUST = f"os error {errno.ENOSPC}"  # all that safetensors says


class Worker:
    """Films one after the other; between them it keeps the avatar, the latest portraits with their planes, and the latest motion.

    Args:
        folders: of the series; on a cluster, a disk that all computers share.
        desk: of this worker alone, where it keeps what is unfinished.
    """

    def __init__(self, folders: Folders, desk: Path):
        self._folders = folders
        self._desk = desk
        self._avatar: tuple[tuple, Avatar, ModelFolders] | None = None
        self._motion: tuple[str, Motion] | None = None

    def do(self, task: Task) -> Result:
        """Never raises an Exception: what went wrong is in the result."""
        wall, processor = time.perf_counter(), time.process_time()
        steps: dict[str, Callable[[Task], Result]] = {"film": self._film, "part": self._part, "join": self._join}
        try:
            self._desk.mkdir(parents=True, exist_ok=True)
            with torch.inference_mode():
                result = steps[task.step](task)
        except Real3DError as failure:
            result = Result(error=str(failure), disk_full=_of_a_full_disk(failure))
        except Exception as failure:
            error = f"{type(failure).__name__}: {brief(str(failure), 200)}"
            result = Result(error=one_line(error), trace=traceback.format_exc(), disk_full=_of_a_full_disk(failure))
        return result.measured(time.perf_counter() - wall, time.process_time() - processor, peak_memory() or 0)

    def _film(self, task: Task) -> Result:
        given = read_inputs(task.job.options)
        frames = self._frames(task.job, given)
        rate = given.choices.rate
        if len(cut(len(frames), rate, task.longest, CHUNK)) > 1:
            return Result(len(frames), str(rate), whole=False)
        made = self._desk / "film.mp4"
        write_video(made, frames, soundtrack(given.sound, given.clip), CHUNK, metadata=self._metadata(task.job))
        self._finish(task.job, made, frames)
        return Result(len(frames), str(rate))

    def _part(self, task: Task) -> Result:
        given = read_inputs(task.job.options)
        frames = self._frames(task.job, given).part(task.start, task.stop)
        made = self._desk / "part.mp4"
        write_video(made, frames, None, CHUNK)
        _put(made, self._folders.part(task.job.key, task.start, task.stop))
        return Result(len(frames), str(given.choices.rate))

    def _join(self, task: Task) -> Result:
        given = read_inputs(task.job.options)
        parts = [Part.of(self._folders.part(task.job.key, start, stop)) for start, stop in task.parts]
        made = self._desk / "film.mp4"
        joined(made, parts, soundtrack(given.sound, given.clip), self._metadata(task.job))
        self._finish(task.job, made, self._frames(task.job, given) if task.job.options.contact_sheet else None)
        return Result(task.parts[-1][1], str(given.choices.rate))

    def _finish(self, job: Job, film: Path, frames: FrameStream[Tensor] | None) -> None:
        """The film comes last: where it stands, all of it is done."""
        if job.options.contact_sheet and frames is not None:
            sheet = self._desk / "sheet.png"
            contact_sheet(frames, sheet)
            _put(sheet, Path(job.options.contact_sheet))
        _put(film, Path(job.options.out))

    def _frames(self, job: Job, given: Inputs) -> FrameStream[Tensor]:
        """Of the whole film; nothing is computed yet."""
        options, choices = job.options, given.choices
        avatar, models = self._avatar_of(job)
        motion = self._motion_of(job, avatar, models, given)
        portrait = prepared(given.photo, models, given.mask, choices.face_index, choices.face_area)
        photo = given.photo if options.paste_back else None
        return render_frames(avatar, portrait, motion, choices, photo, given.background, march=marcher())

    def _avatar_of(self, job: Job) -> tuple[Avatar, ModelFolders]:
        key = tuple(getattr(job.options, name) for name in _OF_THE_AVATAR)
        if self._avatar is None or self._avatar[0] != key:
            self._avatar = None  # the former one goes before the next comes
            usual = None if avatar_kind(job.options.avatar).trained else "cpu"  # of which each worker has a core of its own
            source = avatar_source(job.options, usual)
            self._avatar = (key, load_avatar(job.options.avatar, source), source.models)
        return self._avatar[1:]

    def _motion_of(self, job: Job, avatar: Avatar, models: ModelFolders, given: Inputs) -> Motion:
        """Made once for all jobs and parts that share it."""
        if self._motion is None or self._motion[0] != job.motion_key:
            file = self._folders.motion(job.motion_key)
            if file.is_file():
                motion = load_motion(file)
            else:
                track = None if given.clip is None else follow(given.clip, models)
                motion = make_motion(avatar, given.choices, given.sound, track)
                made = self._desk / "motion.safetensors"
                save_motion(made, motion)
                _put(made, file)
            self._motion = (job.motion_key, motion)
        return self._motion[1]

    def _metadata(self, job: Job) -> dict[str, str] | None:
        return provenance(job.options.avatar) if job.options.provenance else None


def _put(made: Path, target: Path) -> None:
    """A finished file takes its place at one stroke, and after all of it is on the disk: a computer that goes down leaves no half of it."""
    try:
        with open(made, "r+b") as file:
            os.fsync(file.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(made, target)
    except OSError as failure:
        raise OutputError(f"The output '{target}' cannot be replaced ({failure.strerror}); close it where it is open.") from failure


def _of_a_full_disk(failure: BaseException | None) -> bool:
    while failure is not None:
        if getattr(failure, "errno", None) in _FULL or (isinstance(failure, SafetensorError) and _FULL_TO_RUST in str(failure)):
            return True
        failure = failure.__cause__ or failure.__context__
    return False
