"""Exercises of the chapter on scaled dot-product attention."""

from __future__ import annotations

import math

import sympy
import torch
from torch.nn.functional import scaled_dot_product_attention

from course.attention import attend, weigh
from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.grading.meter import LargestTensor

# 1: the weights


WEIGHTS = Exercise(
    1,
    kind="implement",
    reference=weigh,
    cases=lambda: [draw((3, 4), (5, 4)), draw((6, 9), (2, 9), seed=1), draw((1, 2), (7, 2), seed=2)],
)


@WEIGHTS.mistake
def divides_by_d(q, k):
    """Your output equals dividing by d_k; the scale is sqrt(d_k). The variance of a score is d_k, so its
    standard deviation, the size to bring back to 1, is the root."""
    return torch.softmax(q @ k.T / q.shape[-1], dim=-1)


@WEIGHTS.mistake
def no_scale(q, k):
    """Your output equals softmax without a scale. Divide the dot products by sqrt(d_k) first."""
    return torch.softmax(q @ k.T, dim=-1)


@WEIGHTS.mistake
def multiplies_by_root(q, k):
    """Your output equals multiplying by sqrt(d_k). The scores are too large as they are: divide."""
    return torch.softmax(q @ k.T * math.sqrt(q.shape[-1]), dim=-1)


@WEIGHTS.mistake
def softmax_over_queries(q, k):
    """Your columns sum to one, not your rows. Each query divides its attention among the keys, and the keys
    are the last axis: softmax over dim=-1."""
    return torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=0)


@WEIGHTS.mistake
def root_of_the_number_of_keys(q, k):
    """Your output equals dividing by sqrt(S), the root of the number of keys. A score is a sum over the d_k
    entries of a vector; how many keys there are does not change its size."""
    return torch.softmax(q @ k.T / math.sqrt(k.shape[0]), dim=-1)


@WEIGHTS.mistake
def root_of_the_number_of_queries(q, k):
    """Your output equals dividing by sqrt(T), the root of the number of queries: q.shape[0]. The width d_k is
    the last entry of the shape."""
    return torch.softmax(q @ k.T / math.sqrt(q.shape[0]), dim=-1)


@WEIGHTS.mistake
def no_exponential(q, k):
    """Your rows sum to one, but hold negative weights: the scores were divided by their sum without taking
    exponentials first."""
    scores = q @ k.T / math.sqrt(q.shape[-1])
    return scores / scores.sum(-1, keepdim=True)


@WEIGHTS.mistake
def scales_after_softmax(q, k):
    """Your rows sum to 1/sqrt(d_k): the scale was applied to the weights. It belongs to the scores, before
    softmax."""
    return torch.softmax(q @ k.T, dim=-1) / math.sqrt(q.shape[-1])


# 2: attention with batches and heads


ATTENTION = Exercise(
    2,
    kind="implement",
    reference=scaled_dot_product_attention,
    gradients=True,
    cases=lambda: [
        draw((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6), requires_grad=True),
        draw((1, 3, 3, 4), (1, 3, 3, 4), (1, 3, 3, 6), seed=1, requires_grad=True),
    ],
)


@ATTENTION.mistake
def mixes_heads_and_time(q, k, v):
    """Your heads attend to each other at one position instead of attending over time within a head. In
    (batch, heads, time, width) the product must run over the last two axes."""
    scores = q.transpose(1, 2) @ k.transpose(1, 2).mT / math.sqrt(q.shape[-1])
    return (torch.softmax(scores, dim=-1) @ v.transpose(1, 2)).transpose(1, 2)


@ATTENTION.mistake
def softmax_over_queries_(q, k, v):
    """Your softmax runs over the queries (axis 2). The keys are the last axis of the scores: dim=-1."""
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=2) @ v


@ATTENTION.mistake
def root_of_d_v(q, k, v):
    """You divide by the root of the width of the values. The dot product is a sum over the width of queries
    and keys: sqrt(d_k)."""
    return torch.softmax(q @ k.mT / math.sqrt(v.shape[-1]), dim=-1) @ v


@ATTENTION.mistake
def root_of_the_number_of_queries_(q, k, v):
    """You divide by the root of the number of queries, shape[-2]. The width is the last axis: sqrt(d_k)."""
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-2]), dim=-1) @ v


@ATTENTION.mistake
def root_of_the_number_of_heads(q, k, v):
    """You divide by the root of the number of heads, shape[1]: with heads in front, the width is no longer
    axis 1. Count from the end: shape[-1]."""
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[1]), dim=-1) @ v


@ATTENTION.mistake
def root_of_d_model(q, k, v):
    """You divide by the root of the width of all heads together. Each head computes its own dot products,
    over d_k entries."""
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[1] * q.shape[-1]), dim=-1) @ v


@ATTENTION.mistake
def reshapes_instead_of_transposing(q, k, v):
    """Your keys have the shape of a transpose but not its contents: reshape and view keep the order of the
    numbers in memory. Use k.mT or k.transpose(-2, -1)."""
    keys = k.reshape(*k.shape[:-2], k.shape[-1], k.shape[-2])
    return torch.softmax(q @ keys / math.sqrt(q.shape[-1]), dim=-1) @ v


@ATTENTION.mistake
def detaches_the_weights(q, k, v):
    """Your output is right, but no gradient reaches the queries and keys: the weights were detached (by
    detach, no_grad, item, or a new tensor made from numbers)."""
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1).detach() @ v


# 3: the variance of a score whose keys have a mean

D, A, B, MU = sympy.symbols("d a b mu", positive=True)

VARIANCE = Exercise(3, kind="derive", reference=D * A * (B + MU**2))

VARIANCE.mistake(
    "forgets-the-mean",
    D * A * B,
    "You used E[k²] = Var(k) = b. That holds for mean 0 only: in general E[k²] = Var(k) + E[k]².",
)
VARIANCE.mistake(
    "adds-the-variances",
    D * (A + B),
    "That is the variance of the sum q + k, entry by entry. The entries are multiplied, so second "
    "moments multiply.",
)
VARIANCE.mistake(
    "squares-the-width",
    D**2 * A * (B + MU**2),
    "Variances of independent terms add: d terms give a factor d. A factor d² would come from "
    "adding the same term d times.",
)
VARIANCE.mistake(
    "standard-deviation",
    sympy.sqrt(D * A * (B + MU**2)),
    "That is the standard deviation, the right thing to divide by. The variance is its square.",
)
VARIANCE.mistake(
    "squares-the-sum",
    D * A * (B + MU) ** 2,
    "You squared variance plus mean. The second moment is E[k²] = Var(k) + E[k]² = b + mu².",
)
VARIANCE.mistake(
    "forgets-the-width",
    A * (B + MU**2),
    "That is the variance of one product. The dot product has d of them, and their variances add.",
)
VARIANCE.mistake(
    "mean-outside",
    D * A * B + MU**2,
    "The mean of k is multiplied by q in each of the d terms, so mu² comes with the factor d·a.",
)
VARIANCE.mistake(
    "subtracts-the-mean",
    D * A * (B - MU**2),
    "The sign is wrong: Var(k) = E[k²] − E[k]², so E[k²] = b + mu².",
)


# 4: a test that catches broken attention


def over_queries(q, k, v):
    return torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=0) @ v


def by_the_width_of_values(q, k, v):
    return torch.softmax(q @ k.T / math.sqrt(v.shape[-1]), dim=-1) @ v


def unscaled(q, k, v):
    return torch.softmax(q @ k.T, dim=-1) @ v


def overflowing(q, k, v):
    exponentials = (q @ k.T / math.sqrt(q.shape[-1])).exp()
    return exponentials / exponentials.sum(-1, keepdim=True) @ v


def asks_with_keys(q, k, v):
    return torch.softmax(k @ q.T / math.sqrt(q.shape[-1]), dim=0).T @ v


IMPLEMENTATIONS = {
    "right, by torch": scaled_dot_product_attention,
    "right, by loops": lambda q, k, v: attend(q, k, v, backend="loop"),
    "softmax over the queries": over_queries,
    "root of the width of the values": by_the_width_of_values,
    "no scale": unscaled,
    "exponentials that overflow": overflowing,
    "right, with queries and keys exchanged and the scores transposed back": asks_with_keys,
}


def run_test_on_all(accepts):
    """What the test says of each implementation; an assertion that fails in it says no."""

    def verdict(attention):
        try:
            return bool(accepts(attention))
        except AssertionError:
            return False

    return {f"accepts({name})": verdict(attention) for name, attention in IMPLEMENTATIONS.items()}


def compares_with_torch(attention):
    q, k, v = draw((3, 4), (5, 4), (5, 6))
    tensors = ((q, k, v), (100 * q, 100 * k, v))
    return all(torch.allclose(attention(*x), scaled_dot_product_attention(*x), atol=1e-5) for x in tensors)


CATCH = Exercise(4, kind="find the bug", reference=compares_with_torch, run=run_test_on_all)


@CATCH.mistake
def only_the_shape(attention):
    """Your test looks at the shape only, and each of the broken versions has the right shape. Compare the
    numbers with an independent implementation."""
    return attention(*draw((3, 4), (5, 4), (5, 6))).shape == (3, 6)


@CATCH.mistake
def only_the_sums(attention):
    """Your test sees whether the weights sum to one. A wrong scale leaves the sums alone: compare the outputs
    themselves."""
    q, k, _ = draw((3, 4), (5, 4), (5, 6))
    out = attention(q, k, torch.ones(5, 6))
    return torch.allclose(out, torch.ones(3, 6), atol=1e-5)


@CATCH.mistake
def square_inputs(attention):
    """On your inputs the width of the values equals that of the keys, so dividing by the wrong root goes
    unnoticed, and the scores are small, so overflow does. Use unequal sizes, and large scores."""
    tensors = draw((4, 4), (4, 4), (4, 4))
    return torch.allclose(attention(*tensors), scaled_dot_product_attention(*tensors), atol=1e-5)


@CATCH.mistake
def small_scores(attention):
    """The version whose exponentials overflow passes your test, since your scores are small. Test with
    queries and keys a hundred times as large as well, beside the small ones."""
    tensors = draw((3, 4), (5, 4), (5, 6))
    return torch.allclose(attention(*tensors), scaled_dot_product_attention(*tensors), atol=1e-5)


@CATCH.mistake
def large_scores(attention):
    """Your scores are all so large that softmax has decided: a wrong scale changes nothing then. Test with
    small scores too."""
    q, k, v = draw((3, 4), (5, 4), (5, 6))
    return torch.allclose(attention(100 * q, 100 * k, v), scaled_dot_product_attention(100 * q, 100 * k, v))


@CATCH.mistake
def exact_comparison(attention):
    """Your test refuses versions that are right: sums in another order differ in the last digit. Compare with
    a tolerance (torch.allclose with atol=1e-5)."""
    tensors = draw((3, 4), (5, 4), (5, 6))
    return torch.equal(attention(*tensors), scaled_dot_product_attention(*tensors))


# 5: where the weights overtake the projections

CROSSOVER = Exercise(5, kind="predict", reference=lambda d: 2 * d, cases=lambda: [(64,), (512,)])


@CROSSOVER.mistake
def forgets_the_output_projection(d):
    """You counted three projections. There is a fourth, of the output: 8·T·d² operations in all."""
    return 1.5 * d


@CROSSOVER.mistake
def forgets_the_second_product(d):
    """You counted the scores but not the product of the weights with the values: 4·T²·d operations."""
    return 4 * d


@CROSSOVER.mistake
def one_projection(d):
    """You counted one projection. There are four: for queries, keys, values and the output."""
    return d / 2


@CROSSOVER.mistake
def equal_at_d(d):
    """T = d is where the matrix of weights is as large as the matrix of queries. The arithmetic is another
    question: set 4·T²·d equal to 8·T·d²."""
    return d


# 6: attention in slices of queries


def run_within_memory(attention, q, k, v, n_rows):
    limit = max(n_rows * len(k), q.numel(), k.numel(), len(q) * v.shape[-1])
    with LargestTensor() as largest:
        out = attention(q, k, v, n_rows)
    return {"output": out, "no tensor larger than a slice of the weights": largest.size <= limit}


def in_slices(q, k, v, n_rows):
    scale = 1 / math.sqrt(q.shape[-1])
    slices = [torch.softmax(rows @ k.T * scale, dim=-1) @ v for rows in q.split(n_rows)]
    return torch.cat(slices)


SLICES = Exercise(
    6,
    kind="faster",
    reference=in_slices,
    run=run_within_memory,
    cases=lambda: [(*draw((60, 4), (70, 4), (70, 3)), 7), (*draw((90, 2), (50, 2), (50, 5), seed=1), 9)],
)


@SLICES.mistake
def whole_matrix_first(q, k, v, n_rows):
    """Your output is right, but a tensor of all T·S weights was made on the way. Cut the queries before the
    product with the keys, not the weights after it."""
    weights = torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=-1)
    return torch.cat([rows @ v for rows in weights.split(n_rows)])


@SLICES.mistake
def drops_the_rest(q, k, v, n_rows):
    """The last queries are missing: T need not be a multiple of the slice. q.split(n_rows) keeps the shorter
    last slice."""
    slices = [in_slices(q[i * n_rows : (i + 1) * n_rows], k, v, n_rows) for i in range(len(q) // n_rows)]
    return torch.cat(slices)


@SLICES.mistake
def slices_the_keys(q, k, v, n_rows):
    """You cut the keys, took a softmax over each piece and averaged. A softmax needs the sum over all keys of
    a query; cut the queries instead, which do not depend on each other."""
    slices = list(zip(k.split(n_rows), v.split(n_rows), strict=True))
    return sum(scaled_dot_product_attention(q, keys, values) for keys, values in slices) / len(slices)


@SLICES.mistake
def sums_slices_of_keys(q, k, v, n_rows):
    """You cut the keys, took a softmax over each piece and added the outputs: each piece's weights sum to
    one, so yours sum to the number of pieces. Cut the queries instead."""
    slices = zip(k.split(n_rows), v.split(n_rows), strict=True)
    return sum(scaled_dot_product_attention(q, keys, values) for keys, values in slices)


@SLICES.mistake
def slice_meets_slice(q, k, v, n_rows):
    """Each slice of queries must meet all the keys and values; yours met only the slice of the same
    number."""
    triples = zip(q.split(n_rows), k.split(n_rows), v.split(n_rows), strict=False)
    return torch.cat([in_slices(*triple, n_rows) for triple in triples])


# 7: how large must a lead be?


def factor(lead, n_keys, share):
    return max(0.0, math.log((n_keys - 1) * share / (1 - share)) / lead)


SHARPEN = Exercise(
    7,
    kind="derive",
    reference=factor,
    cases=lambda: [(1.0, 16, 0.9), (0.25, 1000, 0.5), (2.0, 2, 0.99), (1.0, 4, 0.1)],
)


@SHARPEN.mistake
def counts_the_best_key(lead, n_keys, share):
    """You let all S keys compete. The best key does not compete with itself: S − 1 others."""
    return max(0.0, math.log(n_keys * share / (1 - share)) / lead)


@SHARPEN.mistake
def odds_upside_down(lead, n_keys, share):
    """The odds are upside down: a larger share needs a larger factor, so share / (1 − share)."""
    return max(0.0, math.log((n_keys - 1) * (1 - share) / share) / lead)


@SHARPEN.mistake
def multiplies_by_the_lead(lead, n_keys, share):
    """The factor stands in the exponent together with the lead: c·Δ = log(…). A larger lead needs a smaller
    factor, so divide by it."""
    return max(0.0, math.log((n_keys - 1) * share / (1 - share)) * lead)


@SHARPEN.mistake
def one_competitor(lead, n_keys, share):
    """That is the answer for two keys. In the worst case all S − 1 others are as close as the second."""
    return max(0.0, math.log(share / (1 - share)) / lead)


@SHARPEN.mistake
def negative_factor(lead, n_keys, share):
    """For a share that even equal scores exceed, your factor is negative, which would turn the order of the
    keys around. The smallest factor that is allowed is 0."""
    return math.log((n_keys - 1) * share / (1 - share)) / lead


EXERCISES = (WEIGHTS, ATTENTION, VARIANCE, CATCH, CROSSOVER, SLICES, SHARPEN)
