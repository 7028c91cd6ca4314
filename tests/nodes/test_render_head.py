"""Every back end of ray marching is offered; the one in use is shown."""

import importlib
import types

import pytest
import torch


def marching(host, stages, backend, monkeypatch):
    """What 'Render head' writes below itself, and the picture it makes."""
    server = importlib.import_module("server")
    shown = []
    monkeypatch.setattr(server.PromptServer.instance, "send_progress_text", lambda text, node: shown.append((node, text)), raising=False)
    monkeypatch.setattr(host.nodes["Real3DRenderHead"], "hidden", types.SimpleNamespace(unique_id="7"))
    inputs = {"avatar": stages["avatar"], "planes": stages["moving"], "camera": stages["camera"], "resolution": 16}
    render = host.execute("Real3DRenderHead", **inputs, backend=backend)[0]
    (line,) = shown
    return line, render.streams[0].frames(0, 1).features


def test_every_back_end_is_offered_and_the_one_in_use_is_shown(host, stages, monkeypatch):
    cuda_ops = importlib.import_module(f"{host.module.__name__}.cuda_ops")
    (widget,) = [one for one in host.nodes["Real3DRenderHead"].GET_SCHEMA().inputs if one.id == "backend"]
    assert widget.options == ["auto", *cuda_ops.NAMES, "reference"]
    line, expected = marching(host, stages, "reference", monkeypatch)
    assert line == ("7", "Ray marching: reference")
    line, found = marching(host, stages, "torch", monkeypatch)
    assert line == ("7", "Ray marching: torch") and torch.allclose(found, expected, atol=1e-3)
    line, found = marching(host, stages, "auto", monkeypatch)
    assert line == ("7", f"Ray marching: {cuda_ops.chosen('cpu').name}") and torch.allclose(found, expected, atol=1e-3)
    if not torch.cuda.is_available():
        line, found = marching(host, stages, "cuda-nvrtc", monkeypatch)
        assert line[1] == f"Ray marching: {cuda_ops.chosen('cpu').name} (cuda-nvrtc cannot be used here: see the log)"


@pytest.mark.parametrize("backend", ["abacus", "../torch", "", "cpu-ext\0", 7, None, ["torch"]])
def test_a_back_end_that_there_is_not_is_refused_in_words(host, stages, backend):
    inputs = {"avatar": stages["avatar"], "planes": stages["moving"], "camera": stages["camera"]}
    with pytest.raises(host.core("errors").Real3DError, match=r"is not a choice of the input 'backend': choose one of auto, cuda-nvrtc, "):
        host.execute("Real3DRenderHead", **inputs, backend=backend)
