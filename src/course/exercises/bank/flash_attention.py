"""Exercises of the chapter on FlashAttention."""

from __future__ import annotations

import math

import sympy
import torch
from torch.utils.flop_counter import FlopCounterMode

from course.attention import attend, log_sum_exp
from course.exercises.exercise import Exercise, Mistake
from course.exercises.inputs import draw
from course.exercises.meter import LargestTensor


def blocks(n, size):
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


# 1: how many tiles a causal pass visits


def count_tiles(n_query, n_key, b_q, b_k, seen):
    shift = n_key - n_query
    return sum(seen(r, c, shift) for r in blocks(n_query, b_q) for c in blocks(n_key, b_k))


def visited(*sizes):
    return count_tiles(*sizes, lambda r, c, shift: c.start <= r.stop - 1 + shift)


TILES = Exercise(
    number=1,
    kind="predict",
    reference=visited,
    cases=lambda: [
        (64, 64, 16, 16),
        (5, 7, 2, 3),
        (9, 4, 2, 3),
        (100, 130, 16, 32),
        (1, 300, 1, 64),
        (130, 100, 32, 16),
    ],
    mistakes=(
        Mistake(
            "all-tiles",
            lambda *sizes: count_tiles(*sizes, lambda r, c, shift: True),
            "You count every tile. Those whose first key comes after the last key that their last query "
            "sees are hidden as a whole.",
        ),
        Mistake(
            "aligned-at-the-first-key",
            lambda *sizes: count_tiles(*sizes, lambda r, c, shift: c.start <= r.stop - 1),
            "Your mask is aligned at the upper left. In this book query i sees key j when j ≤ i + S − T.",
        ),
        Mistake(
            "half-of-all",
            lambda t, s, b_q, b_k: -(-t // b_q) * -(-s // b_k) // 2,
            "Half is the limit for many tiles. The tiles on the diagonal are visited, too, though half of "
            "each is hidden.",
        ),
        Mistake(
            "without-the-diagonal",
            lambda *sizes: count_tiles(*sizes, lambda r, c, shift: c.stop - 1 <= r.start + shift),
            "You count the tiles that are visible as a whole. One that is partly visible must be visited.",
        ),
        Mistake(
            "first-query-decides",
            lambda *sizes: count_tiles(*sizes, lambda r, c, shift: c.start <= r.start + shift),
            "You ask what the first query of a block sees. The last one sees more, and needs the tile.",
        ),
        Mistake(
            "one-too-many",
            lambda *sizes: count_tiles(*sizes, lambda r, c, shift: c.start <= r.stop + shift),
            "A block of queries ends before `stop`: its last query is stop − 1.",
        ),
    ),
)


# 2: the largest square tile

C, D = sympy.symbols("C d", positive=True)

SQUARE = Exercise(
    number=2,
    kind="derive",
    reference=sympy.sqrt(C + 4 * D**2) - 2 * D,
    mistakes=(
        Mistake(
            "forgets-the-scores",
            C / (4 * D),
            "You left out the tile of scores itself, B² numbers. For a large memory it decides.",
        ),
        Mistake(
            "forgets-the-vectors",
            sympy.sqrt(C),
            "You left out queries, sums, keys and values: four blocks of B d numbers.",
        ),
        Mistake(
            "forgets-the-sums",
            (sympy.sqrt(9 * D**2 + 4 * C) - 3 * D) / 2,
            "You counted three blocks of vectors. There are four: queries, keys, values and the weighted "
            "sums that become the output.",
        ),
        Mistake(
            "other-root",
            -sympy.sqrt(C + 4 * D**2) - 2 * D,
            "That is the other root of the quadratic equation. It is negative; a size is not.",
        ),
        Mistake(
            "forgets-to-halve",
            sympy.sqrt(4 * C + 16 * D**2) - 4 * D,
            "Twice too large: the roots of B² + 4dB − C are (−4d ± √(16d² + 4C)) / 2.",
        ),
    ),
)


# 3: the forward pass in tiles


def flash(q, k, v, b_q, b_k, *, divide=False, scale=None, log=torch.log, lse_of=None):
    scale = 1 / math.sqrt(q.shape[1]) if scale is None else scale
    out, ell = [], []
    for rows in blocks(len(q), b_q):
        here = q[rows]
        m = torch.full((len(here),), -math.inf)
        s, w = torch.zeros(len(here)), torch.zeros(len(here), v.shape[1])
        for columns in blocks(len(k), b_k):
            e = here @ k[columns].T * scale
            larger = torch.maximum(m, e.amax(1))
            p, factor = (e - larger[:, None]).exp(), (m - larger).exp()
            s, w, m = s * factor + p.sum(1), w * factor[:, None] + p @ v[columns], larger
            if divide:
                w = w / s[:, None]
        out.append(w if divide else w / s[:, None])
        ell.append(m + log(s) if lse_of is None else lse_of(m, s))
    return torch.cat(out), torch.cat(ell)


def flash_at_once(q, k, v, b_q, b_k):
    e = q @ k.T / math.sqrt(q.shape[1])
    return torch.softmax(e, 1) @ v, e.logsumexp(1)


def flash_with_fresh_state(q, k, v, b_q, b_k):
    """Every tile starts anew, so only the last block of keys is left."""
    last = blocks(len(k), b_k)[-1]
    return flash(q, k[last], v[last], b_q, b_k)


def run_within_tiles(answer, q, k, v, b_q, b_k):
    with LargestTensor() as largest:
        out, ell = answer(q, k, v, b_q, b_k)
    limit = max(b_q * b_k, q.numel(), k.numel(), v.numel(), len(q) * v.shape[1])
    return {"output": out, "log-sum-exp": ell, "no tensor larger than a tile": largest.size <= limit}


def tile_cases():
    far = tuple(x * 6 for x in draw((20, 2), (30, 2), seed=1))
    return [(*draw((24, 2), (30, 2), (30, 3)), 8, 6), (*far, *draw((30, 2), seed=2), 7, 4)]


FORWARD = Exercise(
    number=3,
    kind="implement",
    reference=flash,
    run=run_within_tiles,
    cases=tile_cases,
    mistakes=(
        Mistake(
            "all-scores-at-once",
            flash_at_once,
            "Both results are right, but all scores existed at once. Work on tiles of b_q × b_k.",
        ),
        Mistake(
            "maximum-for-log-sum-exp",
            lambda *x: flash(*x, lse_of=lambda m, s: m),
            "The output is right, but you returned the largest score. The log-sum-exp is m + log s.",
        ),
        Mistake(
            "forgets-the-maximum",
            lambda *x: flash(*x, lse_of=lambda m, s: s.log()),
            "The output is right; the log-sum-exp lacks the maximum that was taken out: m + log s.",
        ),
        Mistake(
            "logarithm-to-base-two",
            lambda *x: flash(*x, log=torch.log2),
            "You took the logarithm to base 2. Kernels do, but then their exponentials have base 2, too.",
        ),
        Mistake(
            "divides-in-the-loop",
            lambda *x: flash(*x, divide=True),
            "You divide the weighted sum after every tile and go on adding to it. Divide once, at the end.",
        ),
        Mistake(
            "no-scale",
            lambda *x: flash(*x, scale=1.0),
            "The scores are not divided by the root of the width.",
        ),
        Mistake(
            "only-the-last-tile",
            flash_with_fresh_state,
            "m, s and W are reset in the inner loop, so that only the last block of keys is left. They "
            "belong to a block of queries: reset them in the outer loop.",
        ),
    ),
)


# 4: the traffic of the pass for dQ


def query_pass(t, s, d_k, d_v, b_q):
    return t * (d_k + d_v + 2) + math.ceil(t / b_q) * s * (d_k + d_v) + t * d_k


TRAFFIC = Exercise(
    number=4,
    kind="predict",
    reference=query_pass,
    cases=lambda: [(64, 80, 16, 8, 16), (100, 50, 8, 8, 32), (7, 9, 4, 2, 2), (1000, 1000, 64, 64, 128)],
    mistakes=(
        Mistake(
            "forgets-to-store",
            lambda t, s, d_k, d_v, b: t * (d_k + d_v + 2) + math.ceil(t / b) * s * (d_k + d_v),
            "What is computed must be stored: dQ has T d_k numbers.",
        ),
        Mistake(
            "keys-once",
            lambda t, s, d_k, d_v, b: t * (2 * d_k + d_v + 2) + s * (d_k + d_v),
            "You load keys and values once. They pass by once for every block of queries.",
        ),
        Mistake(
            "forgets-two-columns",
            lambda t, s, d_k, d_v, b: t * (2 * d_k + d_v) + math.ceil(t / b) * s * (d_k + d_v),
            "You left out ℓ and D, two numbers for each query.",
        ),
        Mistake(
            "fractions-of-blocks",
            lambda t, s, d_k, d_v, b: t * (2 * d_k + d_v + 2) + t / b * s * (d_k + d_v),
            "The number of blocks is an integer: the last one may be short, but needs all keys as well.",
        ),
        Mistake(
            "queries-for-each-tile",
            lambda t, s, d_k, d_v, b: math.ceil(t / b) * (t * (d_k + d_v + 2) + s * (d_k + d_v)) + t * d_k,
            "You load the queries once for every block. With queries outside they stay where they are "
            "while the keys pass by.",
        ),
        Mistake(
            "also-stores-dk-and-dv",
            lambda t, s, d_k, d_v, b: query_pass(t, s, d_k, d_v, b) + s * (d_k + d_v),
            "You store dK and dV. This pass computes dQ only.",
        ),
    ),
)


# 5: the mean of a tile


def key_pass(q, k, v, o, lse, do, b_q, b_k, *, mean_of=None, scales=(1, 1, 1), weights_of=None):
    """dQ, dK, dV in tiles; the options put one thing wrong."""
    scale, mean = 1 / math.sqrt(q.shape[1]), (do * o).sum(1)
    dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for c in blocks(len(k), b_k):
        for r in blocks(len(q), b_q):
            e = q[r] @ k[c].T * scale
            p = (e - lse[r][:, None]).exp() if weights_of is None else weights_of(e)
            dp = do[r] @ v[c].T
            here = mean[r] if mean_of is None else mean_of(p, dp)
            de = p * (dp - here[:, None])
            dv[c] += p.T @ do[r] * scales[2]
            dk[c] += de.T @ q[r] * scale * scales[1]
            dq[r] += de @ k[c] * scale * scales[0]
    return dq, dk, dv


def key_pass_overwriting(q, k, v, o, lse, do, b_q, b_k):
    """dQ of the last block of keys alone."""
    _, dk, dv = key_pass(q, k, v, o, lse, do, b_q, b_k)
    c = blocks(len(k), b_k)[-1]
    dq, _, _ = key_pass(q, k[c], v[c], o, lse, do, b_q, b_k)
    return dq, dk, dv


def key_pass_dv_of_scores(q, k, v, o, lse, do, b_q, b_k):
    dq, dk, _ = key_pass(q, k, v, o, lse, do, b_q, b_k)
    p = (q @ k.T / math.sqrt(q.shape[1]) - lse[:, None]).exp()
    de = p * (do @ v.T - (do * o).sum(1, keepdim=True))
    return dq, dk, de.T @ do


def backward_case(sizes, tile, seed=0):
    n_query, n_key, d_k, d_v = sizes
    q, k, v, do = draw((n_query, d_k), (n_key, d_k), (n_key, d_v), (n_query, d_v), seed=seed)
    scores = q @ k.T / math.sqrt(d_k)
    return q, k, v, attend(q, k, v), log_sum_exp(scores), do, *tile


MEAN = Exercise(
    number=5,
    kind="find the bug",
    reference=key_pass,
    cases=lambda: [backward_case((6, 9, 4, 2), (4, 3)), backward_case((8, 8, 4, 4), (3, 5), seed=1)],
    mistakes=(
        Mistake(
            "mean-of-the-tile",
            lambda *x: key_pass(*x, mean_of=lambda p, dp: (p * dp).sum(1)),
            "The bug is still there: D is a sum over the whole row, and a tile has only a part of it. "
            "Compute D from the output and its gradient, before the loops.",
        ),
        Mistake(
            "no-mean",
            lambda *x: key_pass(*x, mean_of=lambda p, dp: torch.zeros(len(p))),
            "You left out D. A score is pushed by how its value compares with the mean of the row.",
        ),
        Mistake(
            "softmax-of-the-tile",
            lambda *x: key_pass(*x, weights_of=lambda e: torch.softmax(e, 1)),
            "You normalise the weights within the tile. The log-sum-exp of the whole row is there: P = "
            "exp(E − ℓ).",
        ),
        Mistake(
            "scales-nothing",
            lambda q, *x: key_pass(q, *x, scales=(math.sqrt(q.shape[1]), math.sqrt(q.shape[1]), 1)),
            "dQ and dK lack the factor 1/√d_k: the scores were made with it.",
        ),
        Mistake(
            "scales-dv",
            lambda q, *x: key_pass(q, *x, scales=(1, 1, 1 / math.sqrt(q.shape[1]))),
            "dV has no factor 1/√d_k: values are not part of the scores.",
        ),
        Mistake(
            "overwrites-dq",
            key_pass_overwriting,
            "dQ holds what the last block of keys left there. Every block of keys adds to it.",
        ),
        Mistake(
            "dv-from-the-scores",
            key_pass_dv_of_scores,
            "You used dE for dV. The values were averaged with the weights: dV = Pᵀ dO.",
        ),
    ),
)


# 6: a causal pass that skips


def causal_flash(q, k, v, b_q, b_k, *, skip=None, shift=None, mask=True):
    shift = len(k) - len(q) if shift is None else shift
    skip = skip or (lambda r, c: c.start > r.stop - 1 + shift)
    scale, out = 1 / math.sqrt(q.shape[1]), []
    for r in blocks(len(q), b_q):
        m = torch.full((r.stop - r.start,), -math.inf)
        s, w = torch.zeros_like(m), torch.zeros(len(m), v.shape[1])
        for c in blocks(len(k), b_k):
            if skip(r, c):
                continue
            e = q[r] @ k[c].T * scale
            if mask:
                seen = torch.arange(c.start, c.stop) <= torch.arange(r.start, r.stop)[:, None] + shift
                e = e.masked_fill(~seen, -math.inf)
            larger = torch.maximum(m, e.amax(1))
            base = larger.masked_fill(larger == -math.inf, 0)
            p, factor = (e - base[:, None]).exp(), (m - base).exp()
            s, w, m = s * factor + p.sum(1), w * factor[:, None] + p @ v[c], larger
        out.append(w / s.masked_fill(s == 0, 1)[:, None])
    return torch.cat(out)


def run_counting_operations(answer, q, k, v, b_q, b_k):
    with FlopCounterMode(display=False) as counter:
        out = answer(q, k, v, b_q, b_k)
    shift = len(k) - len(q)
    pairs = sum(
        (r.stop - r.start) * (c.stop - c.start)
        for r in blocks(len(q), b_q)
        for c in blocks(len(k), b_k)
        if c.start <= r.stop - 1 + shift
    )
    limit = 2 * pairs * (q.shape[1] + v.shape[1])
    return {"output": out, "hidden tiles are skipped": counter.get_total_flops() <= limit}


def shift_of(q, k):
    return len(k) - len(q)


SKIP = Exercise(
    number=6,
    kind="faster",
    reference=causal_flash,
    run=run_counting_operations,
    cases=lambda: [
        (*draw((24, 4), (24, 4), (24, 2)), 4, 6),
        (*draw((10, 4), (25, 4), (25, 4), seed=1), 4, 4),
        (*draw((20, 2), (12, 2), (12, 3), seed=2), 3, 5),
    ],
    mistakes=(
        Mistake(
            "computes-hidden-tiles",
            lambda *x: causal_flash(*x, skip=lambda r, c: False),
            "The output is right, but tiles that are hidden as a whole were computed and masked. Skip them "
            "before their scores are made.",
        ),
        Mistake(
            "skips-the-diagonal",
            lambda q, k, v, *x: causal_flash(
                q, k, v, *x, skip=lambda r, c: c.stop - 1 > r.start + shift_of(q, k)
            ),
            "You skip the tiles on the diagonal, of which some pairs are visible.",
        ),
        Mistake(
            "first-query-decides",
            lambda q, k, *x: causal_flash(q, k, *x, skip=lambda r, c: c.start > r.start + shift_of(q, k)),
            "You skip a tile as soon as the first query of the block sees nothing of it. The last query "
            "sees more.",
        ),
        Mistake(
            "no-mask-inside",
            lambda *x: causal_flash(*x, mask=False),
            "You skip the hidden tiles but leave those on the diagonal unmasked: their queries see keys "
            "that come after them.",
        ),
        Mistake(
            "aligned-at-the-first-key",
            lambda *x: causal_flash(*x, shift=0),
            "Your mask is aligned at the upper left. In this book query i sees key j when j ≤ i + S − T.",
        ),
        Mistake(
            "no-mask-at-all",
            lambda *x: causal_flash(*x, skip=lambda r, c: False, mask=False),
            "Your queries see all keys.",
        ),
    ),
)


# 7: the gradient of a bias


def bias_gradient(q, k, v, bias, o, lse, do, b_k, *, scale_of=1.0, mean=True, with_bias=True, reduce="sum"):
    scale, grads = 1 / math.sqrt(q.shape[1]), []
    middle = (do * o).sum(1, keepdim=True) if mean else 0
    for c in blocks(len(k), b_k):
        e = q @ k[c].T * scale + (bias[c] if with_bias else 0)
        de = (e - lse[:, None]).exp() * (do @ v[c].T - middle)
        grads.append(getattr(de, reduce)(0) * scale_of)
    return torch.cat(grads)


def bias_gradient_at_once(q, k, v, bias, o, lse, do, b_k):
    return bias_gradient(q, k, v, bias, o, lse, do, len(k))


def bias_gradient_of_weights(q, k, v, bias, o, lse, do, b_k):
    p = [(q @ k[c].T / math.sqrt(q.shape[1]) + bias[c] - lse[:, None]).exp() for c in blocks(len(k), b_k)]
    return torch.cat([x.sum(0) for x in p])


def run_bias_within_tiles(answer, q, k, v, bias, o, lse, do, b_k):
    with LargestTensor() as largest:
        out = answer(q, k, v, bias, o, lse, do, b_k)
    limit = max(len(q) * b_k, *(x.numel() for x in (q, k, v, do)))
    return {"gradient": out, "no tensor larger than a tile": largest.size <= limit}


def bias_case(sizes, b_k, seed=0):
    n_query, n_key, d_k, d_v = sizes
    shapes = (n_query, d_k), (n_key, d_k), (n_key, d_v), (n_key,), (n_query, d_v)
    q, k, v, bias, do = draw(*shapes, seed=seed)
    lse = log_sum_exp(q @ k.T / math.sqrt(d_k) + bias)
    return q, k, v, bias, attend(q, k, v, bias=bias.expand(1, -1)), lse, do, b_k


BIAS = Exercise(
    number=7,
    kind="implement",
    reference=bias_gradient,
    run=run_bias_within_tiles,
    cases=lambda: [bias_case((20, 30, 4, 3), 5), bias_case((9, 40, 2, 2), 16, seed=1)],
    mistakes=(
        Mistake(
            "all-keys-at-once",
            bias_gradient_at_once,
            "The gradient is right, but dE existed as a whole. Sum each block of it and forget it.",
        ),
        Mistake(
            "forgets-the-bias",
            lambda *x: bias_gradient(*x, with_bias=False),
            "You computed the scores again without the bias. The log-sum-exp was taken with it, so your "
            "weights are not those of the forward pass.",
        ),
        Mistake(
            "scaled",
            lambda q, *x: bias_gradient(q, *x, scale_of=1 / math.sqrt(q.shape[1])),
            "The bias is added after the scale, so its gradient has no factor 1/√d_k.",
        ),
        Mistake(
            "mean-over-queries",
            lambda *x: bias_gradient(*x, reduce="mean"),
            "You average over the queries. The bias of a key is used by each of them: what is copied "
            "forward is summed backward.",
        ),
        Mistake(
            "no-mean-of-the-row",
            lambda *x: bias_gradient(*x, mean=False),
            "You left out D. Without it the gradients do not sum to zero, though a constant added to all "
            "biases changes nothing.",
        ),
        Mistake(
            "sum-of-the-weights",
            bias_gradient_of_weights,
            "You summed the weights. The gradient of the scores is P ∘ (dP − D).",
        ),
    ),
)


EXERCISES = (TILES, SQUARE, FORWARD, TRAFFIC, MEAN, SKIP, BIAS)
