"""The attention explorer: choose a query and a head, see where the attention goes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import torch
from jaxtyping import Float
from torch import Tensor

from course.files import write
from course.shapes import checked

MAX_TOKENS = 64
MAX_HEADS = 16
TOLERANCE = 0.02
"""How far the weights of a query may be from a sum of 1; bfloat16 needs this much."""


class Explorer:
    """Attention weights to look at; made by :func:`explorer`."""

    def __init__(
        self,
        weights: Tensor,
        queries: list[str],
        keys: list[str],
        heads: list[str],
        title: str,
        start: int,
    ) -> None:
        self.weights = weights
        self.queries = queries
        self.keys = keys
        self.heads = heads
        self.title = title
        self.start = start

    def __repr__(self) -> str:
        heads = f"{len(self.heads)} {'head' if len(self.heads) == 1 else 'heads'}"
        return f"Explorer({self.title!r}: {heads}, {len(self.queries)} queries, {len(self.keys)} keys)"

    def _repr_html_(self) -> str:
        tables = "".join(self._table(head) for head in range(len(self.heads)))
        style, look, script = (
            _asset("theme.css"),
            _asset("explorer.css"),
            _asset("explorer.js"),
        )
        content = "".join([self.title, str(self.start), tables, style, look, script])
        key = hashlib.sha256(content.encode()).hexdigest()[:12]
        script = script.replace("KEY", key)
        return (
            f'<style>{style}</style><div class="course-explorer" data-key="{key}" '
            f'data-title="{escape(self.title)}" data-start="{self.start}">'
            f"<template>{look}</template>{tables}</div><script>{script}</script>"
        )

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a page that shows the explorer, with everything in the one file, and return its path."""
        path = Path(path)
        page = Template(_asset("page.html")).substitute(
            title=escape(self.title), explorer=self._repr_html_()
        )
        write(path, page + "\n")
        return path

    def _table(self, head: int) -> str:
        """The weights of a head as a table: what the script reads, and what a reader without scripts sees."""
        name = escape(self.heads[head])
        rows = [
            f"<tr><th scope=row>{escape(query)}"
            + "".join(f"<td>{_number(w)}" for w in row.tolist())
            for query, row in zip(self.queries, self.weights[head], strict=True)
        ]
        columns = "".join(f"<th scope=col>{escape(key)}" for key in self.keys)
        return (
            f'<table data-head="{name}"><caption>{escape(self.title)}: head {name}</caption>'
            f"<thead><tr><th>query \\ key{columns}<tbody>{''.join(rows)}</table>"
        )


@checked
def explorer(
    weights: Float[Tensor, "*heads query key"],
    queries: Sequence[str],
    keys: Sequence[str] | None = None,
    *,
    heads: Sequence[str] | None = None,
    title: str = "Attention",
    start: int = 0,
) -> Explorer:
    """Make an interactive view of attention weights.

    Pointing at a query, tapping it or moving to it with the arrow keys shows its weights. In a notebook it is
    the value of a cell; it also works in the built book and, saved, as a file of its own, always without a
    network.

    Args:
        weights: Weights of one head, ``(query, key)``, or of several, ``(heads, query, key)``.
        queries: One token for each query.
        keys: One token for each key; by default the queries.
        heads: One name for each head; by default they are numbered from 1.
        title: What the weights are.
        start: The query that is chosen at first, from 0; negative numbers count from the end.

    Returns:
        The explorer.

    Raises:
        TypeError: `weights` is not a floating-point tensor, or tokens are not strings.
        ValueError: The number of tokens or heads does not fit or is too large, there is no query `start`, or
            the weights of a query do not sum to 1 (or to 0, for a query that may attend to nothing).
    """
    weights = weights.detach().double().cpu()
    if weights.ndim == 2:
        weights = weights[None]
    if weights.ndim != 3:
        raise ValueError(
            f"explorer: weights must be (query, key) or (heads, query, key), but their shape is "
            f"{tuple(weights.shape)}; choose one sequence of the batch."
        )
    n_heads, n_queries, n_keys = weights.shape
    keys = queries if keys is None else keys
    heads = [str(head + 1) for head in range(n_heads)] if heads is None else heads
    for name, names, n, most in (
        ("queries", queries, n_queries, MAX_TOKENS),
        ("keys", keys, n_keys, MAX_TOKENS),
        ("heads", heads, n_heads, MAX_HEADS),
    ):
        _check_names(name, names, n, most)
    _check_weights(weights)
    if not -n_queries <= start < n_queries:
        raise ValueError(
            f"explorer: start must be one of {n_queries} queries, but got {start}."
        )
    return Explorer(
        weights, list(queries), list(keys), list(heads), title, start % n_queries
    )


def _number(weight: float) -> str:
    """Three decimals, and a bare 0 for what is exactly nothing."""
    return "0" if weight == 0 else f"{weight:.3f}"


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8").strip()


def _check_names(name: str, names: Sequence[str], n: int, most: int) -> None:
    if isinstance(names, str) or not all(isinstance(item, str) for item in names):
        raise TypeError(f"explorer: {name} must be a list of strings, but got {names!r}.")
    if len(names) != n:
        raise ValueError(
            f"explorer: {name} must have {n} names, like the weights, but has {len(names)}."
        )
    if n > most:
        raise ValueError(
            f"explorer: at most {most} {name} can be shown, but there are {n}; show a part."
        )


def _check_weights(weights: Tensor) -> None:
    if not torch.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(
            "explorer: weights must be finite and not negative; give the weights, not the scores."
        )
    sums = weights.sum(-1)
    wrong = ((sums - 1).abs() > TOLERANCE) & (sums > 0)
    if wrong.any():
        head, query = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"explorer: the weights of a query must sum to 1 (or all be 0), but those of query "
            f"{query} of head {head} sum to {sums[head, query]:.3f}."
        )
