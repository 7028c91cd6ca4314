"""Small work on one thread: several spend their time waiting for one another, thirty times as long where others compute too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes on one thread within; afterwards on as many as before."""
    threads = torch.get_num_threads()
    if threads == 1:  # setting it would also tell threads that are new to PyTorch
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
