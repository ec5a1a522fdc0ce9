"""Associative recall: a list of key-value pairs, then a question about some of the keys."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from course.shapes import Size, checked


class RecallBatch(NamedTuple):
    """Pairs to remember, keys that are asked for, and the right answers; all are symbols (integers)."""

    keys: Int[Tensor, "batch pairs"]
    values: Int[Tensor, "batch pairs"]
    asked: Int[Tensor, "batch pairs"]
    answers: Int[Tensor, "batch pairs"]


@checked
def recall_batch(
    n_sequences: Size, n_pairs: Size, n_symbols: Size, generator: torch.Generator
) -> RecallBatch:
    """Draw sequences of pairs; every key of a sequence is asked for once, in another order.

    The keys of one sequence are all different, the values are drawn freely. Pairs are drawn anew for each
    sequence, so a model cannot learn them by heart: it has to look them up.

    Args:
        n_sequences: Sequences in the batch.
        n_pairs: Pairs in a sequence.
        n_symbols: Different symbols; keys and values are drawn from the same ones.
        generator: The source of randomness.

    Returns:
        Four tensors of shape ``(n_sequences, n_pairs)``.

    Raises:
        ValueError: There are more pairs than symbols.

    Source:
        Arora et al. (2023), *Zoology: Measuring and Improving Recall in Efficient Language Models*; here
        a pair is one token, not two.
    """
    if n_pairs > n_symbols:
        raise ValueError(
            f"recall_batch: n_pairs must be at most n_symbols = {n_symbols}, since the keys of a sequence "
            f"differ, but got {n_pairs}."
        )
    keys = torch.rand(n_sequences, n_symbols, generator=generator).argsort(-1)[:, :n_pairs]
    values = torch.randint(n_symbols, (n_sequences, n_pairs), generator=generator)
    order = torch.rand(n_sequences, n_pairs, generator=generator).argsort(-1)
    return RecallBatch(keys, values, keys.gather(1, order), values.gather(1, order))
