"""How good the built-in avatar's pictures are: rendered frames are compared with the photo, looked at again by detectors, and measured.

    python3 dev.py bench avatar_quality [--portraits NAME_OR_FILE ...] [--rows NAME ...] [--sheet FILE.html] [--media FOLDER]
        [--voices FILE ...] [--memory]

Every row of the table stands beside its bars, which the mean and the worst value of all portraits are to keep. How each row is measured
is written in benchmarks/quality. Rows that need the development media are left out where these are absent.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from benchmarks.quality import controls, identity, lids, motion, mouth, photo, speech  # noqa: E402
from benchmarks.quality.rows import Table  # noqa: E402
from benchmarks.quality.sheet import Shown, shown_frames, write_sheet  # noqa: E402
from benchmarks.quality.subject import ASSETS, Media, Subject  # noqa: E402
from real3d_core.errors import Real3DError  # noqa: E402
from real3d_core.media.sound import load_sound  # noqa: E402

FAMILIES = {
    "photo": photo.ROWS,
    "motion": motion.ROWS,
    "lids": lids.ROWS,
    "controls": controls.ROWS,
    "speech": speech.ROWS,
    "mouth": mouth.ROWS,
    "identity": identity.ROWS,
    "last": motion.LAST_ROWS,
}
ROWS = {row.name: row for rows in FAMILIES.values() for row in rows}


def main() -> None:
    options = _options()
    torch.set_grad_enabled(False)
    media = Media(options.media, options.voices)
    known = media.portraits()
    rows = [ROWS[name] for name in options.rows]
    if not identity.packages_present() and set(rows) & set(identity.ROWS):
        print("Rows on the face descriptor are left out: they need pip install dlib-bin face_recognition_models.", file=sys.stderr)
        rows = [row for row in rows if row not in identity.ROWS]
    if not controls.packages_present() and set(rows) & set(controls.ROWS):
        print("Rows on single controls are left out: they need MediaPipe.", file=sys.stderr)
        rows = [row for row in rows if row not in controls.ROWS]
    table = Table(rows)
    shown: dict[str, list[Shown]] = {}
    for one in options.portraits or known:
        started = time.perf_counter()
        subject = Subject(*((one, known[one]) if one in known else (Path(one).stem, Path(one))), media)
        try:
            table.measure(subject)
            if options.sheet:
                shown[subject.name] = shown_frames(subject)
                write_sheet(options.sheet, table, shown)
        except Real3DError as refusal:
            print(f"{subject.name} is left out: {refusal}", file=sys.stderr)
        print(f"{subject.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(table)
    if not media.present:
        print("Rows about driving clips need the development media, which are not here.")
    if options.memory:
        print(f"memory of 60 s minus 10 s, <= 100 MB: {memory():.0f} MB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portraits", nargs="+", metavar="NAME_OR_FILE", help="of the development portraits, or any photo; default: all")
    parser.add_argument("--rows", nargs="+", metavar="NAME", default=list(FAMILIES), help=f"rows or families of rows: {_row_names()}")
    parser.add_argument("--media", type=Path, default=ROOT.parent / "shared" / "media", help="folder of the development media")
    parser.add_argument("--voices", nargs="+", type=Path, default=[], metavar="FILE", help="further recordings for the rows on speech")
    parser.add_argument("--sheet", type=Path, metavar="FILE.html", help="also write the frames beside the numbers")
    parser.add_argument("--memory", action="store_true", help="also compare the memory of a 60 s with a 10 s film (minutes)")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in FAMILIES and name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; there are: {_row_names()}")
    known = Media(options.media).portraits()
    absent = [one for one in options.portraits or () if one not in known and not Path(one).is_file()]
    if absent:
        parser.error(f"{absent[0]!r} is neither a file nor one of the portraits {', '.join(known)}")
    options.rows = [name for name, row in ROWS.items() if name in options.rows or any(row in FAMILIES.get(one, ()) for one in options.rows)]
    return options


def _row_names() -> str:
    return "; ".join(f"{family} ({', '.join(row.name for row in rows)})" for family, rows in FAMILIES.items())


def memory() -> float:
    """MB that a 60 s film takes more than a 10 s film, each made by the command line in a process of its own."""
    speech_clip = load_sound(ASSETS / "speech" / "librivox_0870_en.wav")
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (10, 60):
            sound = Path(folder) / f"{seconds}.wav"
            samples = np.resize((speech_clip.samples[0].numpy() * 32767).astype(np.int16), seconds * speech_clip.rate)
            with wave.open(str(sound), "wb") as file:
                file.setparams((1, 2, speech_clip.rate, 0, "NONE", ""))
                file.writeframes(samples.tobytes())
            command = [sys.executable, "-m", "real3d_core", "--portrait", str(ASSETS / "portraits" / "astronaut.png")]
            done = subprocess.run(
                [*command, "--audio", str(sound), "--out", f"{folder}/{seconds}.mp4"], cwd=ROOT, capture_output=True, text=True
            )
            print(done.stdout.strip() or done.stderr.strip(), flush=True)
            peaks.append(float(done.stdout.split(" MB")[0].split()[-1]))
    return peaks[1] - peaks[0]


if __name__ == "__main__":
    main()
