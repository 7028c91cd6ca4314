"""The options of the command line: one line for what is wrong, and none is ignored in silence."""

import pytest

from real3d_core.errors import Real3DError
from real3d_core.options import parser, refuse_idle

VOICE = ("--audio", "voice.wav")
CLIP = ("--driving", "clip.mp4")
OFFICIAL = ("--avatar", "real3d")


def parsed(*arguments):
    return parser().parse_args(["--portrait", "me.png", "--out", "film.mp4", *arguments])


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ((*CLIP, "--transcript", "hello"), "--transcript"),
        ((*CLIP, "--mouth", "1"), "--mouth"),
        ((*CLIP, *OFFICIAL, "--temperature", "0.2"), "--temperature"),
        ((*VOICE, "--temperature", "0.5"), "--temperature"),
        ((*CLIP, "--acting", "1"), "--acting"),
        ((*VOICE, *OFFICIAL, "--acting", "1"), "--acting"),
        ((*VOICE, "--neutral", "0"), "--neutral"),
        ((*VOICE, "--smoothing", "1"), "--smoothing"),
        ((*CLIP, *OFFICIAL, "--smoothing", "1"), "--smoothing"),
        ((*VOICE, *OFFICIAL, "--transcript", "hello"), "--transcript"),
        ((*VOICE, *CLIP, "--pose", "sway", "--blink", "natural"), "--driving"),
        ((*VOICE, "--pose", "static", "--pose-amount", "2"), "--pose-amount"),
        ((*VOICE, "--own-expression"), "--own-expression"),
        ((*VOICE, "--side-by-side", "--paste-back"), "--side-by-side"),
    ],
)
def test_an_option_that_changes_nothing_is_named(arguments, option):
    with pytest.raises(Real3DError, match=f"^{option} would change nothing, because .*[^.]\\.$"):
        refuse_idle(parsed(*arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        (*VOICE, "--transcript", "hello", "--mouth", "1.5", "--acting", "0.5", "--device", "cuda", "--seed", "3", "--fps", "30"),
        (*VOICE, *OFFICIAL, "--temperature", "0.5", "--own-expression", "--device", "cuda"),
        (*VOICE, *CLIP, "--pose", "static"),
        (*VOICE, *CLIP, "--blink", "none", "--smoothing", "0", "--neutral", "3", "--pose-amount", "2"),
        (*CLIP, "--pose", "sway", "--blink", "natural"),
        (*CLIP, "--paste-back"),
    ],
)
def test_options_that_do_something_are_welcome(arguments):
    refuse_idle(parsed(*arguments))


def test_values_may_look_like_options():
    options = parsed("--audio", "-voice.wav", "--driving=-clip.mp4", "--pose-amount", "-inf", "--seed", "-3")
    assert (options.audio, options.driving) == ("-voice.wav", "-clip.mp4")
    assert (options.pose_amount, options.seed) == (-float("inf"), -3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--size", "large"], "'large'"),
        (["--audio"], "--audio"),
        (["--audio", "--size", "64"], "--audio"),
        (["--audio", "--"], "audio"),
        (["--audio=--"], "audio"),
        (["--pose", "dance"], "'dance'"),
        (["--colour", "red"], "--colour"),
        (["--siz", "64"], "--siz"),
        (["a\nb"], "a b"),
    ],
)
def test_a_wrong_option_is_one_line(arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(*arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1 and told.endswith("--help lists all options\n")


def test_a_missing_option_is_named(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--out", "film.mp4"])
    assert "--portrait" in capsys.readouterr().err
