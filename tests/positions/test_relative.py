"""Relative positions by vectors: against loops over every pair of positions, in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend
from course.positions import offsets, relative_attend, skew

CASES = [(5, 5, 2), (3, 5, 2), (7, 4, 1), (4, 6, 9), (1, 6, 3), (6, 1, 2), (5, 5, 0)]


def inputs(n_query, n_key, furthest, lead=(2, 3), d_k=4, d_v=2):
    draw = torch.Generator().manual_seed(0)
    rows = 2 * furthest + 1
    sizes = [(*lead, n_query, d_k), (*lead, n_key, d_k), (*lead, n_key, d_v), (rows, d_k), (rows, d_v)]
    return [torch.randn(size, generator=draw, dtype=torch.float64) for size in sizes]


def by_pairs(q, k, v, keys, values, causal=False, mask=None, scale=None):
    """Shaw's equations 3 to 5 for one pair at a time."""
    n_query, n_key = q.shape[-2], k.shape[-2]
    furthest = len(keys) // 2
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    out = []
    for i in range(n_query):
        place = i + n_key - n_query
        scores, carried = [], []
        for j in range(n_key):
            row = min(max(j - place, -furthest), furthest) + furthest
            hidden = (causal and j > place) or (mask is not None and not mask[i, j])
            score = scale * (q[..., i, :] * (k[..., j, :] + keys[row])).sum(-1)
            scores.append(torch.full_like(score, -torch.inf) if hidden else score)
            carried.append(v[..., j, :] + values[row])
        weights = torch.softmax(torch.stack(scores, -1), -1).nan_to_num(0.0)
        out.append((weights[..., None] * torch.stack(carried, -2)).sum(-2))
    return torch.stack(out, -2)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n_query", "n_key", "furthest"), CASES)
def test_relative_attention_is_the_sum_over_pairs(n_query, n_key, furthest, causal):
    tensors = inputs(n_query, n_key, furthest)
    torch.testing.assert_close(
        relative_attend(*tensors, causal=causal), by_pairs(*tensors, causal=causal), rtol=1e-10, atol=1e-12
    )


def test_a_mask_a_scale_and_an_empty_row():
    tensors = inputs(5, 7, 2)
    mask = torch.rand(5, 7, generator=torch.Generator().manual_seed(1)) < 0.6
    mask[2] = False
    out = relative_attend(*tensors, mask=mask, scale=0.3)
    torch.testing.assert_close(out, by_pairs(*tensors, mask=mask, scale=0.3), rtol=1e-10, atol=1e-12)
    assert not out[..., 2, :].any()


def test_gradients_also_of_the_tables():
    leaves = [t.requires_grad_() for t in inputs(3, 4, 1, lead=(2,))]
    assert torch.autograd.gradcheck(lambda *t: relative_attend(*t, causal=True), leaves)
    assert torch.autograd.gradcheck(skew, torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True))


def test_tables_of_zeros_change_nothing():
    q, k, v, keys, values = inputs(4, 6, 2)
    zeros = keys * 0, values * 0
    torch.testing.assert_close(relative_attend(q, k, v, *zeros), attend(q, k, v))
    torch.testing.assert_close(relative_attend(q, k, v, zeros[0]), attend(q, k, v))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 3))
def test_skew_puts_each_offset_at_its_key(n_query, n_key, seed):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(2, n_query, n_query + n_key - 1, generator=draw)
    expected = torch.empty(2, n_query, n_key)
    for i in range(n_query):
        for j in range(n_key):
            expected[:, i, j] = x[:, i, n_query - 1 - i + j]
    assert torch.equal(skew(x), expected)
    by_offset = torch.arange(n_query + n_key - 1.0) - (n_key - 1)
    assert torch.equal(skew(by_offset.expand(n_query, -1)).long(), offsets(n_query, n_key))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9))
def test_offsets_are_constant_along_diagonals_and_end_at_zero(n_query, n_key):
    table = offsets(n_query, n_key)
    assert table.shape == (n_query, n_key)
    assert table[-1, -1] == 0
    assert (table[1:, 1:] == table[:-1, :-1]).all()
    assert (table.diff(dim=1) == 1).all()


def test_junk_in_front_changes_nothing():
    q, k, v, keys, values = inputs(5, 5, 2)
    pad = [torch.cat([torch.randn_like(x[..., :3, :]), x], -2) for x in (q, k, v)]
    mask = torch.arange(8) >= 3
    alone = relative_attend(q, k, v, keys, values, causal=True)
    behind = relative_attend(*pad, keys, values, mask=mask.expand(8, 8), causal=True)
    torch.testing.assert_close(behind[..., 3:, :], alone)


GOOD = dict(zip(("q", "k", "v", "keys", "values"), inputs(5, 7, 2), strict=True))


@pytest.mark.parametrize(
    ("function", "arguments", "says"),
    [
        (offsets, {"n_query": 0, "n_key": 2}, "n_query must be a positive integer, but got 0"),
        (offsets, {"n_query": 2, "n_key": 2.0}, "n_key must be a positive integer, but got 2.0"),
        (skew, {"x": [1.0]}, "x must be a torch.Tensor, but got"),
        (skew, {"x": torch.zeros(3, 2)}, "at least as many columns, one per offset, as rows, but its shape"),
        (skew, {"x": torch.zeros(3, 5, dtype=torch.long)}, "x must be a float tensor, but its dtype"),
        (skew, {"x": torch.zeros(3)}, r"x must have at least 2 axes, \(\*batch, query, span\), but"),
        (
            relative_attend,
            GOOD | {"keys": GOOD["keys"][:4], "values": None},
            "keys must have an odd number of rows, but",
        ),
        (relative_attend, GOOD | {"keys": GOOD["keys"][:, :3]}, "keys has d_k = 3"),
        (relative_attend, GOOD | {"values": GOOD["values"][:3]}, r"values has offset = 3 .* but keys has"),
        (relative_attend, GOOD | {"q": GOOD["q"].float()}, "k is torch.float64, but q is torch.float32"),
        (relative_attend, GOOD | {"k": GOOD["k"].to("meta")}, "k is on meta, but q is on cpu"),
        (relative_attend, GOOD | {"scale": math.nan}, "scale must be a finite number, but got nan"),
        (relative_attend, GOOD | {"mask": torch.ones(5, 7)}, "mask must be a bool tensor, but its dtype"),
    ],
)
def test_refused_with_a_sentence(function, arguments, says):
    with pytest.raises((TypeError, ValueError), match=rf"^{function.__name__}: .*{says}.*\.$"):
        function(**arguments)
