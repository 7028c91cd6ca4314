"""What tests of series look at while real processes work."""

import time

import av


def wait_for(condition, seconds=120):
    """The first true value of a condition."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def parts_done(entries):
    return [tuple(entry["part"]) for entry in entries if entry["step"] == "part" and entry["state"] == "done"]


FEW = {"fps": 8}
"""Of a job in which four seconds are four parts."""


def frames_of(film, fps=FEW["fps"]):
    with av.open(str(film)) as container:
        return [round(frame.pts * frame.time_base * fps) for frame in container.decode(video=0)]
