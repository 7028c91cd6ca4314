"""The polynomials stand for powers and logarithms as closely as they say."""

import numpy as np

from cuda_ops.cpu.polynomials import (
    EXP2,
    LOG2_1P,
    PIECES,
    PIECES_PER_UNIT,
    c_constants,
    fitted_exp2,
    fitted_log2_1p,
    softplus_2_tail,
)


def test_power_of_two():
    f = np.linspace(-0.5, 0.5, 10001)
    assert np.abs(np.polyval(EXP2[::-1], f) / 2**f - 1).max() < 1.2e-7
    assert EXP2[0] == 1


def test_logarithm_keeps_the_digits_of_small_numbers():
    e = np.concatenate([np.linspace(1e-4, 1, 10001), np.logspace(-30, -4, 200)])
    assert np.abs(e * np.polyval(LOG2_1P[::-1], e) * np.log(2) / np.log1p(e) - 1).max() < 2.5e-7


def test_the_fit_finds_the_coefficients_again():
    np.testing.assert_allclose(fitted_exp2(), EXP2, rtol=1e-5)
    np.testing.assert_allclose(fitted_log2_1p(), LOG2_1P, rtol=1e-4)


def test_softplus_of_hidden_units():
    t = np.linspace(0, 60, 60001)
    reach = np.minimum(t, (PIECES - 1) / PIECES_PER_UNIT)
    powers = reach[:, None] ** np.arange(5)
    tail = (powers * softplus_2_tail()[:, np.rint(reach * PIECES_PER_UNIT).astype(int)].T).sum(axis=1)
    assert np.abs(tail - np.log2(1 + 2**-t)).max() < 5e-7
    assert not tail[-1]  # what is far from zero is passed through


def test_source_lines():
    first, second, *_ = c_constants().split("\n")
    assert first.startswith("alignas(64) static const float EXP2[] = {1.0f, 0.693147")
    assert second.startswith("alignas(64) static const float LOG2_1P[] = {1.44269504f, -0.72132")
