"""python -m real3d_core --portrait PHOTO --audio VOICE [--driving CLIP] --out FILM.mp4, or batch JOBS.jsonl --out FOLDER for many films."""

from __future__ import annotations

import argparse
import logging
import sys

from .console import Ended, ended_in_order, make_console_safe, silence_native_libraries
from .errors import Real3DError
from .memory import share_heaps
from .options import parser
from .series.options import batch_parser
from .start import load_mediapipe

_FAILED = 2


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 the user can mend something, as one sentence says, 3 some films of a series are not made, 130 interrupted."""
    make_console_safe()
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        parser().print_help()
        return 0
    series = arguments[0] == "batch"
    options = batch_parser().parse_args(arguments[1:]) if series else parser().parse_args(arguments)
    silence_native_libraries()
    share_heaps()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with ended_in_order():
            return _made_series(options) if series else _made_film(options)
    except Real3DError as error:
        print(error, file=sys.stderr)
        return _FAILED
    except Ended as end:
        print("Interrupted; the same command goes on from here." if series else "Interrupted; nothing was written.", file=sys.stderr)
        return end.status


def _made_film(options: argparse.Namespace) -> int:
    from .command_line import run  # takes seconds

    load_mediapipe()
    run(options)
    return 0


def _made_series(options: argparse.Namespace) -> int:
    from .series.batch import run  # takes seconds

    return run(options)


if __name__ == "__main__":
    sys.exit(main())
