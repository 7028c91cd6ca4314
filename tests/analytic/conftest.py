import pytest
import torch

from real3d_core.analytic.avatar import AnalyticAvatar
from real3d_core.media.pictures import load_picture
from real3d_core.mediapipe_models.model_files import ModelFolders
from real3d_core.portrait.portrait import prepare_portrait


@pytest.fixture(scope="session")
def portrait(assets):
    """A frontal face with closed lips and curly hair."""
    return prepare_portrait(load_picture(assets / "portraits" / "synthetic_p002.jpg"), ModelFolders())


@pytest.fixture(scope="session")
def smiling(assets):
    """A face whose smile shows teeth."""
    return prepare_portrait(load_picture(assets / "portraits" / "astronaut.png"), ModelFolders())


@pytest.fixture(scope="session")
def long_haired(assets):
    """A face between hair that hangs over the shoulders."""
    return prepare_portrait(load_picture(assets / "portraits" / "synthetic_p009.jpg"), ModelFolders())


@pytest.fixture(scope="session")
def avatar():
    return AnalyticAvatar(ModelFolders())


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield
