"""Train a model of associative recall, and measure it on pairs that it has not seen."""

from __future__ import annotations

import torch
from torch import nn

from course.data.recall import recall_batch
from course.shapes import Size, checked


@checked
def train_recall(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    steps: Size,
    n_pairs: Size,
    n_symbols: Size,
    generator: torch.Generator,
    n_sequences: Size = 64,
    every: Size = 20,
) -> dict[int, float]:
    """Train with cross-entropy on fresh sequences, and measure the accuracy as it goes.

    Args:
        model: Called as ``model(keys, values, asked)``, gives logits ``(batch, asked, n_symbols)``.
        optimizer: Over the model's parameters.
        steps: Number of updates.
        n_pairs: Pairs in a sequence.
        n_symbols: Different symbols.
        generator: The source of the training sequences.
        n_sequences: Sequences in a batch.
        every: Updates between two measurements.

    Returns:
        Accuracy on held-out sequences by number of updates, from 0 (untrained) on.

    Raises:
        ValueError: A size is less than one, or there are more pairs than symbols.
    """
    curve = {0: recall_accuracy(model, n_pairs=n_pairs, n_symbols=n_symbols)}
    for step in range(1, steps + 1):
        keys, values, asked, answers = recall_batch(
            n_sequences, n_pairs, n_symbols, generator
        )
        loss = nn.functional.cross_entropy(
            model(keys, values, asked).flatten(0, 1), answers.flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % every == 0 or step == steps:
            curve[step] = recall_accuracy(model, n_pairs=n_pairs, n_symbols=n_symbols)
    return curve


@checked
@torch.no_grad()
def recall_accuracy(
    model: nn.Module,
    *,
    n_pairs: Size,
    n_symbols: Size,
    n_sequences: Size = 128,
    seed: int = 2**31,
) -> float:
    """Return the share of questions that the model answers rightly, on sequences from a seed of their own.

    Args:
        model: Called as ``model(keys, values, asked)``, gives logits ``(batch, asked, n_symbols)``.
        n_pairs: Pairs in a sequence.
        n_symbols: Different symbols.
        n_sequences: Sequences to measure on.
        seed: Draws the sequences; keep it apart from the seeds of training.

    Returns:
        A number between 0 and 1.

    Raises:
        ValueError: A size is less than one, or there are more pairs than symbols.
    """
    generator = torch.Generator().manual_seed(seed)
    keys, values, asked, answers = recall_batch(n_sequences, n_pairs, n_symbols, generator)
    return (model(keys, values, asked).argmax(-1) == answers).float().mean().item()
