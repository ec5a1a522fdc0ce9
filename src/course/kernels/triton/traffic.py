"""How many bytes the kernels move, predicted from the sizes alone. The IO lab measures these very numbers."""

from __future__ import annotations

from dataclasses import dataclass

NUMBER = 4
"""Bytes of a float32, in which log-sum-exps and row means are kept."""


@dataclass(frozen=True)
class Sizes:
    """One head of attention, and how it is cut.

    Attributes:
        n_query: Queries.
        n_key: Keys.
        d_k: Width of a query and a key.
        d_v: Width of a value.
        tile: Queries and keys of a tile.
        causal: Whether a query sees only keys up to its own position, aligned at the last key.
        number: Bytes of one number of the inputs.
    """

    n_query: int
    n_key: int
    d_k: int
    d_v: int
    tile: tuple[int, int] = (64, 64)
    causal: bool = False
    number: int = NUMBER

    def key_visits(self) -> int:
        """How many keys are loaded by all blocks of queries together, each time one is loaded."""
        (block_q, block_k), shift = self.tile, self.n_key - self.n_query
        ends = (
            min(self.n_key, first + block_q + shift) if self.causal else self.n_key
            for first in range(0, self.n_query, block_q)
        )
        return sum(min(self.n_key, _up(max(end, 0), block_k)) for end in ends)

    def query_visits(self) -> int:
        """How many queries are loaded by all blocks of keys together."""
        (block_q, block_k), shift = self.tile, self.n_key - self.n_query
        begins = (
            max(start - shift, 0) // block_q * block_q if self.causal else 0
            for start in range(0, self.n_key, block_k)
        )
        return sum(max(self.n_query - begin, 0) for begin in begins)


def forward_bytes(s: Sizes) -> tuple[int, int]:
    """Bytes that the forward kernel loads and stores, equation :eq:`triton-forward-bytes`."""
    loaded = s.n_query * s.d_k + s.key_visits() * (s.d_k + s.d_v)
    return s.number * loaded, s.n_query * (s.number * s.d_v + NUMBER)


def backward_bytes(s: Sizes) -> tuple[int, int]:
    """Bytes that the three backward kernels load and store, equation :eq:`triton-backward-bytes`."""
    both = s.d_k + s.d_v
    means = s.number * 2 * s.n_query * s.d_v
    keys = s.number * both * (s.n_key + s.query_visits()) + 2 * NUMBER * s.query_visits()
    queries = s.number * both * (s.n_query + s.key_visits()) + 2 * NUMBER * s.n_query
    stored = NUMBER * s.n_query + s.number * (both * s.n_key + s.d_k * s.n_query)
    return means + keys + queries, stored


def naive_bytes(s: Sizes) -> tuple[int, int]:
    """Bytes that three kernels load and store, equation :eq:`triton-naive-bytes`; no causal flag."""
    (block_q, block_k), pairs = s.tile, s.n_query * s.n_key
    rows, columns = -(-s.n_query // block_q), -(-s.n_key // block_k)
    loaded = (
        (s.n_query * columns + s.n_key * rows) * s.d_k + 2 * pairs + rows * s.n_key * s.d_v
    )
    return s.number * loaded, s.number * (2 * pairs + s.n_query * s.d_v)


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
