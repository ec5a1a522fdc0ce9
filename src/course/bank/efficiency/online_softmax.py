"""Exercises of the chapter on online softmax."""

from __future__ import annotations

import math

import sympy
import torch

from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.grading.meter import LargestTensor

# 1: merge two partial results


def factors(a, b):
    m = torch.maximum(a[0], b[0])
    base = m.masked_fill(m == -math.inf, 0)
    return m, (a[0] - base).exp(), (b[0] - base).exp()


def merge(a, b):
    m, left, right = factors(a, b)
    return m, left * a[1] + right * b[1], left[:, None] * a[2] + right[:, None] * b[2]


def triple(e, v):
    m = e.amax(-1)
    shares = (e - m.masked_fill(m == -math.inf, 0)[:, None]).exp()
    return m, shares.sum(-1), shares @ v


def pairs_of_triples():
    e, v = draw((3, 7), (7, 2))
    usual = triple(3 * e[:, :4], v[:4]), triple(3 * e[:, 4:], v[4:])
    far = triple(e[:, :4] + 900, v[:4]), triple(e[:, 4:] + 895, v[4:])
    hidden = e.clone()
    hidden[0, :4] = hidden[1] = -math.inf  # one row has no keys on the left, one has none at all
    return [usual, far, (triple(hidden[:, :4], v[:4]), triple(hidden[:, 4:], v[4:]))]


MERGE = Exercise(1, kind="implement", reference=merge, cases=pairs_of_triples)


@MERGE.mistake
def nan_without_keys(a, b):
    """Right, but for a row without any key: there the larger maximum is minus infinity, and minus infinity
    less minus infinity is NaN. Subtract 0 in such a row."""
    m = torch.maximum(a[0], b[0])
    left, right = (a[0] - m).exp(), (b[0] - m).exp()
    return m, left * a[1] + right * b[1], left[:, None] * a[2] + right[:, None] * b[2]


@MERGE.mistake
def values_not_rescaled(a, b):
    """The totals are right, but the weighted sums were added as they are. They are relative to the same
    maxima as the totals and need the same factors."""
    m, left, right = factors(a, b)
    return m, left * a[1] + right * b[1], a[2] + b[2]


@MERGE.mistake
def nothing_rescaled(a, b):
    """You added numbers with different references. Before they may be added, both sides must be brought to
    the common maximum m by the factors exp(m_a − m) and exp(m_b − m)."""
    return torch.maximum(a[0], b[0]), a[1] + b[1], a[2] + b[2]


@MERGE.mistake
def factors_swapped(a, b):
    """The factor of one side went to the other. The side whose maximum is the common one keeps its numbers:
    its factor is exp(0) = 1."""
    m, left, right = factors(a, b)
    return m, right * a[1] + left * b[1], right[:, None] * a[2] + left[:, None] * b[2]


@MERGE.mistake
def smaller_maximum(a, b):
    """You took the smaller of the two maxima as reference. On paper that is right; but then factors are above
    1 and overflow, and a side without keys makes them infinite."""
    m = torch.minimum(a[0], b[0])
    left, right = (a[0] - m).exp(), (b[0] - m).exp()
    return m, left * a[1] + right * b[1], left[:, None] * a[2] + right[:, None] * b[2]


@MERGE.mistake
def no_reference(a, b):
    """You multiplied by exp(m_a) and exp(m_b). That takes all of the reference out, so your numbers no longer
    belong to the maximum that you return, and they overflow. Use m_a − m and m_b − m."""
    m = torch.maximum(a[0], b[0])
    left, right = a[0].exp(), b[0].exp()
    return m, left * a[1] + right * b[1], left[:, None] * a[2] + right[:, None] * b[2]


@MERGE.mistake
def second_side_not_rescaled(a, b):
    """Only the first side was rescaled. That is enough if the second has the larger maximum; otherwise the
    second needs the factor exp(m_b − m), too."""
    m, left, _ = factors(a, b)
    return m, left * a[1] + b[1], left[:, None] * a[2] + b[2]


# 2: the share of one piece

ELL_A, ELL_B = sympy.symbols("ell_a ell_b", real=True)

SHARE = Exercise(2, kind="derive", reference=1 / (1 + sympy.exp(ELL_B - ELL_A)))

SHARE.mistake(
    "the-other-piece",
    1 / (1 + sympy.exp(ELL_A - ELL_B)),
    "That is the share of B. A must get more when ℓ_a is larger.",
)
SHARE.mistake(
    "ratio-of-logarithms",
    ELL_A / (ELL_A + ELL_B),
    "You divided the logarithms. ℓ is the logarithm of a sum of exponentials: the sums themselves, "
    "exp(ℓ), are what the shares are proportional to.",
)
SHARE.mistake(
    "ratio-of-the-two",
    sympy.exp(ELL_A - ELL_B),
    "That is the ratio of the two shares. Both shares together are 1: divide by the sum.",
)
SHARE.mistake(
    "one-half",
    sympy.Rational(1, 2),
    "The plain mean would be right if both pieces had the same sum of exponentials.",
)
SHARE.mistake(
    "not-normalised",
    sympy.exp(ELL_A),
    "That is the sum of the exponentials of A. Divide it by that of all keys.",
)


# 3: arithmetic intensity with shared heads


def intensity(n_query, n_key, d, group, size):
    return 4 * group * n_query * n_key * d / (size * (2 * group * n_query * d + 2 * n_key * d))


INTENSITY = Exercise(
    3,
    kind="predict",
    reference=intensity,
    cases=lambda: [(1, 1000, 64, 1, 2), (1, 1000, 64, 8, 2), (128, 128, 32, 4, 4), (2048, 4096, 128, 1, 2)],
)


@INTENSITY.mistake
def own_keys_for_each_head(t, s, d, g, b):
    """You read keys and values once for each query head. The heads of a group share them: they are read
    once."""
    return 4 * g * t * s * d / (b * (2 * g * t * d + 2 * g * s * d))


@INTENSITY.mistake
def only_keys_and_values(t, s, d, g, b):
    """You left out the queries that are read and the outputs that are written. With one query they are few,
    with many they are not."""
    return 4 * g * t * s * d / (b * 2 * s * d)


@INTENSITY.mistake
def weights_in_memory(t, s, d, g, b):
    """You let the matrix of weights travel to memory and back. In one fused step it never leaves the
    processor."""
    return 4 * g * t * s * d / (b * (2 * g * t * d + 2 * s * d + 2 * g * t * s))


@INTENSITY.mistake
def one_operation_per_multiply_add(t, s, d, g, b):
    """Half of the operations are missing. A multiplication and an addition are two, and there are two
    products: 4 T S d for each head."""
    return 2 * g * t * s * d / (b * (2 * g * t * d + 2 * s * d))


@INTENSITY.mistake
def numbers_for_bytes(t, s, d, g, b):
    """That is operations per number. A number has `size` bytes."""
    return 4 * g * t * s * d / (2 * g * t * d + 2 * s * d)


@INTENSITY.mistake
def operations_of_one_head(t, s, d, g, b):
    """You counted the operations of one query head. Each head of the group does 4 T S d of them."""
    return 4 * t * s * d / (b * (2 * g * t * d + 2 * s * d))


# 4: the loop that forgets which maximum it used


def one_pass(q, k, v, size):
    m = torch.full(q.shape[:1], -math.inf)
    s, w = torch.zeros(len(q)), torch.zeros(len(q), v.shape[1])
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        e = q @ keys.T / math.sqrt(q.shape[1])
        larger = torch.maximum(m, e.amax(1))
        keep, shares = (m - larger).exp(), (e - larger[:, None]).exp()
        s, w, m = s * keep + shares.sum(1), w * keep[:, None] + shares @ values, larger
    return w / s[:, None]


def block_cases():
    q, k, v = draw((3, 4), (10, 4), (10, 2))
    low = torch.full((3, 4), 12.0), torch.full((10, 4), -12.0) + k / 20, v
    falling = torch.full((3, 4), 8.0), torch.linspace(8, -8, 10)[:, None].expand(10, 4) + k / 20, v
    return [(2 * q, 2 * k, v, 3), (q, k, v, 10), (*low, 4), (*falling, 2)]


BLOCKS = Exercise(4, kind="find the bug", reference=one_pass, cases=block_cases)


@BLOCKS.mistake
def maximum_of_the_block(q, k, v, size):
    """The bug is still there: the exponentials of a block are relative to the maximum of the block, but what
    was collected before is relative to the running maximum. Both must use the new one."""
    m = torch.full(q.shape[:1], -math.inf)
    s, w = torch.zeros(len(q)), torch.zeros(len(q), v.shape[1])
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        e = q @ keys.T / math.sqrt(q.shape[1])
        here = e.amax(1)
        larger = torch.maximum(m, here)
        keep, shares = (m - larger).exp(), (e - here[:, None]).exp()
        s, w, m = s * keep + shares.sum(1), w * keep[:, None] + shares @ values, larger
    return w / s[:, None]


@BLOCKS.mistake
def forgets_the_running_maximum(q, k, v, size):
    """You made the maximum of the last block the reference of everything. Where the scores fall, the factor
    exp(m − here) is larger than 1, and for large scores it overflows."""
    m = torch.full(q.shape[:1], -math.inf)
    s, w = torch.zeros(len(q)), torch.zeros(len(q), v.shape[1])
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        e = q @ keys.T / math.sqrt(q.shape[1])
        here = e.amax(1)
        keep, shares = (m - here).exp(), (e - here[:, None]).exp()
        s, w, m = s * keep + shares.sum(1), w * keep[:, None] + shares @ values, here
    return w / s[:, None]


@BLOCKS.mistake
def starts_at_zero(q, k, v, size):
    """Your running maximum starts at 0. Where all scores are far below, every exponential underflows and the
    division is 0/0. Start at minus infinity."""
    m = torch.zeros(len(q))
    s, w = torch.zeros(len(q)), torch.zeros(len(q), v.shape[1])
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        e = q @ keys.T / math.sqrt(q.shape[1])
        larger = torch.maximum(m, e.amax(1))
        keep, shares = (m - larger).exp(), (e - larger[:, None]).exp()
        s, w, m = s * keep + shares.sum(1), w * keep[:, None] + shares @ values, larger
    return w / s[:, None]


@BLOCKS.mistake
def divides_in_the_loop(q, k, v, size):
    """You divide by the total after every block, but go on as if the sum had not been divided. Divide once,
    at the end, or multiply by the old total first."""
    m = torch.full(q.shape[:1], -math.inf)
    s, w = torch.zeros(len(q)), torch.zeros(len(q), v.shape[1])
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        e = q @ keys.T / math.sqrt(q.shape[1])
        larger = torch.maximum(m, e.amax(1))
        keep, shares = (m - larger).exp(), (e - larger[:, None]).exp()
        s, m = s * keep + shares.sum(1), larger
        w = (w * keep[:, None] + shares @ values) / s[:, None]
    return w


@BLOCKS.mistake
def rescales_only_the_total(q, k, v, size):
    """The weighted sum of the values is relative to the same maximum as the total: rescale it, too."""
    m = torch.full(q.shape[:1], -math.inf)
    s, w = torch.zeros(len(q)), torch.zeros(len(q), v.shape[1])
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        e = q @ keys.T / math.sqrt(q.shape[1])
        larger = torch.maximum(m, e.amax(1))
        keep, shares = (m - larger).exp(), (e - larger[:, None]).exp()
        s, w, m = s * keep + shares.sum(1), w + shares @ values, larger
    return w / s[:, None]


@BLOCKS.mistake
def mean_of_the_blocks(q, k, v, size):
    """You average the outputs of the blocks. A block counts by the sum of its exponentials."""
    parts = [
        torch.softmax(q @ keys.T / math.sqrt(q.shape[1]), 1) @ values
        for keys, values in zip(k.split(size), v.split(size), strict=True)
    ]
    return torch.stack(parts).mean(0)


# 5: how often the maximum changes


def harmonic(n):
    return math.fsum(1 / j for j in range(1, n + 1))


RECORDS = Exercise(
    5,
    kind="predict",
    reference=lambda n_key, size: harmonic(n_key // size),
    cases=lambda: [(8, 1), (1024, 1), (1024, 128), (4096, 4096), (12_800, 64)],
)


@RECORDS.mistake
def every_key_counts(n_key, size):
    """That is the number of new maxima among single keys. The loop rescales at most once per block, when the
    largest score of the block is a new maximum."""
    return harmonic(n_key)


@RECORDS.mistake
def every_block_rescales(n_key, size):
    """That is the number of blocks. In random order, most blocks bring no new maximum."""
    return n_key // size


@RECORDS.mistake
def without_the_first(n_key, size):
    """You left out the first block. It counts: before it the maximum is minus infinity."""
    return harmonic(n_key // size) - 1


@RECORDS.mistake
def logarithm_alone(n_key, size):
    """The logarithm is how the sum grows, but it is 0.577 too small for many blocks and 1 too small for one.
    Add up the probabilities 1/j."""
    return math.log(n_key // size)


@RECORDS.mistake
def logarithm_and_one(n_key, size):
    """1 + ln n is an upper bound. Add up the probabilities 1/j themselves."""
    return 1 + math.log(n_key // size)


@RECORDS.mistake
def keys_then_divided(n_key, size):
    """The mean of a block is not what counts. The maxima of the blocks are numbers in random order, one for
    each block."""
    return harmonic(n_key) / size


# 6: causal attention in one pass


def causal_blocks(q, k, v, size, *, shift=None, off=0, empty=True):
    n_query, n_key = len(q), len(k)
    shift = n_key - n_query if shift is None else shift
    m = torch.full((n_query,), -math.inf)
    s, w = torch.zeros(n_query), torch.zeros(n_query, v.shape[1])
    last = torch.arange(n_query)[:, None] + shift + off
    for start in range(0, n_key, size):
        keys, values = k[start : start + size], v[start : start + size]
        e = q @ keys.T / math.sqrt(q.shape[1])
        e = e.masked_fill(torch.arange(start, start + len(keys)) > last, -math.inf)
        larger = torch.maximum(m, e.amax(1))
        base = larger.masked_fill(larger == -math.inf, 0) if empty else larger
        keep, shares = (m - base).exp(), (e - base[:, None]).exp()
        s, w, m = s * keep + shares.sum(1), w * keep[:, None] + shares @ values, larger
    return w / (s.masked_fill(s == 0, 1) if empty else s)[:, None]


def run_within_a_block(answer, q, k, v, size):
    with LargestTensor() as largest:
        out = answer(q, k, v, size)
    limit = max(len(q) * size, q.numel(), k.numel(), v.numel(), len(q) * v.shape[1])
    return {"output": out, "no tensor larger than a block of scores": largest.size <= limit}


def causal_cases():
    return [
        (*draw((24, 2), (24, 2), (24, 3)), 4),
        (*draw((5, 2), (40, 2), (40, 2), seed=1), 16),
        (*draw((30, 2), (20, 2), (20, 2), seed=2), 3),
    ]


CAUSAL = Exercise(6, kind="faster", reference=causal_blocks, run=run_within_a_block, cases=causal_cases)


@CAUSAL.mistake
def all_scores_at_once(q, k, v, size):
    """The output is right, but a tensor with a row for each query and a column for each key was made. Compute
    scores and mask block by block."""
    seen = torch.ones(len(q), len(k), dtype=torch.bool).tril(len(k) - len(q))
    e = (q @ k.T / math.sqrt(q.shape[1])).masked_fill(~seen, -math.inf)
    return torch.softmax(e, 1).nan_to_num() @ v


@CAUSAL.mistake
def aligned_at_the_first_key(q, k, v, size):
    """Your mask is aligned at the upper left. In this book the last query sees the last key: query i sees key
    j when j ≤ i + S − T."""
    return causal_blocks(q, k, v, size, shift=0)


@CAUSAL.mistake
def position_within_the_block(q, k, v, size):
    """You compare the query's position with the position of the key inside its block. Add the start of the
    block."""
    return causal_with_local_positions(q, k, v, size)


@CAUSAL.mistake
def not_itself(q, k, v, size):
    """A query may see the key at its own position: j ≤ i + S − T, not j < i + S − T."""
    return causal_blocks(q, k, v, size, off=-1)


@CAUSAL.mistake
def nan_where_nothing_is_visible(q, k, v, size):
    """A row that has seen no key yet has the maximum minus infinity, and minus infinity less minus infinity
    is NaN, which stays in the sums. Subtract 0 there, and do not divide by 0 at the end."""
    return causal_blocks(q, k, v, size, empty=False)


@CAUSAL.mistake
def no_mask(q, k, v, size):
    """Your queries see all keys. Mask the scores of each block before its maximum is taken."""
    return causal_blocks(q, k, v, size, shift=10**6)


def causal_with_local_positions(q, k, v, size):
    n_query, shift = len(q), len(k) - len(q)
    m = torch.full((n_query,), -math.inf)
    s, w = torch.zeros(n_query), torch.zeros(n_query, v.shape[1])
    for keys, values in zip(k.split(size), v.split(size), strict=True):
        e = q @ keys.T / math.sqrt(q.shape[1])
        e = e.masked_fill(torch.arange(len(keys)) > torch.arange(n_query)[:, None] + shift, -math.inf)
        larger = torch.maximum(m, e.amax(1))
        base = larger.masked_fill(larger == -math.inf, 0)
        keep, shares = (m - base).exp(), (e - base[:, None]).exp()
        s, w, m = s * keep + shares.sum(1), w * keep[:, None] + shares @ values, larger
    return w / s.masked_fill(s == 0, 1)[:, None]


# 7: many requests that share a prompt


def two_parts(q, k_shared, v_shared, k_own, v_own, scale=None):
    """Scores, outputs and log-sum-exps of the shared and of the own keys."""
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    shared, own = q @ k_shared.T * scale, (k_own @ q[:, :, None])[..., 0] * scale
    outputs = torch.softmax(shared, 1) @ v_shared, (torch.softmax(own, 1)[:, None] @ v_own)[:, 0]
    return (shared, own), outputs


def shared_prompt(q, k_shared, v_shared, k_own, v_own, scale=None):
    (shared, own), (a, b) = two_parts(q, k_shared, v_shared, k_own, v_own, scale)
    share = torch.sigmoid(shared.logsumexp(1) - own.logsumexp(1))[:, None]
    return share * a + (1 - share) * b


def run_without_copies(answer, q, k_shared, v_shared, k_own, v_own):
    with LargestTensor() as largest:
        out = answer(q, k_shared, v_shared, k_own, v_own)
    limit = max(len(q) * (len(k_shared) + k_own.shape[1]), k_shared.numel(), k_own.numel(), v_own.numel())
    return {"output": out, "the shared keys are not copied": largest.size <= limit}


PROMPT = Exercise(
    7,
    kind="faster",
    reference=shared_prompt,
    run=run_without_copies,
    cases=lambda: [
        tuple(2 * x for x in draw((5, 8), (60, 8), (60, 8), (5, 6, 8), (5, 6, 8))),
        draw((7, 4), (50, 4), (50, 6), (7, 3, 4), (7, 3, 6), seed=1),
    ],
)


@PROMPT.mistake
def copies_the_prompt(q, k_shared, v_shared, k_own, v_own):
    """The output is right, but the keys of the prompt were copied for every request. Attend to the prompt
    with all queries at once, to the own keys apart, and merge."""
    n = len(q)
    keys = torch.cat([k_shared.expand(n, -1, -1), k_own], 1)
    values = torch.cat([v_shared.expand(n, -1, -1), v_own], 1)
    scores = (keys @ q[:, :, None])[..., 0] / math.sqrt(q.shape[-1])
    return (torch.softmax(scores, 1)[:, None] @ values)[:, 0]


@PROMPT.mistake
def plain_mean(*x):
    """You average the two outputs. A part counts by the sum of its exponentials, exp(ℓ)."""
    return sum(two_parts(*x)[1]) / 2


@PROMPT.mistake
def sum_of_the_outputs(*x):
    """You add two outputs whose weights already sum to one each. The weights of all keys together must sum to
    one."""
    return sum(two_parts(*x)[1])


@PROMPT.mistake
def weighs_by_the_maxima(*tensors):
    """You weigh the parts by their largest scores. The log-sum-exp counts: many middling keys outweigh one
    good one."""
    (shared, own), (a, b) = two_parts(*tensors)
    share = torch.sigmoid(shared.amax(1) - own.amax(1))[:, None]
    return share * a + (1 - share) * b


@PROMPT.mistake
def weighs_by_the_logarithms(*tensors):
    """You weigh the parts by ℓ. It is a logarithm: the shares are proportional to exp(ℓ)."""
    (shared, own), (a, b) = two_parts(*tensors)
    left, right = shared.logsumexp(1)[:, None], own.logsumexp(1)[:, None]
    return (left * a + right * b) / (left + right)


@PROMPT.mistake
def weighs_by_the_number_of_keys(*tensors):
    """You weigh the parts by their numbers of keys. That would be right if all scores were equal."""
    (shared, own), (a, b) = two_parts(*tensors)
    n, m = shared.shape[1], own.shape[1]
    return (n * a + m * b) / (n + m)


@PROMPT.mistake
def no_scale(*x):
    """The scores are not divided by the root of the width."""
    return shared_prompt(*x, scale=1.0)


@PROMPT.mistake
def own_keys_only(*x):
    """That is attention over the request's own keys alone. The prompt is part of the text."""
    return two_parts(*x)[1][1]


EXERCISES = (MERGE, SHARE, INTENSITY, BLOCKS, RECORDS, CAUSAL, PROMPT)
