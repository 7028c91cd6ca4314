"""The polynomials that the processor back ends evaluate in place of powers and logarithms (spec 07 section 3).

`fitted_*` find the coefficients of two of them anew; the constants are their results, written down so that every build uses the same
numbers.
"""

from __future__ import annotations

import numpy as np

EXP2 = (1.0, 0.693147004, 0.240222424, 0.0555073395, 0.00967151392, 0.00132647145)
"""2^f = sum of EXP2[k] f^k for f in -0.5..0.5, to 1.1e-7 of it.

The first coefficient is exactly 1: an empty interval must let everything pass.
"""

LOG2_1P = (1.44269504, -0.721321261, 0.480187393, -0.353991248, 0.257478169, -0.157282945, 0.0648991834, -0.0126645481)
"""log2(1 + e) = e * sum of LOG2_1P[k] e^k for e in 0..1, to 2.2e-7 of it: a tiny e keeps all its digits."""


PIECES = 32
PIECES_PER_UNIT = 1.4


def softplus_2_tail(degree: int = 4) -> np.ndarray:
    """log2(1 + 2^-t) for t >= 0, to 5e-7: near t = k / PIECES_PER_UNIT the sum of [j, k] t^j, float32; the last piece is zero.

    For hidden units where a vector holds half the pieces: a look into a table and five products do what takes a power and a logarithm 13.
    """
    pieces = np.zeros((degree + 1, PIECES))
    for k in range(PIECES - 1):
        t = _nodes(max(k - 0.5, 0), k + 0.5, degree + 1) / PIECES_PER_UNIT
        pieces[:, k] = np.linalg.solve(np.vander(t, increasing=True), np.log2(1 + 2.0**-t))
    return pieces.astype(np.float32)


def fitted_exp2(degree: int = 5) -> np.ndarray:
    """Coefficients of 2^f on -0.5..0.5, the constant term fixed to 1."""
    f = _nodes(-0.5, 0.5)
    powers = np.stack([f**k for k in range(1, degree + 1)], axis=1)
    return np.concatenate([[1.0], _levelled(powers / 2.0 ** f[:, None], (2.0**f - 1) / 2.0**f)])


def fitted_log2_1p(degree: int = 8) -> np.ndarray:
    """Coefficients of log2(1 + e) / e on 0..1, exact at 0; small relative errors of log2(1 + e)."""
    e = _nodes(0, 1)
    target = np.log1p(e) / e
    powers = np.stack([e**k for k in range(1, degree)], axis=1)
    return np.concatenate([[1.0], _levelled(powers / target[:, None], (target - 1) / target)]) / np.log(2)


def c_constants() -> str:
    """All as C++ source."""
    lists = [("EXP2[]", EXP2), ("LOG2_1P[]", LOG2_1P), (f"SOFTPLUS_2_TAIL[][{PIECES}]", softplus_2_tail().flatten().tolist())]
    arrays = (f"alignas(64) static const float {name} = {{{', '.join(f'{value!r}f' for value in values)}}};\n" for name, values in lists)
    return "".join(arrays) + f"static const float PIECES = {PIECES}, PIECES_PER_UNIT = {PIECES_PER_UNIT}f;\n"


def cuda_macro() -> str:
    """The sum that LOG2_1P stands for, as a macro of CUDA source: arrays of constants would be memory there."""
    series = f"{LOG2_1P[-1]!r}f"
    for value in LOG2_1P[-2::-1]:
        series = f"({value!r}f + (e) * {series})"
    return f"#define LOG2_1P_SERIES(e) {series}\n"


def _nodes(low: float, high: float, count: int = 4000) -> np.ndarray:
    """Points that lie denser towards both ends."""
    return (low + high) / 2 - (high - low) / 2 * np.cos((np.arange(count) + 0.5) / count * np.pi)


def _levelled(powers: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares, weighted again and again where the error is large, until the largest error is about as small as can be."""
    weights = np.ones(len(target))
    for _ in range(60):
        solution = np.linalg.lstsq(powers * weights[:, None], target * weights, rcond=None)[0]
        error = np.abs(powers @ solution - target)
        weights *= (0.02 + error / error.max()) ** 0.25
        weights /= weights.max()
    return solution
