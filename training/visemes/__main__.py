"""Makes the weights of the viseme network anew: python -m training.visemes

Needs Debian's packages (as root):
apt-get install --no-install-recommends espeak-ng flite festival festvox-us-slt-hts festvox-kdlpc16k festvox-czech-dita
festvox-czech-machac festvox-suopuhe-lj festvox-suopuhe-mv festvox-italp16k pocketsphinx-testdata, and from the package index
pocketsphinx. MODEL_CARD.md tells what is made of them and where the recordings come from.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from real3d_core.speech.viseme_network import WEIGHTS_FILE, save_network

from .corpus import make_corpus
from .scores import print_scores
from .train import STEPS, train


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.visemes", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=WEIGHTS_FILE, help="the .safetensors file to write")
    parser.add_argument("--scale", type=float, default=1.0, help="how much speech is made, 1 for the shipped weights")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of training")
    parser.add_argument("--recordings", type=Path, required=True, help="folder with what recordings.txt names, and LJ Speech")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    started = time.time()
    corpus = make_corpus(options.recordings, options.threads, options.scale)
    hours = sum(len(one.labels) for one in corpus) / 360000
    print(f"{len(corpus)} recordings, {hours:.1f} hours, {time.time() - started:.0f} s", flush=True)
    save_network(train(corpus, options.steps, lambda network: save_network(network, options.out)), options.out)
    print_scores(corpus, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {time.time() - started:.0f} s in all")


if __name__ == "__main__":
    main()
