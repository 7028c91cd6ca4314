"""How good the built-in avatar's pictures are: rendered frames are looked at again with MediaPipe and measured.

    python3 dev.py bench avatar_quality [--portraits NAME ...] [--memory]

Every row of the table has its bound beside it. Rows that need the development media say so where these are absent.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from real3d_core.analytic.avatar import AnalyticAvatar  # noqa: E402
from real3d_core.analytic.controls import BASIS, FaceControls  # noqa: E402
from real3d_core.avatar import SpeechStyle  # noqa: E402
from real3d_core.face.canonical_face import canonical_face  # noqa: E402
from real3d_core.face.landmark_sets import EYE  # noqa: E402
from real3d_core.face.landmarks import FaceLandmarks  # noqa: E402
from real3d_core.face.measures import lip_gap  # noqa: E402
from real3d_core.face.track import FaceTrack, track_face, track_from_landmarks  # noqa: E402
from real3d_core.media.clip import open_clip  # noqa: E402
from real3d_core.media.pictures import load_picture  # noqa: E402
from real3d_core.media.sound import Sound, load_sound  # noqa: E402
from real3d_core.mediapipe_models.model_files import ModelFolders  # noqa: E402
from real3d_core.motion.motion import Motion  # noqa: E402
from real3d_core.motion.pose import turn_about_neck  # noqa: E402
from real3d_core.pipeline import PipelineOptions, make_motion, render_frames  # noqa: E402
from real3d_core.portrait.portrait import Portrait, prepare_portrait  # noqa: E402
from real3d_core.render.camera import matrix_to_euler  # noqa: E402
from real3d_core.stream import FPS  # noqa: E402

PORTRAITS = {
    "astronaut": "astronaut.png",
    "p002": "synthetic_p002.jpg",
    "p009": "synthetic_p009.jpg",
    "p009_selfie": "synthetic_p009_selfie.jpg",
}
MEDIA = ROOT.parent / "shared" / "media"
CLIPS = ("may_5s.mp4", "carphone.mp4")
TRANSCRIPTS, PHONEMES = (  # sounds (ARPAbet) with their starts in seconds, as pocketsphinx aligned the transcripts
    dict(line.split(": ", 1) for line in (ROOT / "assets" / "speech" / f"{what}.txt").read_text().splitlines() if line)
    for what in ("transcripts", "phonemes")
)
CLOSED_GAP = 0.012  # face heights: what MediaPipe still reports for lips that touch
LIDS = [*EYE, 247, 30, 29, 27, 28, 56, 190, 467, 260, 259, 257, 258, 286, 414]


class Sitter:
    """A portrait with everything needed to render it and to look at the result."""

    def __init__(self, name: str):
        self.name = name
        self.avatar = AnalyticAvatar(ModelFolders())
        self.portrait: Portrait = prepare_portrait(load_picture(ROOT / "assets" / "portraits" / PORTRAITS[name]), ModelFolders())
        planes = self.avatar.lift(self.portrait)
        self.controls = FaceControls(planes.landmarks)
        self.looked_at = self.found = 0
        self.seconds = 0.0
        self.rest = self.look(self.render(Motion.still(BASIS, 1)))
        self.face_in_frame = float(np.linalg.norm(self.portrait.landmarks[10, :2] - self.portrait.landmarks[152, :2]))

    def render(self, motion: Motion) -> Iterable[np.ndarray]:
        """Frames, uint8 RGB."""
        for chunk in render_frames(self.avatar, self.portrait, motion).chunks(4):
            yield from (chunk * 255).round().byte().numpy()

    def look(self, frames: Iterable[np.ndarray]) -> FaceTrack | None:
        """What MediaPipe finds in each frame alone; a frame without a face counts against us and repeats its neighbour."""
        finder, landmarks = FaceLandmarks(ModelFolders()), []
        for frame in frames:
            faces = finder.in_picture(frame)
            self.looked_at += 1
            self.found += bool(faces)
            landmarks.append(faces[0] if faces else landmarks[-1])
        return track_from_landmarks(np.stack(landmarks), FPS, canonical_face(ModelFolders()))

    def measure(self, motion: Motion) -> FaceTrack:
        return self.look(self.render(motion))


def reconstruction(sitter: Sitter) -> tuple[float, float]:
    frame = torch.from_numpy(next(iter(sitter.render(Motion.still(BASIS, 1))))).float() / 255
    source = sitter.portrait.image[0].permute(1, 2, 0) / 2 + 0.5
    error = (frame - source).abs().mean(-1).numpy()
    head = cv2.erode((sitter.portrait.head_mask[0, 0].numpy() > 0.5).astype(np.uint8), np.ones((9, 9))) > 0
    return float(error[head].mean()), float(error.mean())


def turning(sitter: Sitter) -> dict[str, list[float]]:
    """Errors in degrees of yaw and pitch, within 15 and within 25 degrees."""
    angles = np.radians([-25, -20, -15, -10, -5, 5, 10, 15, 20, 25])
    errors: dict[str, list[float]] = {"15": [], "25": []}
    for axis in (0, 1):
        euler = torch.zeros(len(angles), 3)
        euler[:, axis] = torch.from_numpy(angles).float()
        track = sitter.measure(Motion.still(BASIS, len(angles)).with_pose(euler, turn_about_neck(euler)))
        measured = matrix_to_euler(torch.from_numpy(track.rotations)) - matrix_to_euler(torch.from_numpy(sitter.rest.rotations))
        off = np.degrees(np.abs(measured[:, axis].numpy() - angles))
        errors["15"] += list(off[np.abs(angles) < 0.27])
        errors["25"] += list(off)
    return errors


def animation(sitter: Sitter, track: FaceTrack, step: int = 5) -> float:
    """Mean distance between commanded and measured landmark displacements, head-fixed, in units of the frame's side."""
    motion = sitter.avatar.video_to_motion(track)
    frames = range(0, len(motion), step)
    some = Motion(BASIS, motion.expression[::step], motion.euler[::step], motion.translation[::step])
    commanded = sitter.controls.displacements(some.expression).numpy()[..., :2]
    measured = (sitter.measure(some).shapes - sitter.rest.shapes)[..., :2]
    points = np.setdiff1d(np.arange(468), LIDS)  # lids have a row of their own
    assert len(frames) == len(measured)
    return float(np.linalg.norm(measured - commanded, axis=-1)[:, points].mean() * sitter.face_in_frame)


def jaw_sweep(sitter: Sitter) -> float:
    command = torch.linspace(0, 1, 11)
    track = sitter.measure(Motion.still(BASIS, 11).with_controls(jaw_open=command))
    return float(np.corrcoef(track.lip_gap, command.numpy())[0, 1])


def blink(sitter: Sitter) -> np.ndarray:
    """How far the right and the left eye are still open, of open."""
    one = torch.ones(1)
    track = sitter.measure(Motion.still(BASIS, 1).with_controls(blink_left=one, blink_right=one))
    return track.eye_opening[0] / sitter.rest.eye_opening[0]


def speech(sitter: Sitter, name: str) -> tuple[float, float]:
    """Largest distance of the lip gap from rest in digital silence, and the gap's standard deviation in speech."""
    spoken = load_sound(ROOT / "assets" / "speech" / name)
    silence = torch.zeros(1, spoken.rate)
    sound = Sound(torch.cat([spoken.samples[:1], silence], dim=1), spoken.rate)
    motion = make_motion(sitter.avatar, PipelineOptions(pose="static", blink="none"), sound)
    track = sitter.measure(motion)
    speaking = int(spoken.duration * FPS)
    quiet = np.abs(track.lip_gap[speaking + 5 :] - sitter.rest.lip_gap[0]).max()
    return float(quiet), float(track.lip_gap[:speaking].std())


def closures(sitter: Sitter, name: str) -> tuple[int, int]:
    """Frames of b, p and m in which the lips are seen closed, and all such frames."""
    sound = load_sound(ROOT / "assets" / "speech" / name)
    style = SpeechStyle(transcript=TRANSCRIPTS[name])
    motion = make_motion(sitter.avatar, PipelineOptions(pose="static", blink="none", speech=style), sound)
    times = (np.arange(len(motion)) + 0.5) / FPS
    symbols, starts = PHONEMES[name].split()[::2], np.array(PHONEMES[name].split()[1::2], float)
    labial = np.isin(np.array(symbols)[np.searchsorted(starts, times, side="right") - 1], ["B", "P", "M"])
    chosen = torch.from_numpy(np.flatnonzero(labial))
    track = sitter.measure(Motion(BASIS, motion.expression[chosen], motion.euler[chosen], motion.translation[chosen]))
    return int((track.lip_gap <= CLOSED_GAP).sum()), len(chosen)


def lip_gap_from_sound(sitter: Sitter, track: FaceTrack) -> float:
    """Correlation of the gap commanded by may_5s.mp4's sound with the gap in its picture, best shift within 0.2 s."""
    motion = make_motion(sitter.avatar, PipelineOptions(pose="static", blink="none"), load_sound(MEDIA / "driving" / "may_5s.mp4"))
    moved = sitter.controls.rest + sitter.controls.displacements(motion.expression)
    predicted, real = lip_gap(moved.numpy()), track.lip_gap
    length = min(len(predicted), len(real))
    best = -1.0
    for shift in range(-5, 6):
        a = predicted[max(0, shift) : length + min(0, shift)]
        b = real[max(0, -shift) : length - max(0, shift)]
        best = max(best, float(np.corrcoef(a, b)[0, 1]))
    return best


def speed(sitter: Sitter) -> float:
    """Finished 512 x 512 frames per second of wall time, 2 threads, lifting and preparing not counted."""
    torch.set_num_threads(2)
    motion = make_motion(sitter.avatar, PipelineOptions(), load_sound(ROOT / "assets" / "speech" / "librivox_0880_en.wav"))
    frames = render_frames(sitter.avatar, sitter.portrait, motion)
    frames.frames(0, 4)
    started = time.perf_counter()
    for start in range(4, 36, 4):
        frames.frames(start, start + 4)
    return 32 / (time.perf_counter() - started)


def memory() -> float:
    """MB that a 60 s film takes more than a 10 s film, each made by the command line in a process of its own."""
    speech_clip = load_sound(ROOT / "assets" / "speech" / "librivox_0870_en.wav")
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (10, 60):
            sound = Path(folder) / f"{seconds}.wav"
            samples = np.resize((speech_clip.samples[0].numpy() * 32767).astype(np.int16), seconds * speech_clip.rate)
            with wave.open(str(sound), "wb") as file:
                file.setparams((1, 2, speech_clip.rate, 0, "NONE", ""))
                file.writeframes(samples.tobytes())
            command = [sys.executable, "-m", "real3d_core", "--portrait", str(ROOT / "assets" / "portraits" / PORTRAITS["astronaut"])]
            done = subprocess.run(
                [*command, "--audio", str(sound), "--out", f"{folder}/{seconds}.mp4"], cwd=ROOT, capture_output=True, text=True
            )
            print(done.stdout.strip() or done.stderr.strip(), flush=True)
            peaks.append(float(done.stdout.split(" MB")[0].split()[-1]))
    return peaks[1] - peaks[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portraits", nargs="*", default=list(PORTRAITS), choices=list(PORTRAITS))
    parser.add_argument("--memory", action="store_true", help="also compare the memory of a 60 s with a 10 s film (minutes)")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    has_media = MEDIA.is_dir()
    tracks = {clip: track_face(open_clip(MEDIA / "driving" / clip).frames(), ModelFolders()) for clip in CLIPS} if has_media else {}
    rows: dict[str, tuple[str, list[str]]] = {}

    def put(what: str, bound: str, value: str) -> None:
        rows.setdefault(what, (bound, []))[1].append(value)

    for name in options.portraits:
        started = time.perf_counter()
        sitter = Sitter(name)
        head, frame = reconstruction(sitter)
        put("reconstruction error, head", "<= 0.006", f"{head:.4f}")
        put("reconstruction error, frame", "<= 0.012", f"{frame:.4f}")
        turned = turning(sitter)
        put("yaw and pitch error within 15 degrees", "<= 2", f"{np.mean(turned['15']):.2f}")
        put("yaw and pitch error within 25 degrees", "<= 4", f"{np.mean(turned['25']):.2f}")
        for clip, track in tracks.items():
            put(f"animation error, {clip}", "<= 0.008", f"{animation(sitter, track):.4f}")
        put("jaw_open swept, correlation with the gap", ">= 0.97", f"{jaw_sweep(sitter):.3f}")
        eyes = blink(sitter)
        put("eye opening at blink 1, of open", "<= 0.35", f"{eyes.mean():.3f}")
        put("    the less closed eye alone", "", f"{eyes.max():.2f}")
        quiet, lively = speech(sitter, "librivox_0880_en.wav")
        put("lip gap off rest in silence", "<= 0.01", f"{quiet:.4f}")
        put("lip gap deviation in speech", "> 0.02", f"{lively:.4f}")
        closed, labial = np.sum([closures(sitter, clip) for clip in TRANSCRIPTS], axis=0)
        put("b, p, m frames with closed lips", ">= 90 %", f"{closed}/{labial}")
        if tracks:
            put("may_5s.mp4, gap from sound against picture", ">= 0.5", f"{lip_gap_from_sound(sitter, tracks['may_5s.mp4']):.2f}")
        put("frames in which a face is found", "all", f"{sitter.found}/{sitter.looked_at}")
        put("frames per second, 2 threads", ">= 2", f"{speed(sitter):.1f}")
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)

    width = max(len(what) for what in rows)
    print(f"\n{'':{width}}  {'bound':>9}  " + "  ".join(f"{name:>12}" for name in options.portraits))
    for what, (bound, values) in rows.items():
        print(f"{what:{width}}  {bound:>9}  " + "  ".join(f"{value:>12}" for value in values))
    if not has_media:
        print("Rows about driving clips need the development media, which are not here.")
    if options.memory:
        print(f"{'memory of 60 s minus 10 s':{width}}  {'<= 100 MB':>9}  {memory():>9.0f} MB")


if __name__ == "__main__":
    main()
