"""The two polynomials that the processor back ends evaluate in place of exp and log1p (spec 07 section 3).

`fitted_*` find the coefficients anew; the constants are their results, written down so that every build uses the same numbers.
"""

from __future__ import annotations

import numpy as np

EXP2 = (1.0, 0.693147004, 0.240222424, 0.0555073395, 0.00967151392, 0.00132647145)
"""2^f = sum of EXP2[k] f^k for f in -0.5..0.5, to 1.1e-7 of it.

The first coefficient is exactly 1: an empty interval must let everything pass.
"""

LOG1P = (1.0, -0.499981791, 0.332840532, -0.245368034, 0.178470269, -0.109020233, 0.0449846871, -0.00877839606)
"""log(1 + e) = e * sum of LOG1P[k] e^k for e in 0..1, to 2.2e-7 of it: a tiny e keeps all its digits."""


def fitted_exp2(degree: int = 5) -> np.ndarray:
    """Coefficients of 2^f on -0.5..0.5, the constant term fixed to 1."""
    f = _nodes(-0.5, 0.5)
    powers = np.stack([f**k for k in range(1, degree + 1)], axis=1)
    return np.concatenate([[1.0], _levelled(powers / 2.0 ** f[:, None], (2.0**f - 1) / 2.0**f)])


def fitted_log1p(degree: int = 8) -> np.ndarray:
    """Coefficients of log(1 + e) / e on 0..1, the constant term fixed to 1; small relative errors of log(1 + e)."""
    e = _nodes(0, 1)
    target = np.log1p(e) / e
    powers = np.stack([e**k for k in range(1, degree)], axis=1)
    return np.concatenate([[1.0], _levelled(powers / target[:, None], (target - 1) / target)])


def c_constants() -> str:
    """Both as C++ source."""
    return "".join(
        f"static const float {name}[] = {{{', '.join(f'{value!r}f' for value in values)}}};\n"
        for name, values in (("EXP2", EXP2), ("LOG1P", LOG1P))
    )


def cuda_macro() -> str:
    """The sum that LOG1P stands for, as a macro of CUDA source: arrays of constants would be memory there."""
    series = f"{LOG1P[-1]!r}f"
    for value in LOG1P[-2::-1]:
        series = f"({value!r}f + (e) * {series})"
    return f"#define LOG1P_SERIES(e) {series}\n"


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
