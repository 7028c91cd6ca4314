"""Where builds are kept, and how damaged builds are recognised before anything loads them."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path


def cache_folder() -> Path:
    """Where builds are kept; REAL3D_CACHE names another place."""
    if chosen := os.environ.get("REAL3D_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "real3d-portrait"


def keep(built: Path, stem: str) -> Path:
    """Moves a file of the cache's disk into the cache, under a name that ends with the digest of its content; appears whole.

    Raises:
        OSError: the cache cannot be written.
    """
    kept = cache_folder() / f"{stem}-{_digest(built)}{built.suffix}"
    os.replace(built, kept)
    return kept


def kept(stem: str, suffix: str) -> Path | None:
    """What `keep` kept; None if there is nothing. Files that are not as they were written are removed."""
    for path in sorted(cache_folder().glob(f"{stem}-*{suffix}")):
        with suppress(OSError):
            if path.name == f"{stem}-{_digest(path)}{suffix}":
                return path
            path.unlink()
    return None


def seal(folder: Path) -> None:
    """Writes down what a folder holds now.

    Raises:
        OSError: the folder cannot be read or written.
    """
    temporary = folder / f"seal-{os.getpid()}"
    temporary.write_text(_digest_of_all(folder), encoding="utf-8")
    os.replace(temporary, folder / "seal")


def is_sealed(folder: Path) -> bool:
    """Whether a folder holds what it held when it was sealed."""
    try:
        return (folder / "seal").read_text(encoding="utf-8") == _digest_of_all(folder)
    except (OSError, UnicodeDecodeError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:20]


def _digest_of_all(folder: Path) -> str:
    """Of the files in its subfolders."""
    files = sorted(path for path in folder.glob("*/**/*") if path.is_file())
    return "\n".join(f"{path.relative_to(folder).as_posix()} {_digest(path)}" for path in files)
