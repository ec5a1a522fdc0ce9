"""Tiles that are tried on a GPU; the fastest one is kept for each width, dtype and causal flag."""

from __future__ import annotations

import functools
from typing import Any

import triton


def config(block_q: int, block_k: int, warps: int, stages: int) -> triton.Config:
    """A tile of queries and keys, by how many warps it is computed, and how many loads run ahead."""
    return triton.Config(
        {"BLOCK_Q": block_q, "BLOCK_K": block_k}, num_warps=warps, num_stages=stages
    )


TILES = {
    "forward": [
        config(*tile, stages)
        for tile in ((128, 128, 8), (128, 64, 8), (128, 64, 4), (64, 64, 4), (128, 32, 4))
        for stages in (2, 3, 4)
    ],
    "backward": [
        config(*tile, stages)
        for tile in ((64, 128, 8), (128, 64, 8), (64, 64, 4), (32, 128, 4), (32, 64, 4))
        for stages in (2, 3)
    ],
}
"""What is tried for each kind of kernel; a tile that does not fit into the shared memory is skipped."""

KEY = ["D_K", "D_V", "CAUSAL"]
"""Arguments for each of whose values the search runs again; dtypes always count."""


@functools.cache
def tuned(kernel: Any, kind: str) -> Any:
    """A kernel that measures the tiles of its kind when it first meets new values of `KEY`."""
    return triton.autotune(configs=TILES[kind], key=KEY)(kernel)
