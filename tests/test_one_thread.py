"""Linear algebra on one thread for a while, whoever else asks for it meanwhile."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info, threadpool_limits

from real3d_core.one_thread import blas_on_one_thread


def in_a_thread(call):
    with ThreadPoolExecutor(1) as other:
        return other.submit(call).result()


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def usual():
    """Two, however many cores there are; set by a thread that has ended, so that it stands in no other's way."""
    np.ones((2, 2)) @ np.ones((2, 2))
    limits = in_a_thread(lambda: threadpool_limits(2, "blas"))
    if blas_threads() != {2}:
        pytest.skip("the linear algebra of this machine cannot be told how many threads to use")
    yield
    in_a_thread(limits.restore_original_limits)


def test_as_many_as_before_once_the_last_one_is_done():
    first, second = blas_on_one_thread(), blas_on_one_thread()
    first.__enter__()
    second.__enter__()
    assert blas_threads() == {1}
    first.__exit__(None, None, None)
    assert blas_threads() == {1}, "the other one is still at work"
    second.__exit__(None, None, None)
    assert blas_threads() == {2}


def test_any_thread_may_ask_whoever_was_the_first():
    def within():
        with blas_on_one_thread():
            return blas_threads()

    assert within() == {1}
    assert in_a_thread(within) == {1} and blas_threads() == {2}


def test_whoever_is_the_last_sets_as_many_as_before():
    within = blas_on_one_thread()
    in_a_thread(within.__enter__)
    assert blas_threads() == {1}
    within.__exit__(None, None, None)
    assert blas_threads() == {2}


def test_a_failure_within_leaves_as_many_as_before():
    with pytest.raises(ZeroDivisionError), blas_on_one_thread():
        1 / 0  # noqa: B018
    assert blas_threads() == {2}


def test_it_works_where_threadpoolctl_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with blas_on_one_thread():
        pass
    assert blas_threads() == {2}


def test_portraits_are_prepared_lifted_and_composed_within(assets, monkeypatch):
    """The system of equations behind a portrait's sheets is solved on one thread; so is what the solid is made by."""
    from real3d_core.analytic import sheets, solid
    from real3d_core.analytic.avatar import AnalyticAvatar
    from real3d_core.analytic.controls import BASIS
    from real3d_core.media.pictures import load_picture
    from real3d_core.mediapipe_models.model_files import ModelFolders
    from real3d_core.motion.motion import Motion
    from real3d_core.pipeline import PipelineOptions, render_frames
    from real3d_core.portrait import portrait

    seen = {}

    def watched(module, name):
        usual = getattr(module, name)

        def watch(*arguments, **named):
            seen.setdefault(name, set()).update(blas_threads())
            return usual(*arguments, **named)

        monkeypatch.setattr(module, name, watch)

    for module, name in ((portrait, "make_plates"), (solid, "LinearNDInterpolator"), (sheets, "RBFInterpolator")):
        watched(module, name)
    prepared = portrait.prepare_portrait(load_picture(assets / "portraits" / "astronaut.png"), ModelFolders())
    render_frames(AnalyticAvatar(ModelFolders()), prepared, Motion.still(BASIS, 1), PipelineOptions(size=64)).frames(0, 1)
    assert seen == {name: {1} for name in ("make_plates", "LinearNDInterpolator", "RBFInterpolator")}
    assert blas_threads() == {2}
