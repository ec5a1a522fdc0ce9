"""Greedy decoding: always the token with the largest logit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Tensor

from course.shapes import Size, checked


@checked
@torch.no_grad()
def greedy(
    score: Callable[[Tensor], Tensor],
    tokens: Int[Tensor, "batch time"],
    n_new: Size,
    end: int | None = None,
) -> Int[Tensor, "batch longer"]:
    """Append the most probable token, again and again, equation :eq:`greedy-decoding`.

    Args:
        score: Called with all tokens so far; gives the logits ``(batch, time, vocabulary)`` of what follows.
        tokens: What is there before the first step: a start token, or a prompt.
        n_new: Steps at most.
        end: After this token a sequence only gets more of it; when all have it, decoding stops.

    Returns:
        The tokens, those at the start included.

    Raises:
        TypeError: `tokens` is not an integer tensor.
        ValueError: `tokens` is empty, or `n_new` less than one.
    """
    done = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
    for _ in range(n_new):
        new = score(tokens)[:, -1].argmax(-1)
        if end is not None:
            new = torch.where(done, end, new)
            done = done | (new == end)
        tokens = torch.cat([tokens, new[:, None]], dim=1)
        if done.all():
            break
    return tokens
