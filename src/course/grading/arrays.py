"""Where a tensor or an array differs from the one expected, and whether the difference has a pattern."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course.grading.tolerance import Tolerance
from course.grading.words import judgement, short, type_sentence, value_sentence


def array_difference(
    got: Any, expected: Tensor | np.ndarray, tolerance: Tolerance, what: str, reveal: bool
) -> str | None:
    if not isinstance(got, type(expected)) and not (
        isinstance(got, Tensor) and isinstance(expected, Tensor)
    ):
        return type_sentence(got, expected, what)
    if isinstance(expected, np.ndarray):
        if expected.dtype.kind not in "biufc":
            same = got.shape == expected.shape and bool((got == expected).all())
            return None if same else value_sentence(got, expected, what, reveal)
        if got.dtype != expected.dtype and got.shape == expected.shape:
            return f"{what} has dtype {got.dtype}, expected {expected.dtype}."
        got, expected = (
            torch.as_tensor(np.ascontiguousarray(array)) for array in (got, expected)
        )
    got, expected = got.detach(), expected.detach()
    if got.shape != expected.shape:
        sentence = f"{what} has shape {tuple(got.shape)}, expected {tuple(expected.shape)}"
        return sentence + _rearrangement(got, expected, tolerance) + "."
    if got.dtype != expected.dtype:
        return f"{what} has dtype {_dtype(got)}, expected {_dtype(expected)}."
    if sentence := _non_finite_difference(got, expected, what):
        return sentence
    near = tolerance.accepts(got, expected)
    if bool(near.all()):
        return None
    return _entries_sentence(got, expected, ~near, tolerance, what, reveal)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _rearrangement(got: Tensor, expected: Tensor, tolerance: Tolerance) -> str:
    """Whether `got` holds the expected numbers with axes permuted or in another shape."""
    if got.numel() != expected.numel() or got.dtype != expected.dtype:
        return ""
    if got.dim() == expected.dim() and got.dim() <= 5:
        identity = tuple(range(got.dim()))
        for axes in itertools.permutations(identity):
            turned = expected.permute(axes)
            if (
                axes != identity
                and turned.shape == got.shape
                and bool(tolerance.accepts(got, turned).all())
            ):
                moved = [axis for axis in identity if axes[axis] != axis]
                if len(moved) == 2:
                    return f": the values are right, but axes {moved[0]} and {moved[1]} are swapped"
                return f": the values are right, but the axes are permuted by {axes}"
    if got.shape != expected.shape and bool(
        tolerance.accepts(got.reshape(expected.shape), expected).all()
    ):
        return ": the values are right, but in another shape"
    return ""


def _non_finite_difference(got: Tensor, expected: Tensor, what: str) -> str | None:
    if not (got.is_floating_point() or got.is_complex()):
        return None
    for name, bad in (
        ("NaN", got.isnan() & ~expected.isnan()),
        ("an infinity", got.isinf() & ~expected.isinf()),
    ):
        if bool(bad.any()):
            count = int(bad.sum())
            entries = "entry" if count == 1 else "entries"
            return f"{what} has {name} in {count} {entries}, first at {_first(bad)}; none is expected there."
    return None


def _first(mask: Tensor) -> str:
    index = tuple(mask.nonzero()[0].tolist())
    return f"[{', '.join(map(str, index))}]" if index else "its only entry"


def _entries_sentence(
    got: Tensor,
    expected: Tensor,
    wrong: Tensor,
    tolerance: Tolerance,
    what: str,
    reveal: bool,
) -> str:
    first = tuple(wrong.nonzero()[0].tolist())
    count, total = int(wrong.sum()), wrong.numel()
    sentence = f"{what} differs in {count} of {total} entries, first at {_first(wrong)}: {short(got[first])}"
    if not reveal:
        return f"{sentence} is {judgement(got[first].item(), expected[first].item())}."
    sentence += f", expected {short(expected[first])}"
    if got.dtype == torch.bool:
        return sentence + "."
    wide = torch.complex128 if got.is_complex() else torch.float64
    got, expected = got.to(wide), expected.to(wide)
    largest = (got - expected).abs().nan_to_num(posinf=float("inf")).max()
    sentence += f"; the largest difference is {short(largest)}"
    return (
        sentence
        + (_pattern(got, expected) or _rearrangement(got, expected, tolerance))
        + "."
    )


def _pattern(got: Tensor, expected: Tensor) -> str:
    """Whether one factor or one offset explains the whole difference."""
    if got.numel() < 2 or not bool(got.isfinite().all() and expected.isfinite().all()):
        return ""
    large = expected.abs() > 1e-6 * expected.abs().max()
    if int(large.sum()) > 1:
        ratios = got[large] / expected[large]
        factor = ratios.median() if not got.is_complex() else ratios[0]
        if torch.allclose(
            got, factor * expected, rtol=1e-3, atol=1e-6 * float(expected.abs().max())
        ):
            return (
                f"; all entries are {short(factor)} times what is expected"
                if factor != 0
                else "; all are 0"
            )
    offset = (got - expected).flatten()[0]
    if torch.allclose(
        got - offset, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max() + 1e-30)
    ):
        return f"; all entries are {short(offset)} more than expected"
    return ""
