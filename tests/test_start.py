"""What the program's start leaves out is there for whoever asks for it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import sys
from real3d_core.start import load_mediapipe

load_mediapipe()
left_out = "matplotlib" not in sys.modules
drawing = sys.modules["mediapipe.tasks.python.vision.drawing_utils"]
figure = drawing.plt.figure
import matplotlib.pyplot
print(left_out, figure is matplotlib.pyplot.figure, matplotlib.__version__ > "")
"""


def test_mediapipe_is_loaded_without_what_it_draws_plots_with_but_can_draw_them():
    pytest.importorskip("mediapipe")
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "True", "True"], done.stderr
