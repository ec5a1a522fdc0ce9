import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend, causal, packed, padding, prefix, window

SIZES = st.integers(1, 7)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n_query", "n_key"), [(4, 4), (2, 5), (5, 2), (1, 6), (3, 1)])
def test_causal_by_its_definition(n_query, n_key):
    mask = causal(n_query, n_key)
    assert mask.tolist() == [[j <= i + n_key - n_query for j in range(n_key)] for i in range(n_query)]


def test_padding_by_its_definition():
    mask = padding(torch.tensor([0, 3, 5]), 5)
    assert mask.shape == (3, 1, 1, 5)
    assert mask.flatten(1).tolist() == [[j < length for j in range(5)] for length in (0, 3, 5)]


@pytest.mark.parametrize("lengths", [[-1, 2], [1, 6]])
def test_padding_refuses_impossible_lengths(lengths):
    with pytest.raises(
        ValueError, match=f"between 0 and n_key = 5, but they go from {lengths[0]} to {lengths[1]}"
    ):
        padding(torch.tensor(lengths), 5)


@settings(max_examples=80, deadline=None)
@given(SIZES, SIZES, st.integers(1, 9))
def test_window_by_its_definition(n_query, n_key, size):
    ahead = n_key - n_query
    by_loop = [[0 <= i + ahead - j < size for j in range(n_key)] for i in range(n_query)]
    assert window(n_query, n_key, size=size).tolist() == by_loop


def test_window_without_a_number_of_keys_is_square():
    assert torch.equal(window(5, size=2), window(5, 5, size=2))


@settings(max_examples=40, deadline=None)
@given(SIZES, SIZES)
def test_windows_of_one_and_of_everything(n_query, n_key):
    widest = window(n_query, n_key, size=n_key)
    assert torch.equal(widest, causal(n_query, n_key))
    assert window(n_query, n_key, size=1).sum(-1).max() <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(-1, 2), min_size=5, max_size=5), min_size=1, max_size=3))
def test_packed_by_its_definition(segments):
    by_loop = [[[a == b >= 0 for b in row] for a in row] for row in segments]
    mask = packed(torch.tensor(segments))
    assert mask.shape == (len(segments), 1, 5, 5)
    assert mask[:, 0].tolist() == by_loop


@pytest.mark.parametrize("backend", ["loop", "einsum", "sdpa"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_three_ways_to_attend_within_sequences_of_different_length(backend, is_causal):
    lengths = [3, 1, 4]
    alone = [[normal(1, 2, n, d, seed=s) for s, d in ((n, 4), (n + 9, 4), (n + 20, 3))] for n in lengths]
    expected = [attend(*qkv, causal=is_causal) for qkv in alone]

    row = [torch.cat(parts, dim=2) for parts in zip(*alone, strict=True)]
    segments = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))[None]
    together = attend(*row, mask=packed(segments), causal=is_causal, backend=backend)
    torch.testing.assert_close(together, torch.cat(expected, dim=2))

    padded = [
        torch.cat([torch.nn.functional.pad(x, (0, 0, 0, 4 - x.shape[2])) for x in parts])
        for parts in zip(*alone, strict=True)
    ]
    out = attend(*padded, mask=padding(torch.tensor(lengths), 4), causal=is_causal, backend=backend)
    for sequence, length, right in zip(out, lengths, expected, strict=True):
        torch.testing.assert_close(sequence[None, :, :length], right)


@pytest.mark.parametrize("backend", ["loop", "einsum", "sdpa"])
def test_no_gradient_reaches_what_a_window_hides(backend):
    x = [normal(1, 1, n, 3, seed=n).requires_grad_() for n in (4, 6, 7)]
    q, k, v = x[0], x[1], x[2][..., :6, :]
    mask = window(4, 6, size=2)
    for i in range(4):
        dk, dv = torch.autograd.grad(
            attend(q, k, v, mask=mask, backend=backend)[0, 0, i].square().sum(), (k, v)
        )
        hidden = ~mask[i]
        assert (dk[0, 0, hidden] == 0).all()
        assert (dv[0, 0, hidden] == 0).all()
        assert (dv[0, 0, mask[i]] != 0).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: window(3, size=0), "window: size must be a positive integer, but got 0"),
        (lambda: window(3, size=2.0), "window: size must be a positive integer, but got 2.0"),
        (lambda: window(0, size=2), "window: n_query must be a positive integer, but got 0"),
        (lambda: packed(torch.tensor([0, 1])), r"packed: segments must have 2 axes"),
        (lambda: packed(torch.tensor([[0.0]])), "packed: segments must be an int tensor"),
    ],
)
def test_refusals(call, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        call()


@pytest.mark.parametrize("length", [0, 2, 5])
def test_prefix(length):
    seen = prefix(torch.tensor([length, 1]), 5)
    assert seen.shape == (2, 1, 5, 5)
    for i in range(5):
        for j in range(5):
            assert seen[0, 0, i, j] == (j < length or j <= i)
