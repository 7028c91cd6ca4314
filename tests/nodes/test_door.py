"""Whatever other packs send into a socket, and whatever is not installed, is answered with one sentence."""

import builtins
import json
import sys

import pytest
import torch
from pack_host import ROOT, VideoFromFile

IDS = sorted(json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8")))
FOREIGN = {
    "tensor": torch.zeros(1, 4, 8, 8, 2),
    "latent": {"samples": torch.zeros(1, 4, 8, 8)},
    "list": [torch.zeros(1, 8, 8, 3)],
    "text": "planes",
    "nothing": None,
}
TAKEN_SOMEWHERE_ELSE = {("Real3DPlanesFromTensor", "tensor", "latent")}


def sockets(host, node_id: str) -> list:
    return [one for one in host.nodes[node_id].GET_SCHEMA().inputs if not hasattr(one, "default")]


@pytest.fixture(scope="module")
def right(host) -> dict[str, object]:
    """A value of the right kind for every type of socket."""
    kinds = host.part("sockets")
    return {
        "REAL3D_AVATAR": host.part("runtime.device").load_avatar("analytic (built in)"),
        "REAL3D_PORTRAIT": kinds.Portraits(()),
        "REAL3D_PLANES": kinds.Heads("analytic", (), moving=False),
        "REAL3D_MOTION": host.core("motion.motion").Motion.still(host.core("analytic.controls").BASIS, 3),
        "REAL3D_CAMERA": kinds.Cameras(()),
        "REAL3D_RENDER": kinds.Renders(()),
        "REAL3D_TENSOR": kinds.TensorFrames((), "", "analytic"),
        "IMAGE": host.inputs["portrait.png"],
        "MASK": torch.zeros(1, 64, 64),
        "AUDIO": host.inputs["voice.wav"],
        "VIDEO": VideoFromFile("clip.mp4"),
        "LATENT": FOREIGN["latent"],
    }


def is_one_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and "Traceback" not in text


@pytest.mark.parametrize("sent", FOREIGN)
@pytest.mark.parametrize("node_id", IDS)
def test_every_socket_answers_a_foreign_value_with_one_sentence(host, right, node_id, sent):
    values = {one.id: right[one.get_io_type().split(",")[0]] for one in sockets(host, node_id) if not one.optional}
    for socket in sockets(host, node_id):
        if (sent == "nothing" and socket.optional) or (node_id, socket.id, sent) in TAKEN_SOMEWHERE_ELSE:
            continue
        with pytest.raises(host.core("errors").Real3DError) as refused:
            host.execute(node_id, **{**values, socket.id: FOREIGN[sent]})
        assert f"'{socket.id}' expects" in str(refused.value) and is_one_sentence(str(refused.value))


def test_the_sentence_names_what_came_and_what_to_connect(host):
    portrait, planes = host.part("sockets").Portraits(()), host.part("sockets").Heads("analytic", (), moving=False)
    for value, word in ((portrait, "a portrait"), (torch.zeros(1, 96), r"a plain tensor \[1, 96\]"), (3, "type 'int'")):
        with pytest.raises(host.core("errors").Real3DError, match=f"expects planes, but got .*{word}.*: connect 'Image to plane'"):
            host.execute("Real3DMixPlanes", first=value, second=planes)


@pytest.mark.parametrize(
    ("node_id", "name"), [("Real3DEditMotion", "control_gains"), ("Real3DAudioToMotion", "transcript"), ("Real3DCameraPath", "keyframes")]
)
def test_a_text_is_a_text(host, right, node_id, name):
    values = {one.id: right[one.get_io_type().split(",")[0]] for one in sockets(host, node_id) if not one.optional}
    with pytest.raises(host.core("errors").Real3DError, match=f"'{name}' expects a text, but got a plain tensor"):
        host.execute(node_id, **{**values, name: torch.zeros(2)})


@pytest.fixture
def without(monkeypatch):
    """Makes a package fail to import, with the given error."""

    def hide(package: str, failure: ImportError) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        real = builtins.__import__

        def importing(name, *others, **more):
            if name.partition(".")[0] == package:
                raise failure
            return real(name, *others, **more)

        monkeypatch.setattr(builtins, "__import__", importing)

    return hide


@pytest.mark.parametrize(
    ("package", "installed_by"), [("safetensors", "pip install safetensors and"), ("cv2", 'requirements.txt" and')], ids=["host's", "ours"]
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(host, without, monkeypatch, package, installed_by):
    motion = host.core("motion.motion").Motion.still(host.core("analytic.controls").BASIS, 3)
    without("safetensors", ModuleNotFoundError(f"No module named '{package}'", name=package))
    with pytest.raises(host.core("errors").Real3DError) as refused:
        host.execute("Real3DSaveMotion", motion=motion)
    assert f"'{package}' is not installed: run " in str(refused.value)
    assert installed_by in str(refused.value) and is_one_sentence(str(refused.value))


def test_a_missing_system_library_is_named(host, without):
    motion = host.core("motion.motion").Motion.still(host.core("analytic.controls").BASIS, 3)
    without("safetensors", ImportError("libEGL.so.1: cannot open shared object file: No such file or directory"))
    with pytest.raises(host.core("errors").Real3DError, match=r"libEGL\.so\.1: cannot open .*install the system library"):
        host.execute("Real3DSaveMotion", motion=motion)


def test_a_fault_of_the_pack_itself_stays_a_fault(host, without):
    motion = host.core("motion.motion").Motion.still(host.core("analytic.controls").BASIS, 3)
    without("safetensors", ModuleNotFoundError("no such part", name=host.module.__name__ + ".real3d_core.gone"))
    with pytest.raises(ModuleNotFoundError):
        host.execute("Real3DSaveMotion", motion=motion)
