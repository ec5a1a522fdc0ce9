"""Embedding and head: rows of a table, positions, and the product with the same table."""

import dataclasses

import pytest
import torch

from course.blocks import Configuration, Embedding, Head
from course.positions import sinusoidal

BASE = Configuration(
    vocabulary=9, d_model=6, n_heads=2, n_layers=1, d_ff=4, n_positions=5, embedding_scale=2.0, head_scale=3.0
)
TOKENS = torch.tensor([[1, 8, 0], [2, 2, 5]])


def embedding(**options):
    return Embedding(dataclasses.replace(BASE, **options), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("positions", ["none", "sinusoidal", "learned", "rotary"])
def test_it_equals_a_loop(positions):
    module = embedding(positions=positions)
    rows = {"sinusoidal": sinusoidal(3, 6), "learned": module.learned and module.learned.table[:3]}
    added = rows.get(positions)
    for b, sequence in enumerate(TOKENS.tolist()):
        for t, token in enumerate(sequence):
            expected = 2 * module.table[token] + (0 if added is None else added[t])
            torch.testing.assert_close(module(TOKENS)[b, t], expected)


def test_the_head_shares_the_table_or_has_its_own():
    shared = embedding()
    x = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(1))
    tied, free = Head(BASE, shared), Head(dataclasses.replace(BASE, tied=False), shared)
    assert tied.table is shared.table
    assert free.table is not shared.table
    expected = torch.einsum("btd,vd->btv", 3 * x, shared.table)
    torch.testing.assert_close(tied(x), expected)


@pytest.mark.parametrize("token", [-1, 9])
def test_tokens_out_of_range(token):
    with pytest.raises(ValueError, match="tokens must lie between 0 and 8"):
        embedding()(torch.tensor([[0, token]]))


def test_longer_than_the_table_of_positions():
    with pytest.raises(ValueError, match="at most 5 positions"):
        embedding(positions="learned")(torch.zeros(1, 6, dtype=torch.long))
