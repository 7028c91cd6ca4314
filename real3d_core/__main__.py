"""python -m real3d_core --portrait PHOTO --audio VOICE [--driving CLIP] --out FILM.mp4"""

from __future__ import annotations

import logging
import sys

from .console import Ended, ended_in_order, make_console_safe, silence_native_libraries
from .errors import Real3DError
from .options import parser

_FAILED = 2


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 the user can mend something (one sentence says what), 130 interrupted."""
    make_console_safe()
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        parser().print_help()
        return 0
    options = parser().parse_args(arguments)
    silence_native_libraries()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        with ended_in_order():
            from .command_line import run  # takes seconds

            run(options)
    except Real3DError as error:
        print(error, file=sys.stderr)
        return _FAILED
    except Ended as end:
        print("Interrupted; nothing was written.", file=sys.stderr)
        return end.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
