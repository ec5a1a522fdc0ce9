"""Sinusoidal and learned positions against their definitions, the laws of the encoding, and refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.positions import LearnedPositions, sinusoidal

N, D = 11, 6
EVEN = st.integers(1, 12).map(lambda pairs: 2 * pairs)


def by_definition(n_positions, d_model, base):
    rows = []
    for p in range(n_positions):
        row = []
        for c in range(d_model):
            angle = p / base ** (2 * (c // 2) / d_model)
            row.append(math.cos(angle) if c % 2 else math.sin(angle))
        rows.append(row)
    return torch.tensor(rows)


def table(n_positions=N, d_model=D, seed=0):
    return LearnedPositions(n_positions, d_model, torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), EVEN, st.sampled_from([1.5, 100.0, 10000.0, 1e6]))
def test_sinusoidal_by_definition(n_positions, d_model, base):
    torch.testing.assert_close(
        sinusoidal(n_positions, d_model, base), by_definition(n_positions, d_model, base)
    )


def test_the_default_base_is_that_of_the_paper():
    torch.testing.assert_close(sinusoidal(N, D), by_definition(N, D, 10000.0))


@settings(deadline=None, max_examples=60)
@given(EVEN, st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_dot_products_know_only_the_offset(d_model, p, q, k):
    pe = sinusoidal(64, d_model).double()
    torch.testing.assert_close(pe[p] @ pe[p + k], pe[q] @ pe[q + k], rtol=0, atol=1e-5)
    torch.testing.assert_close(pe[p] @ pe[p], torch.tensor(d_model / 2.0).double(), rtol=0, atol=1e-5)


def test_a_long_prefix_is_the_same_encoding():
    assert torch.equal(sinusoidal(50, D)[:N], sinusoidal(N, D))


def test_far_positions_are_exact_to_the_last_digits():
    far = sinusoidal(1_000_001, 2)[-1].tolist()
    assert far == pytest.approx([math.sin(1e6), math.cos(1e6)], abs=1e-6)


def test_the_dtype_is_the_default_one():
    assert sinusoidal(N, D).dtype == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert sinusoidal(N, D).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_learned_adds_its_first_rows():
    positions = table()
    x = torch.randn(2, 3, 7, D)
    out = positions(x)
    for t in range(7):
        torch.testing.assert_close(out[..., t, :], x[..., t, :] + positions.table[t])


def test_learned_equals_an_embedding_of_the_position_number():
    positions, x = table(), torch.randn(2, N, D)
    embedding = torch.nn.Embedding.from_pretrained(positions.table.detach())
    torch.testing.assert_close(positions(x), x + embedding(torch.arange(N)))


def test_only_used_rows_get_a_gradient():
    positions = table()
    x = torch.randn(2, 4, D, requires_grad=True)
    weighting = torch.randn(2, 4, D)
    (positions(x) * weighting).sum().backward()
    torch.testing.assert_close(x.grad, weighting)
    torch.testing.assert_close(positions.table.grad[:4], weighting.sum(0))
    assert not positions.table.grad[4:].any()


def test_learned_starts_from_the_generator():
    assert torch.equal(table(seed=1).table, table(seed=1).table)
    assert not torch.equal(table(seed=1).table, table(seed=2).table)
    assert table(400, 300).table.std().item() == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ((0, 4), ValueError, "n_positions must be a positive integer, but got 0"),
        ((3, 0), ValueError, "d_model must be a positive integer, but got 0"),
        ((3.0, 4), TypeError, r"n_positions must be a positive integer, but got 3.0 \(float\)"),
        ((3, True), TypeError, r"d_model must be a positive integer, but got True \(bool\)"),
    ],
)
def test_sizes_are_refused(arguments, kind, sentence):
    for function in (sinusoidal, LearnedPositions):
        with pytest.raises(kind, match=rf"^{function.__name__}: {sentence}"):
            function(*arguments)


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ((3, 5), ValueError, "d_model must be even.*but got 5"),
        ((3, 4, 1.0), ValueError, "base must be greater than one, but got 1.0"),
        ((3, 4, -10.0), ValueError, "base must be greater than one, but got -10.0"),
        ((3, 4, float("inf")), ValueError, "base must be a finite number, but got inf"),
        ((3, 4, "10000"), TypeError, "base must be a number, but got '10000'"),
    ],
)
def test_sinusoidal_refuses(arguments, kind, sentence):
    with pytest.raises(kind, match=f"^sinusoidal: {sentence}"):
        sinusoidal(*arguments)


def test_learned_has_no_row_beyond_its_length():
    with pytest.raises(
        ValueError, match=r"^LearnedPositions: x must have at most 11 positions.*but has 12\.$"
    ):
        table()(torch.randn(2, 12, D))


@pytest.mark.parametrize(
    ("x", "kind", "sentence"),
    [
        (torch.randn(2, 3, D + 1), ValueError, r"x must have d_model = 6, but its shape is \(2, 3, 7\)"),
        (torch.randn(2, 0, D), ValueError, "x must not be empty"),
        (torch.randn(D), ValueError, "x must have at least 2 axes"),
        (torch.ones(2, 3, D, dtype=torch.long), TypeError, "x must be a float tensor"),
        ([[0.0] * D], TypeError, "x must be a torch.Tensor"),
    ],
)
def test_learned_refuses(x, kind, sentence):
    with pytest.raises(kind, match=f"^LearnedPositions: {sentence}"):
        table()(x)
