"""Which of the course's own backends suits given tensors: what ``attend(backend="auto")`` does."""

from __future__ import annotations

import functools
import importlib.util
import shlex
import textwrap
from typing import NamedTuple

import torch

SMALL = 256 * 256
"""So many pairs of a query and a key get a matrix of weights, which is then cheap, and easy to debug."""


class Choice(NamedTuple):
    """A backend, and why; `broken` if it stands in for one that should work here and does not."""

    backend: str
    reason: str
    broken: bool = False


def choose(device: torch.device, dtype: torch.dtype, n_pairs: int) -> Choice:
    """Choose a backend for attention of so many pairs of a query and a key.

    Args:
        device: Where the tensors lie.
        dtype: What they are made of.
        n_pairs: T times S.

    Returns:
        The name of a backend, and a reason that :program:`course doctor` shows.
    """
    if device.type == "cuda" and importlib.util.find_spec("triton") is not None:
        return Choice("triton", "kernels for a GPU")
    if n_pairs <= SMALL:
        return Choice("einsum", f"at most {SMALL:,} pairs, whose weights fit anywhere")
    if device.type == "cpu" and dtype == torch.float32:
        return _compiled()
    return Choice(
        "tiled", "memory that grows with the lengths only, on any device and in any dtype"
    )


@functools.cache
def _compiled() -> Choice:
    """The kernels in C++ if they work here. They are tried once, and the process remembers the outcome."""
    from course.kernels.cpu import CompileError, NoCompiler, compiler, try_out

    try:
        try_out()
    except NoCompiler:
        return Choice("tiled", "no C++ compiler was found for the kernels of the CPU")
    except CompileError as error:
        said = textwrap.shorten(str(error), 200, placeholder=" …")
        return Choice("tiled", f"the kernels in C++ do not work here: {said}", broken=True)
    return Choice("cpu", f"float32 on the CPU, built with {shlex.join(compiler())}")
