"""T5's buckets: against the published formula, once with logarithms and once in whole numbers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend
from course.positions import RelativeBias, offsets, t5_buckets


def by_logarithm(offset, n_buckets, max_distance, bidirectional):
    """The published formula for one offset, in the floats of Python (float64)."""
    bucket = 0
    if bidirectional:
        n_buckets //= 2
        bucket = n_buckets if offset > 0 else 0
        distance = abs(offset)
    else:
        distance = max(-offset, 0)
    exact = n_buckets // 2
    if distance < exact:
        return bucket + distance
    grown = math.log(distance / exact) / math.log(max_distance / exact) * (n_buckets - exact)
    return bucket + min(exact + int(grown + 1e-9), n_buckets - 1)


def by_counting(offset, n_buckets, max_distance, bidirectional):
    """The same without a logarithm: the most steps whose power is not beyond the distance."""
    per_side = n_buckets // 2 if bidirectional else n_buckets
    distance = abs(offset) if bidirectional else max(-offset, 0)
    exact = per_side // 2
    wide = per_side - exact
    bucket = distance
    if distance >= exact:
        steps = 0
        while (
            steps < wide - 1
            and distance**wide * exact ** (steps + 1) >= max_distance ** (steps + 1) * exact**wide
        ):
            steps += 1
        bucket = exact + steps
    return bucket + per_side * (bidirectional and offset > 0)


@pytest.mark.parametrize("reference", [by_logarithm, by_counting])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("n_buckets", "max_distance"), [(32, 128), (16, 32), (8, 20), (64, 256), (12, 100)])
def test_every_distance_in_both_directions(n_buckets, max_distance, bidirectional, reference):
    setting = n_buckets, max_distance, bidirectional
    came = t5_buckets(torch.arange(-600, 601), *setting)
    assert came.tolist() == [reference(offset, *setting) for offset in range(-600, 601)]


def test_known_buckets():
    assert t5_buckets(torch.tensor([0, -1, -7, -8, -15, -16, -127, -128, -9999])).tolist() == [
        0, 1, 7, 8, 9, 10, 15, 15, 15,
    ]  # fmt: skip
    assert t5_buckets(torch.tensor([1, 7, 8, 500])).tolist() == [17, 23, 24, 31]
    assert t5_buckets(torch.tensor([3, 0, -1, -16]), bidirectional=False).tolist() == [0, 0, 1, 16]


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 40), st.integers(2, 300), st.booleans())
def test_buckets_grow_with_the_distance_and_stay_in_range(n_buckets, beyond, bidirectional):
    n_buckets -= n_buckets % 2
    max_distance = n_buckets + beyond
    past = t5_buckets(-torch.arange(2 * max_distance), n_buckets, max_distance, bidirectional)
    steps = past.diff()
    per_side = n_buckets // (1 + bidirectional)
    assert (steps >= 0).all()
    assert past[0] == 0
    assert past[-1] == per_side - 1
    assert (past[max_distance:] == per_side - 1).all()


def test_the_bias_reads_one_number_per_head_and_bucket():
    bias = RelativeBias(3, 8, 20)
    assert not bias(4, 6).any()
    torch.nn.init.normal_(bias.table, generator=torch.Generator().manual_seed(0))
    out = bias(4, 6)
    assert out.shape == (3, 4, 6)
    for i in range(4):
        for j in range(6):
            row = by_counting(j - (i + 2), 8, 20, True)
            assert torch.equal(out[:, i, j], bias.table[row])
    torch.testing.assert_close(bias(6, 6)[:, -4:], out)


def test_the_gradient_counts_the_pairs_of_a_bucket():
    bias = RelativeBias(2, 8, 20, bidirectional=False)
    bias(5, 5).sum().backward()
    counts = torch.bincount(t5_buckets(offsets(5, 5), 8, 20, False).flatten(), minlength=8)
    assert torch.equal(bias.table.grad, counts[:, None].expand(8, 2).float())


def test_attend_takes_the_bias():
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6, 5), torch.randn(2, 3, 6, 2)
    bias = RelativeBias(3, 8, 20)
    torch.testing.assert_close(attend(q, k, v, bias=bias(4, 6)), attend(q, k, v))
    torch.nn.init.normal_(bias.table)
    scores = q @ k.mT / math.sqrt(5) + bias(4, 6)
    torch.testing.assert_close(attend(q, k, v, bias=bias(4, 6)), scores.softmax(-1) @ v)


@pytest.mark.parametrize(
    ("function", "arguments", "says"),
    [
        (t5_buckets, {"offsets": torch.tensor([0.5])}, "offsets must be an int tensor, but its dtype"),
        (
            t5_buckets,
            {"offsets": torch.tensor([1]), "n_buckets": 2},
            "n_buckets must be at least 4 and even, but",
        ),
        (
            t5_buckets,
            {"offsets": torch.tensor([1]), "n_buckets": 7},
            "n_buckets must be at least 4 and even, but",
        ),
        (
            t5_buckets,
            {"offsets": torch.tensor([1]), "n_buckets": 1, "bidirectional": False},
            "n_buckets must be at least 2, but got 1",
        ),
        (
            t5_buckets,
            {"offsets": torch.tensor([1]), "max_distance": 8},
            r"max_distance must be more than 8, .*but",
        ),
        (
            t5_buckets,
            {"offsets": torch.tensor([1]), "bidirectional": 1},
            "bidirectional must be True or False, but",
        ),
        (RelativeBias, {"n_heads": 0}, "n_heads must be a positive integer, but got 0"),
        (RelativeBias(2), {"n_query": 2, "n_key": -1}, "n_key must be a positive integer, but got -1"),
    ],
)
def test_refused_with_a_sentence(function, arguments, says):
    name = getattr(function, "__name__", "RelativeBias")
    with pytest.raises((TypeError, ValueError), match=rf"^{name}: .*{says}.*\.$"):
        function(**arguments)


def test_a_bias_whose_sizes_do_not_fit_is_refused_when_it_is_made():
    with pytest.raises(ValueError, match=r"max_distance must be more than 8, .*but got 5"):
        RelativeBias(2, 32, 5)
