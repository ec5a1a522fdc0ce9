"""Which of the course's own backends suits given tensors: what ``attend(backend="auto")`` does."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import torch

SMALL = 256 * 256
"""Up to so many pairs of a query and a key, the matrix of weights is made: it is cheap, and easy to debug."""


class Choice(NamedTuple):
    """A backend, and why."""

    backend: str
    reason: str


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
        from course.kernels.cpu.build import NoCompiler, compiler

        try:
            return Choice("cpu", f"float32 on the CPU, built with {compiler()[0]}")
        except NoCompiler:
            return Choice("tiled", "no C++ compiler was found for the kernels of the CPU")
    return Choice(
        "tiled", "memory that grows with the lengths only, on any device and in any dtype"
    )
