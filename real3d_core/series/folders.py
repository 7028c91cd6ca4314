"""Where things stand in a folder of films."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

SHEET = "contact_sheet.png"
"""Of the whole series, in the folder of films."""
_CODE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Folders:
    """Below the folder of films one is hidden: what waits there is of use to a later run, or to nobody.

    films: absolute.
    code: names the code that makes parts and motions; those of other code are not used.
    """

    films: Path
    code: str

    @classmethod
    def of(cls, films: Path) -> Folders:
        """Those of a folder, for today's code."""
        found = hashlib.blake2b(version("av").encode(), digest_size=6)
        for file in sorted(_CODE.rglob("*.py")):
            found.update(file.read_bytes())
        return cls(films.absolute(), found.hexdigest())

    @property
    def hidden(self) -> Path:
        """Below the films, so that what is finished needs only a new name."""
        return self.films / ".series"

    @property
    def desks(self) -> Path:
        """Of all workers."""
        return self.hidden / "at work"

    def new_desk(self, place: int, latest: Path | None = None) -> Path:
        """Where a worker is to keep what is unfinished; the latest one of its place is cleared.

        Nobody else has it, for one that was given up for lost may still be at work.
        """
        if latest is not None:
            clear(latest)
        return self.desks / f"{place}-{secrets.token_hex(4)}"

    def motion(self, key: str) -> Path:
        """File of a motion."""
        return self.hidden / "motions" / f"{key}-{self.code}.safetensors"

    def parts(self, key: str) -> Path:
        """Folder of the parts of one film."""
        return self.hidden / "parts" / f"{key}-{self.code}"

    def part(self, key: str, start: int, stop: int) -> Path:
        """File of the frames start..stop-1."""
        return self.parts(key) / f"{start}-{stop}.mp4"


def clear(folder: Path) -> None:
    """Removes it; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)
