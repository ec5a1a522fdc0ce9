"""Exercises of the chapter on scaled dot-product attention."""

from __future__ import annotations

import math

import sympy
import torch
from torch.nn.functional import scaled_dot_product_attention

from course.attention import attend, weigh
from course.grading.exercise import Exercise, Mistake
from course.grading.inputs import draw
from course.grading.meter import LargestTensor

# 1: the weights


def weights_divided_by_d(q, k):
    return torch.softmax(q @ k.T / q.shape[-1], dim=-1)


def weights_unscaled(q, k):
    return torch.softmax(q @ k.T, dim=-1)


def weights_multiplied(q, k):
    return torch.softmax(q @ k.T * math.sqrt(q.shape[-1]), dim=-1)


def weights_over_queries(q, k):
    return torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=0)


def weights_by_the_number_of_keys(q, k):
    return torch.softmax(q @ k.T / math.sqrt(k.shape[0]), dim=-1)


def weights_by_the_number_of_queries(q, k):
    return torch.softmax(q @ k.T / math.sqrt(q.shape[0]), dim=-1)


def weights_without_exponential(q, k):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    return scores / scores.sum(-1, keepdim=True)


def weights_scaled_after_softmax(q, k):
    return torch.softmax(q @ k.T, dim=-1) / math.sqrt(q.shape[-1])


WEIGHTS = Exercise(
    number=1,
    kind="implement",
    reference=weigh,
    cases=lambda: [draw((3, 4), (5, 4)), draw((6, 9), (2, 9), seed=1), draw((1, 2), (7, 2), seed=2)],
    mistakes=(
        Mistake(
            "divides-by-d",
            weights_divided_by_d,
            "Your output equals dividing by d_k; the scale is sqrt(d_k). The variance of a score is d_k, "
            "so its standard deviation, the size to bring back to 1, is the root.",
        ),
        Mistake(
            "no-scale",
            weights_unscaled,
            "Your output equals softmax without a scale. Divide the dot products by sqrt(d_k) first.",
        ),
        Mistake(
            "multiplies-by-root",
            weights_multiplied,
            "Your output equals multiplying by sqrt(d_k). The scores are too large as they are: divide.",
        ),
        Mistake(
            "softmax-over-queries",
            weights_over_queries,
            "Your columns sum to one, not your rows. Each query divides its attention among the keys, and "
            "the keys are the last axis: softmax over dim=-1.",
        ),
        Mistake(
            "root-of-the-number-of-keys",
            weights_by_the_number_of_keys,
            "Your output equals dividing by sqrt(S), the root of the number of keys. A score is a sum over"
            " the d_k entries of a vector; how many keys there are does not change its size.",
        ),
        Mistake(
            "root-of-the-number-of-queries",
            weights_by_the_number_of_queries,
            "Your output equals dividing by sqrt(T), the root of the number of queries: q.shape[0]. The "
            "width d_k is the last entry of the shape.",
        ),
        Mistake(
            "no-exponential",
            weights_without_exponential,
            "Your rows sum to one, but hold negative weights: the scores were divided by their sum without"
            " taking exponentials first.",
        ),
        Mistake(
            "scales-after-softmax",
            weights_scaled_after_softmax,
            "Your rows sum to 1/sqrt(d_k): the scale was applied to the weights. It belongs to the scores,"
            " before softmax.",
        ),
    ),
)


# 2: attention with batches and heads


def attention_mixing_heads(q, k, v):
    scores = q.transpose(1, 2) @ k.transpose(1, 2).mT / math.sqrt(q.shape[-1])
    return (torch.softmax(scores, dim=-1) @ v.transpose(1, 2)).transpose(1, 2)


def attention_over_queries(q, k, v):
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=2) @ v


def attention_root_of_d_v(q, k, v):
    return torch.softmax(q @ k.mT / math.sqrt(v.shape[-1]), dim=-1) @ v


def attention_root_of_time(q, k, v):
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-2]), dim=-1) @ v


def attention_root_of_heads(q, k, v):
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[1]), dim=-1) @ v


def attention_root_of_all_heads(q, k, v):
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[1] * q.shape[-1]), dim=-1) @ v


def attention_reshaping_keys(q, k, v):
    keys = k.reshape(*k.shape[:-2], k.shape[-1], k.shape[-2])
    return torch.softmax(q @ keys / math.sqrt(q.shape[-1]), dim=-1) @ v


def attention_detached(q, k, v):
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1).detach() @ v


ATTENTION = Exercise(
    number=2,
    kind="implement",
    reference=scaled_dot_product_attention,
    gradients=True,
    cases=lambda: [
        draw((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6), requires_grad=True),
        draw((1, 3, 3, 4), (1, 3, 3, 4), (1, 3, 3, 6), seed=1, requires_grad=True),
    ],
    mistakes=(
        Mistake(
            "mixes-heads-and-time",
            attention_mixing_heads,
            "Your heads attend to each other at one position instead of attending over time within a head."
            " In (batch, heads, time, width) the product must run over the last two axes.",
        ),
        Mistake(
            "softmax-over-queries",
            attention_over_queries,
            "Your softmax runs over the queries (axis 2). The keys are the last axis of the scores: dim=-1.",
        ),
        Mistake(
            "root-of-d-v",
            attention_root_of_d_v,
            "You divide by the root of the width of the values. The dot product is a sum over the width of"
            " queries and keys: sqrt(d_k).",
        ),
        Mistake(
            "root-of-the-number-of-queries",
            attention_root_of_time,
            "You divide by the root of the number of queries, shape[-2]. The width is the last axis: "
            "sqrt(d_k).",
        ),
        Mistake(
            "root-of-the-number-of-heads",
            attention_root_of_heads,
            "You divide by the root of the number of heads, shape[1]: with heads in front, the width is no"
            " longer axis 1. Count from the end: shape[-1].",
        ),
        Mistake(
            "root-of-d-model",
            attention_root_of_all_heads,
            "You divide by the root of the width of all heads together. Each head computes its own dot "
            "products, over d_k entries.",
        ),
        Mistake(
            "reshapes-instead-of-transposing",
            attention_reshaping_keys,
            "Your keys have the shape of a transpose but not its contents: reshape and view keep the order"
            " of the numbers in memory. Use k.mT or k.transpose(-2, -1).",
        ),
        Mistake(
            "detaches-the-weights",
            attention_detached,
            "Your output is right, but no gradient reaches the queries and keys: the weights were detached"
            " (by detach, no_grad, item, or a new tensor made from numbers).",
        ),
    ),
)


# 3: the variance of a score whose keys have a mean

D, A, B, MU = sympy.symbols("d a b mu", positive=True)

VARIANCE = Exercise(
    number=3,
    kind="derive",
    reference=D * A * (B + MU**2),
    mistakes=(
        Mistake(
            "forgets-the-mean",
            D * A * B,
            "You used E[k²] = Var(k) = b. That holds for mean 0 only: in general E[k²] = Var(k) + E[k]².",
        ),
        Mistake(
            "adds-the-variances",
            D * (A + B),
            "That is the variance of the sum q + k, entry by entry. The entries are multiplied, so second "
            "moments multiply.",
        ),
        Mistake(
            "squares-the-width",
            D**2 * A * (B + MU**2),
            "Variances of independent terms add: d terms give a factor d. A factor d² would come from "
            "adding the same term d times.",
        ),
        Mistake(
            "standard-deviation",
            sympy.sqrt(D * A * (B + MU**2)),
            "That is the standard deviation, the right thing to divide by. The variance is its square.",
        ),
        Mistake(
            "squares-the-sum",
            D * A * (B + MU) ** 2,
            "You squared variance plus mean. The second moment is E[k²] = Var(k) + E[k]² = b + mu².",
        ),
        Mistake(
            "forgets-the-width",
            A * (B + MU**2),
            "That is the variance of one product. The dot product has d of them, and their variances add.",
        ),
        Mistake(
            "mean-outside",
            D * A * B + MU**2,
            "The mean of k is multiplied by q in each of the d terms, so mu² comes with the factor d·a.",
        ),
        Mistake(
            "subtracts-the-mean",
            D * A * (B - MU**2),
            "The sign is wrong: Var(k) = E[k²] − E[k]², so E[k²] = b + mu².",
        ),
    ),
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


def checks_the_shape(attention):
    return attention(*draw((3, 4), (5, 4), (5, 6))).shape == (3, 6)


def checks_that_weights_sum_to_one(attention):
    q, k, _ = draw((3, 4), (5, 4), (5, 6))
    out = attention(q, k, torch.ones(5, 6))
    return torch.allclose(out, torch.ones(3, 6), atol=1e-5)


def compares_on_a_square(attention):
    tensors = draw((4, 4), (4, 4), (4, 4))
    return torch.allclose(attention(*tensors), scaled_dot_product_attention(*tensors), atol=1e-5)


def compares_on_small_scores(attention):
    tensors = draw((3, 4), (5, 4), (5, 6))
    return torch.allclose(attention(*tensors), scaled_dot_product_attention(*tensors), atol=1e-5)


def compares_on_large_scores(attention):
    q, k, v = draw((3, 4), (5, 4), (5, 6))
    return torch.allclose(attention(100 * q, 100 * k, v), scaled_dot_product_attention(100 * q, 100 * k, v))


def compares_exactly(attention):
    tensors = draw((3, 4), (5, 4), (5, 6))
    return torch.equal(attention(*tensors), scaled_dot_product_attention(*tensors))


CATCH = Exercise(
    number=4,
    kind="find the bug",
    reference=compares_with_torch,
    run=run_test_on_all,
    mistakes=(
        Mistake(
            "only-the-shape",
            checks_the_shape,
            "Your test looks at the shape only, and each of the broken versions has the right shape. "
            "Compare the numbers with an independent implementation.",
        ),
        Mistake(
            "only-the-sums",
            checks_that_weights_sum_to_one,
            "Your test sees whether the weights sum to one. A wrong scale leaves the sums alone: compare "
            "the outputs themselves.",
        ),
        Mistake(
            "square-inputs",
            compares_on_a_square,
            "On your inputs the width of the values equals that of the keys, so dividing by the wrong root"
            " goes unnoticed, and the scores are small, so overflow does. Use unequal sizes, and large "
            "scores.",
        ),
        Mistake(
            "small-scores",
            compares_on_small_scores,
            "The version whose exponentials overflow passes your test, since your scores are small. Test "
            "with queries and keys a hundred times as large as well, beside the small ones.",
        ),
        Mistake(
            "large-scores",
            compares_on_large_scores,
            "Your scores are all so large that softmax has decided: a wrong scale changes nothing then. "
            "Test with small scores too.",
        ),
        Mistake(
            "exact-comparison",
            compares_exactly,
            "Your test refuses versions that are right: sums in another order differ in the last digit. "
            "Compare with a tolerance (torch.allclose with atol=1e-5).",
        ),
    ),
)


# 5: where the weights overtake the projections

CROSSOVER = Exercise(
    number=5,
    kind="predict",
    reference=lambda d: 2 * d,
    cases=lambda: [(64,), (512,)],
    mistakes=(
        Mistake(
            "forgets-the-output-projection",
            lambda d: 1.5 * d,
            "You counted three projections. There is a fourth, of the output: 8·T·d² operations in all.",
        ),
        Mistake(
            "forgets-the-second-product",
            lambda d: 4 * d,
            "You counted the scores but not the product of the weights with the values: 4·T²·d operations.",
        ),
        Mistake(
            "one-projection",
            lambda d: d / 2,
            "You counted one projection. There are four: for queries, keys, values and the output.",
        ),
        Mistake(
            "equal-at-d",
            lambda d: d,
            "T = d is where the matrix of weights is as large as the matrix of queries. The arithmetic is "
            "another question: set 4·T²·d equal to 8·T·d².",
        ),
    ),
)


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


def whole_matrix(q, k, v, n_rows):
    weights = torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=-1)
    return torch.cat([rows @ v for rows in weights.split(n_rows)])


def without_the_rest(q, k, v, n_rows):
    slices = [in_slices(q[i * n_rows : (i + 1) * n_rows], k, v, n_rows) for i in range(len(q) // n_rows)]
    return torch.cat(slices)


def slices_of_keys(q, k, v, n_rows):
    slices = list(zip(k.split(n_rows), v.split(n_rows), strict=True))
    return sum(scaled_dot_product_attention(q, keys, values) for keys, values in slices) / len(slices)


def sum_over_slices_of_keys(q, k, v, n_rows):
    slices = zip(k.split(n_rows), v.split(n_rows), strict=True)
    return sum(scaled_dot_product_attention(q, keys, values) for keys, values in slices)


def slice_meets_slice(q, k, v, n_rows):
    triples = zip(q.split(n_rows), k.split(n_rows), v.split(n_rows), strict=False)
    return torch.cat([in_slices(*triple, n_rows) for triple in triples])


SLICES = Exercise(
    number=6,
    kind="faster",
    reference=in_slices,
    run=run_within_memory,
    cases=lambda: [(*draw((60, 4), (70, 4), (70, 3)), 7), (*draw((90, 2), (50, 2), (50, 5), seed=1), 9)],
    mistakes=(
        Mistake(
            "whole-matrix-first",
            whole_matrix,
            "Your output is right, but a tensor of all T·S weights was made on the way. Cut the queries "
            "before the product with the keys, not the weights after it.",
        ),
        Mistake(
            "drops-the-rest",
            without_the_rest,
            "The last queries are missing: T need not be a multiple of the slice. q.split(n_rows) keeps "
            "the shorter last slice.",
        ),
        Mistake(
            "slices-the-keys",
            slices_of_keys,
            "You cut the keys, took a softmax over each piece and averaged. A softmax needs the sum over "
            "all keys of a query; cut the queries instead, which do not depend on each other.",
        ),
        Mistake(
            "sums-slices-of-keys",
            sum_over_slices_of_keys,
            "You cut the keys, took a softmax over each piece and added the outputs: each piece's weights "
            "sum to one, so yours sum to the number of pieces. Cut the queries instead.",
        ),
        Mistake(
            "slice-meets-slice",
            slice_meets_slice,
            "Each slice of queries must meet all the keys and values; yours met only the slice of the same"
            " number.",
        ),
    ),
)


# 7: how large must a lead be?


def factor(lead, n_keys, share):
    return max(0.0, math.log((n_keys - 1) * share / (1 - share)) / lead)


SHARPEN = Exercise(
    number=7,
    kind="derive",
    reference=factor,
    cases=lambda: [(1.0, 16, 0.9), (0.25, 1000, 0.5), (2.0, 2, 0.99), (1.0, 4, 0.1)],
    mistakes=(
        Mistake(
            "counts-the-best-key",
            lambda lead, n_keys, share: max(0.0, math.log(n_keys * share / (1 - share)) / lead),
            "You let all S keys compete. The best key does not compete with itself: S − 1 others.",
        ),
        Mistake(
            "odds-upside-down",
            lambda lead, n_keys, share: max(0.0, math.log((n_keys - 1) * (1 - share) / share) / lead),
            "The odds are upside down: a larger share needs a larger factor, so share / (1 − share).",
        ),
        Mistake(
            "multiplies-by-the-lead",
            lambda lead, n_keys, share: max(0.0, math.log((n_keys - 1) * share / (1 - share)) * lead),
            "The factor stands in the exponent together with the lead: c·Δ = log(…). A larger lead needs a"
            " smaller factor, so divide by it.",
        ),
        Mistake(
            "one-competitor",
            lambda lead, n_keys, share: max(0.0, math.log(share / (1 - share)) / lead),
            "That is the answer for two keys. In the worst case all S − 1 others are as close as the second.",
        ),
        Mistake(
            "negative-factor",
            lambda lead, n_keys, share: math.log((n_keys - 1) * share / (1 - share)) / lead,
            "For a share that even equal scores exceed, your factor is negative, which would turn the "
            "order of the keys around. The smallest factor that is allowed is 0.",
        ),
    ),
)

EXERCISES = (WEIGHTS, ATTENTION, VARIANCE, CATCH, CROSSOVER, SLICES, SHARPEN)
