"""Exercises of the chapter on FlashAttention."""

from __future__ import annotations

import math

import sympy
import torch
from torch.utils.flop_counter import FlopCounterMode

from course.attention import attend, log_sum_exp
from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.grading.meter import LargestTensor


def blocks(n, size):
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


# 1: how many tiles a causal pass visits


def count_by_rows(n_query, n_key, b_q, b_k, tiles_of):
    """The tiles of each block of queries, of which the last sees a number of keys."""
    ends = [r.stop for r in blocks(n_query, b_q)]
    return sum(tiles_of(end + n_key - n_query, b_k) for end in ends)


def count_tiles(n_query, n_key, b_q, b_k, seen):
    shift = n_key - n_query
    return sum(seen(r, c, shift) for r in blocks(n_query, b_q) for c in blocks(n_key, b_k))


def visited(*sizes):
    return count_tiles(*sizes, lambda r, c, shift: c.start <= r.stop - 1 + shift)


TILES = Exercise(
    1,
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
)


@TILES.mistake
def all_tiles(*sizes):
    """You count every tile. Those whose first key comes after the last key that their last query sees are
    hidden as a whole."""
    return count_tiles(*sizes, lambda r, c, shift: True)


@TILES.mistake
def aligned_at_the_first_key(*sizes):
    """Your mask is aligned at the upper left. In this book query i sees key j when j ≤ i + S − T."""
    return count_tiles(*sizes, lambda r, c, shift: c.start <= r.stop - 1)


@TILES.mistake
def half_of_all(t, s, b_q, b_k):
    """Half is the limit for many tiles. The tiles on the diagonal are visited, too, though half of each is
    hidden."""
    return -(-t // b_q) * -(-s // b_k) // 2


@TILES.mistake
def without_the_diagonal(*sizes):
    """You count the tiles that are visible as a whole. One that is partly visible must be visited."""
    return count_tiles(*sizes, lambda r, c, shift: c.stop - 1 <= r.start + shift)


@TILES.mistake
def first_query_decides(*sizes):
    """You ask what the first query of a block sees. The last one sees more, and needs the tile."""
    return count_tiles(*sizes, lambda r, c, shift: c.start <= r.start + shift)


@TILES.mistake
def one_too_many(*sizes):
    """A block of queries ends before `stop`: its last query is stop − 1."""
    return count_tiles(*sizes, lambda r, c, shift: c.start <= r.stop + shift)


@TILES.mistake
def last_block_not_short(n_query, n_key, b_q, b_k):
    """You take every block of queries for full. The last one may be shorter, and its last query is T − 1."""
    starts = range(0, n_query, b_q)
    return sum(math.ceil(max(0, start + b_q + n_key - n_query) / b_k) for start in starts)


@TILES.mistake
def negative_counts(*sizes):
    """With T > S the first blocks of queries see no key. You count them as a negative number of tiles; it
    must be 0."""
    return count_by_rows(*sizes, lambda n, b_k: math.ceil(n / b_k))


@TILES.mistake
def rounds_down(*sizes):
    """You round down. A block of keys of which the queries see a part must be visited."""
    return count_by_rows(*sizes, lambda n, b_k: max(0, n) // b_k)


# 2: the largest square tile

C, D = sympy.symbols("C d", positive=True)

SQUARE = Exercise(2, kind="derive", reference=sympy.sqrt(C + 4 * D**2) - 2 * D)

SQUARE.mistake(
    "forgets-the-scores",
    C / (4 * D),
    "You left out the tile of scores itself, B² numbers. For a large memory it decides.",
)
SQUARE.mistake(
    "forgets-the-vectors",
    sympy.sqrt(C),
    "You left out queries, sums, keys and values: four blocks of B d numbers.",
)
SQUARE.mistake(
    "forgets-the-sums",
    (sympy.sqrt(9 * D**2 + 4 * C) - 3 * D) / 2,
    "You counted three blocks of vectors. There are four: queries, keys, values and the weighted "
    "sums that become the output.",
)
SQUARE.mistake(
    "only-queries-and-keys",
    sympy.sqrt(C + D**2) - D,
    "You counted two blocks of vectors. The values and the weighted sums lie in fast memory, too.",
)
SQUARE.mistake(
    "wrong-sign",
    sympy.sqrt(C + 4 * D**2) + 2 * D,
    "From (B + 2d)² = C + 4d² follows B + 2d = √(C + 4d²): 2d is subtracted.",
)
SQUARE.mistake(
    "with-the-columns",
    sympy.sqrt((2 * D + 1) ** 2 + C) - 2 * D - 1,
    "You counted the columns m and s as well. That is more exact, but the task leaves them out.",
)
SQUARE.mistake(
    "other-root",
    -sympy.sqrt(C + 4 * D**2) - 2 * D,
    "That is the other root of the quadratic equation. It is negative; a size is not.",
)
SQUARE.mistake(
    "forgets-to-halve",
    sympy.sqrt(4 * C + 16 * D**2) - 4 * D,
    "Twice too large: the roots of B² + 4dB − C are (−4d ± √(16d² + 4C)) / 2.",
)


# 3: the forward pass in tiles


def larger_of(m, e):
    return torch.maximum(m, e.amax(1))


def flash(
    q,
    k,
    v,
    b_q,
    b_k,
    *,
    divide=False,
    scale=None,
    log=torch.log,
    lse_of=None,
    start=-math.inf,
    larger_of=larger_of,
    rescale=(True, True),
):
    scale = 1 / math.sqrt(q.shape[1]) if scale is None else scale
    out, ell = [], []
    for rows in blocks(len(q), b_q):
        here = q[rows]
        m = torch.full((len(here),), float(start))
        s, w = torch.zeros(len(here)), torch.zeros(len(here), v.shape[1])
        for columns in blocks(len(k), b_k):
            e = here @ k[columns].T * scale
            larger = larger_of(m, e)
            p, factor = (e - larger[:, None]).exp(), (m - larger).exp()
            of_s, of_w = (factor if wanted else torch.ones_like(factor) for wanted in rescale)
            s, w, m = s * of_s + p.sum(1), w * of_w[:, None] + p @ v[columns], larger
            if divide:
                w = w / s[:, None]
        out.append(w if divide else w / s[:, None])
        ell.append(m + log(s) if lse_of is None else lse_of(m, s))
    return torch.cat(out), torch.cat(ell)


def run_within_tiles(answer, q, k, v, b_q, b_k):
    with LargestTensor() as largest:
        out, ell = answer(q, k, v, b_q, b_k)
    limit = max(b_q * b_k, q.numel(), k.numel(), v.numel(), len(q) * v.shape[1])
    return {"output": out, "log-sum-exp": ell, "no tensor larger than a tile": largest.size <= limit}


def tile_cases():
    far = tuple(x * 6 for x in draw((20, 2), (30, 2), seed=1))
    low_q, low_k = (x.abs() + 1 for x in draw((10, 2), (12, 2), seed=3))
    return [
        (*draw((24, 2), (30, 2), (30, 3)), 8, 6),
        (*far, *draw((30, 2), seed=2), 7, 4),
        (-20 * low_q, 4 * low_k, *draw((12, 3), seed=4), 4, 5),
    ]


FORWARD = Exercise(3, kind="implement", reference=flash, run=run_within_tiles, cases=tile_cases)


@FORWARD.mistake
def all_scores_at_once(q, k, v, b_q, b_k):
    """Both results are right, but a tensor was larger than a tile. Cut the queries and the keys, and make
    scores of b_q × b_k only."""
    e = q @ k.T / math.sqrt(q.shape[1])
    return torch.softmax(e, 1) @ v, e.logsumexp(1)


@FORWARD.mistake
def maximum_for_log_sum_exp(*x):
    """The output is right, but you returned the largest score. The log-sum-exp is m + log s."""
    return flash(*x, lse_of=lambda m, s: m)


@FORWARD.mistake
def forgets_the_maximum(*x):
    """The output is right; the log-sum-exp lacks the maximum that was taken out: m + log s."""
    return flash(*x, lse_of=lambda m, s: s.log())


@FORWARD.mistake
def logarithm_to_base_two(*x):
    """You took the logarithm to base 2. Kernels do, but then their exponentials have base 2, too."""
    return flash(*x, log=torch.log2)


@FORWARD.mistake
def divides_in_the_loop(*x):
    """You divide the weighted sum after every tile and go on adding to it. Divide once, at the end."""
    return flash(*x, divide=True)


@FORWARD.mistake
def no_scale(*x):
    """The scores are not divided by the root of the width."""
    return flash(*x, scale=1.0)


@FORWARD.mistake
def only_the_last_tile(q, k, v, b_q, b_k):
    """m, s and W are reset in the inner loop, so that only the last block of keys is left. They belong to a
    block of queries: reset them in the outer loop."""
    last = blocks(len(k), b_k)[-1]
    return flash(q, k[last], v[last], b_q, b_k)


@FORWARD.mistake
def rescales_nothing(*x):
    """When the maximum grows, what s and W hold was taken relative to the old one: multiply both by exp(m −
    m′) before you add the tile."""
    return flash(*x, rescale=(False, False))


@FORWARD.mistake
def rescales_s_only(*x):
    """You rescale s but not W. Both were taken relative to the old maximum."""
    return flash(*x, rescale=(True, False))


@FORWARD.mistake
def rescales_w_only(*x):
    """You rescale W but not s. Both were taken relative to the old maximum."""
    return flash(*x, rescale=(False, True))


@FORWARD.mistake
def average_of_tiles(q, k, v, b_q, b_k):
    """You average the outputs of the tiles. A tile with larger scores counts for more: merge the sums and
    divide at the end."""
    outputs = [flash(q, k[c], v[c], b_q, b_k)[0] for c in blocks(len(k), b_k)]
    return sum(outputs) / len(outputs), flash(q, k, v, b_q, b_k)[1]


@FORWARD.mistake
def no_maximum(*x):
    """You take exponentials of the scores themselves. Large scores overflow and very negative ones vanish:
    subtract the running maximum."""
    return flash(*x, start=0, larger_of=lambda m, e: torch.zeros_like(m))


@FORWARD.mistake
def maximum_of_the_tile_alone(*x):
    """Your new maximum is that of the tile alone. If it is smaller than the old one, exp(m − m′) may
    overflow: take the larger of the two."""
    return flash(*x, larger_of=lambda m, e: e.amax(1))


@FORWARD.mistake
def one_maximum_for_all_rows(*x):
    """You take one maximum for the whole tile. A row whose scores are all much smaller loses them: each row
    needs its own."""
    return flash(*x, larger_of=lambda m, e: torch.maximum(m, e.amax()))


@FORWARD.mistake
def maximum_starts_at_zero(*x):
    """Your maximum starts at 0. If all scores of a row are very negative, their exponentials vanish and s
    stays 0: start at minus infinity."""
    return flash(*x, start=0)


# 4: the traffic of the pass for dQ


def query_pass(t, s, d_k, d_v, b_q):
    return t * (d_k + d_v + 2) + math.ceil(t / b_q) * s * (d_k + d_v) + t * d_k


TRAFFIC = Exercise(
    4,
    kind="predict",
    reference=query_pass,
    cases=lambda: [(64, 80, 16, 8, 16), (100, 50, 8, 8, 32), (7, 9, 4, 2, 2), (1000, 1000, 64, 64, 128)],
)


@TRAFFIC.mistake
def forgets_to_store(t, s, d_k, d_v, b):
    """What is computed must be stored: dQ has T d_k numbers."""
    return t * (d_k + d_v + 2) + math.ceil(t / b) * s * (d_k + d_v)


@TRAFFIC.mistake
def keys_once(t, s, d_k, d_v, b):
    """You load keys and values once. They pass by once for every block of queries."""
    return t * (2 * d_k + d_v + 2) + s * (d_k + d_v)


@TRAFFIC.mistake
def forgets_two_columns(t, s, d_k, d_v, b):
    """You left out ℓ and D, two numbers for each query."""
    return t * (2 * d_k + d_v) + math.ceil(t / b) * s * (d_k + d_v)


@TRAFFIC.mistake
def fractions_of_blocks(t, s, d_k, d_v, b):
    """The number of blocks is an integer: the last one may be short, but needs all keys as well."""
    return t * (2 * d_k + d_v + 2) + t / b * s * (d_k + d_v)


@TRAFFIC.mistake
def queries_for_each_tile(t, s, d_k, d_v, b):
    """You load the queries once for every block. With queries outside they stay where they are while the keys
    pass by."""
    return math.ceil(t / b) * (t * (d_k + d_v + 2) + s * (d_k + d_v)) + t * d_k


@TRAFFIC.mistake
def full_last_block(t, s, d_k, d_v, b):
    """You count b_q queries in every block. The last one may be shorter; all together are T."""
    return math.ceil(t / b) * (b * (2 * d_k + d_v + 2) + s * (d_k + d_v))


@TRAFFIC.mistake
def rounds_down_(t, s, d_k, d_v, b):
    """You round the number of blocks down. The last, short block needs all keys as well."""
    return t * (2 * d_k + d_v + 2) + t // b * s * (d_k + d_v)


@TRAFFIC.mistake
def forgets_do(t, s, d_k, d_v, b):
    """You left out dO, which has d_v numbers for each query."""
    return t * (2 * d_k + 2) + math.ceil(t / b) * s * (d_k + d_v)


@TRAFFIC.mistake
def dq_for_each_block(t, s, d_k, d_v, b):
    """You store all of dQ for each block of queries. Each block stores its own rows, once."""
    return t * (d_k + d_v + 2) + math.ceil(t / b) * (s * (d_k + d_v) + t * d_k)


@TRAFFIC.mistake
def also_stores_dk_and_dv(t, s, d_k, d_v, b):
    """You store dK and dV. This pass computes dQ only."""
    return query_pass(t, s, d_k, d_v, b) + s * (d_k + d_v)


# 5: the mean of a tile


def signal_of(p, dp, mean):
    return p * (dp - mean)


def key_pass(
    q,
    k,
    v,
    o,
    lse,
    do,
    b_q,
    b_k,
    *,
    mean_of=None,
    scales=(1, 1, 1),
    weights_of=None,
    signal_of=signal_of,
    dv_of_scores=False,
    reduce="sum",
):
    """dQ, dK, dV in tiles; the options put one thing wrong."""
    scale, mean = 1 / math.sqrt(q.shape[1]), getattr(do * o, reduce)(1)
    dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for c in blocks(len(k), b_k):
        for r in blocks(len(q), b_q):
            e = q[r] @ k[c].T * scale
            p = (e - lse[r][:, None]).exp() if weights_of is None else weights_of(e)
            dp = do[r] @ v[c].T
            here = mean[r] if mean_of is None else mean_of(p, dp)
            de = signal_of(p, dp, here[:, None])
            dv[c] += (de if dv_of_scores else p).T @ do[r] * scales[2]
            dk[c] += de.T @ q[r] * scale * scales[1]
            dq[r] += de @ k[c] * scale * scales[0]
    return dq, dk, dv


def run_backward_within_tiles(answer, q, k, v, o, lse, do, b_q, b_k):
    with LargestTensor() as largest:
        dq, dk, dv = answer(q, k, v, o, lse, do, b_q, b_k)
    limit = max(b_q * b_k, *(x.numel() for x in (q, k, v, do)))
    return {"dQ": dq, "dK": dk, "dV": dv, "no tensor larger than a tile": largest.size <= limit}


def backward_case(sizes, tile, seed=0):
    n_query, n_key, d_k, d_v = sizes
    q, k, v, do = draw((n_query, d_k), (n_key, d_k), (n_key, d_v), (n_query, d_v), seed=seed)
    scores = q @ k.T / math.sqrt(d_k)
    return q, k, v, attend(q, k, v), log_sum_exp(scores), do, *tile


MEAN = Exercise(
    5,
    kind="find the bug",
    reference=key_pass,
    run=run_backward_within_tiles,
    cases=lambda: [backward_case((9, 10, 2, 1), (4, 3)), backward_case((8, 13, 2, 2), (3, 5), seed=1)],
)


@MEAN.mistake
def mean_of_the_tile(*x):
    """The bug is still there: D is a sum over the whole row, and a tile has only a part of it. Compute D from
    the output and its gradient, before the loops."""
    return key_pass(*x, mean_of=lambda p, dp: (p * dp).sum(1))


@MEAN.mistake
def no_mean(*x):
    """You left out D. A score is pushed by how its value compares with the mean of the row."""
    return key_pass(*x, mean_of=lambda p, dp: torch.zeros(len(p)))


@MEAN.mistake
def softmax_of_the_tile(*x):
    """You normalise the weights within the tile. The log-sum-exp of the whole row is there: P = exp(E −
    ℓ)."""
    return key_pass(*x, weights_of=lambda e: torch.softmax(e, 1))


@MEAN.mistake
def scales_nothing(q, *x):
    """dQ and dK lack the factor 1/√d_k: the scores were made with it."""
    return key_pass(q, *x, scales=(math.sqrt(q.shape[1]), math.sqrt(q.shape[1]), 1))


@MEAN.mistake
def scales_dv(q, *x):
    """dV has no factor 1/√d_k: values are not part of the scores."""
    return key_pass(q, *x, scales=(1, 1, 1 / math.sqrt(q.shape[1])))


@MEAN.mistake
def overwrites_dq(q, k, v, o, lse, do, b_q, b_k):
    """dQ holds what the last block of keys left there. Every block of keys adds to it."""
    _, dk, dv = key_pass(q, k, v, o, lse, do, b_q, b_k)
    c = blocks(len(k), b_k)[-1]
    dq, _, _ = key_pass(q, k[c], v[c], o, lse, do, b_q, b_k)
    return dq, dk, dv


@MEAN.mistake
def dv_from_the_scores(*x):
    """You used dE for dV. The values were averaged with the weights: dV = Pᵀ dO."""
    return key_pass(*x, dv_of_scores=True)


@MEAN.mistake
def mean_outside_the_bracket(*x):
    """D is subtracted from dP before the weights multiply: dE = P ∘ (dP − D)."""
    return key_pass(*x, signal_of=lambda p, dp, mean: p * dp - mean)


@MEAN.mistake
def average_for_the_sum(*x):
    """D is a dot product of do and o, a sum over the width. You took the average."""
    return key_pass(*x, reduce="mean")


@MEAN.mistake
def whole_matrix_at_once(q, k, v, o, lse, do, b_q, b_k):
    """The gradients are right, but a tensor was larger than a tile and an input. Keep both loops; the bug can
    be mended without."""
    return key_pass(q, k, v, o, lse, do, len(q), len(k))


# 6: a causal pass that skips


def zero_for_infinity(larger):
    return larger.masked_fill(larger == -math.inf, 0)


def one_for_zero(s):
    return s.masked_fill(s == 0, 1)


def causal_flash(
    q,
    k,
    v,
    b_q,
    b_k,
    *,
    skip=None,
    shift=None,
    mask=True,
    strict=False,
    low=-math.inf,
    base_of=zero_for_infinity,
    total_of=one_for_zero,
):
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
                last = torch.arange(r.start, r.stop)[:, None] + shift - int(strict)
                e = e.masked_fill(torch.arange(c.start, c.stop) > last, low)
            larger = torch.maximum(m, e.amax(1))
            base = base_of(larger)
            p, factor = (e - base[:, None]).exp(), (m - base).exp()
            s, w, m = s * factor + p.sum(1), w * factor[:, None] + p @ v[c], larger
        out.append(w / total_of(s)[:, None])
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
    6,
    kind="faster",
    reference=causal_flash,
    run=run_counting_operations,
    cases=lambda: [
        (*draw((24, 4), (24, 4), (24, 2)), 4, 6),
        (*draw((10, 4), (25, 4), (25, 4), seed=1), 4, 4),
        (*draw((20, 2), (12, 2), (12, 3), seed=2), 3, 5),
    ],
)


@SKIP.mistake
def computes_hidden_tiles(*x):
    """The output is right, but tiles that are hidden as a whole were computed and masked. Skip them before
    their scores are made."""
    return causal_flash(*x, skip=lambda r, c: False)


@SKIP.mistake
def skips_the_diagonal(q, k, v, *x):
    """You skip the tiles on the diagonal, of which some pairs are visible."""
    return causal_flash(q, k, v, *x, skip=lambda r, c: c.stop - 1 > r.start + shift_of(q, k))


@SKIP.mistake
def first_query_decides_(q, k, *x):
    """You skip a tile as soon as the first query of the block sees nothing of it. The last query sees
    more."""
    return causal_flash(q, k, *x, skip=lambda r, c: c.start > r.start + shift_of(q, k))


@SKIP.mistake
def no_mask_inside(*x):
    """You skip the hidden tiles but leave those on the diagonal unmasked: their queries see keys that come
    after them."""
    return causal_flash(*x, mask=False)


@SKIP.mistake
def aligned_at_the_first_key_(*x):
    """Your mask is aligned at the upper left. In this book query i sees key j when j ≤ i + S − T."""
    return causal_flash(*x, shift=0)


@SKIP.mistake
def no_mask_at_all(*x):
    """Your queries see all keys."""
    return causal_flash(*x, skip=lambda r, c: False, mask=False)


@SKIP.mistake
def not_itself(*x):
    """Your queries do not see their own position. The condition is j ≤ i + S − T, with equality."""
    return causal_flash(*x, strict=True)


@SKIP.mistake
def infinity_minus_infinity(*x):
    """A query that has seen nothing yet has m = −∞, and −∞ − (−∞) is NaN. Subtract 0 there."""
    return causal_flash(*x, base_of=lambda larger: larger)


@SKIP.mistake
def zero_by_zero(*x):
    """A query that sees nothing ends with W = 0 and s = 0, and 0/0 is NaN. Its output shall be zeros."""
    return causal_flash(*x, total_of=lambda s: s)


@SKIP.mistake
def large_negative_number(*x):
    """You mask with a large negative number. A query that sees nothing in a tile then finds all its keys
    equally good: only −∞ makes weights of exactly 0."""
    return causal_flash(*x, low=-1e9)


# 7: the gradient of a bias


def bias_gradient(
    q,
    k,
    v,
    bias,
    o,
    lse,
    do,
    b_k,
    *,
    scale_of=1.0,
    mean=True,
    bias_factor=1.0,
    reduce="sum",
    weights_of=None,
    mean_of=None,
):
    scale, grads = 1 / math.sqrt(q.shape[1]), []
    middle = (do * o).sum(1, keepdim=True) if mean else 0
    for c in blocks(len(k), b_k):
        e = q @ k[c].T * scale + bias[c] * bias_factor
        p = (e - lse[:, None]).exp() if weights_of is None else weights_of(e)
        dp = do @ v[c].T
        de = p * (dp - (middle if mean_of is None else mean_of(p, dp)))
        grads.append(getattr(de, reduce)(0) * scale_of)
    return torch.cat(grads)


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
    7,
    kind="implement",
    reference=bias_gradient,
    run=run_bias_within_tiles,
    cases=lambda: [bias_case((20, 30, 4, 3), 5), bias_case((9, 40, 2, 2), 16, seed=1)],
)


@BIAS.mistake
def all_keys_at_once(q, k, v, bias, o, lse, do, b_k):
    """The gradient is right, but dE existed as a whole. Sum each block of it and forget it."""
    return bias_gradient(q, k, v, bias, o, lse, do, len(k))


@BIAS.mistake
def forgets_the_bias(*x):
    """You computed the scores again without the bias. The log-sum-exp was taken with it, so your weights are
    not those of the forward pass."""
    return bias_gradient(*x, bias_factor=0.0)


@BIAS.mistake
def scaled(q, *x):
    """The bias is added after the scale, so its gradient has no factor 1/√d_k."""
    return bias_gradient(q, *x, scale_of=1 / math.sqrt(q.shape[1]))


@BIAS.mistake
def mean_over_queries(*x):
    """You average over the queries. The bias of a key is used by each of them: what is copied forward is
    summed backward."""
    return bias_gradient(*x, reduce="mean")


@BIAS.mistake
def no_mean_of_the_row(*x):
    """You left out D. Without it the gradients do not sum to zero, though a constant added to all biases
    changes nothing."""
    return bias_gradient(*x, mean=False)


@BIAS.mistake
def mean_of_the_block(*x):
    """Your D is summed over a block of keys. It is a sum over the whole row, and equals do · o."""
    return bias_gradient(*x, mean_of=lambda p, dp: (p * dp).sum(1, keepdim=True))


@BIAS.mistake
def bias_before_the_scale(q, *x):
    """You scale the bias with the scores. It is added after the scale."""
    return bias_gradient(q, *x, bias_factor=1 / math.sqrt(q.shape[1]))


@BIAS.mistake
def softmax_of_the_block(*x):
    """You normalise the weights within a block of keys. The log-sum-exp of the whole row is there: P = exp(E
    − ℓ)."""
    return bias_gradient(*x, weights_of=lambda e: torch.softmax(e, 1))


@BIAS.mistake
def sum_of_the_weights(q, k, v, bias, o, lse, do, b_k):
    """You summed the weights. The gradient of the scores is P ∘ (dP − D)."""
    p = [(q @ k[c].T / math.sqrt(q.shape[1]) + bias[c] - lse[:, None]).exp() for c in blocks(len(k), b_k)]
    return torch.cat([x.sum(0) for x in p])


EXERCISES = (TILES, SQUARE, FORWARD, TRAFFIC, MEAN, SKIP, BIAS)
