"""Exercises of the chapter on relative positions."""

from __future__ import annotations

import math

import sympy
import torch

from course.grading.exercise import Exercise
from course.grading.meter import LargestTensor


def draw(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


# 1: the row of the table for each pair


def rows(n_query, n_key, furthest):
    offset = torch.arange(n_key) - torch.arange(n_key - n_query, n_key)[:, None]
    return offset.clamp(-furthest, furthest) + furthest


ROWS = Exercise(
    1, kind="implement", reference=rows, cases=lambda: [(4, 4, 2), (2, 5, 2), (5, 3, 1), (3, 6, 9)]
)


@ROWS.mistake
def query_minus_key(t, s, c):
    """Your table is mirrored: you took i − j. The offset is j − i, negative for keys before the query, so
    that the first row of the table belongs to the farthest key before it."""
    return 2 * c - rows(t, s, c)


@ROWS.mistake
def aligned_at_the_first_key(n_query, n_key, furthest):
    """You count queries and keys from the same beginning. With fewer queries than keys the queries are the
    last positions: query i stands at place i + S − T."""
    offset = torch.arange(n_key) - torch.arange(n_query)[:, None]
    return offset.clamp(-furthest, furthest) + furthest


@ROWS.mistake
def does_not_start_at_zero(t, s, c):
    """Those are the clipped offsets, from −c to c. A negative row number counts from the end of the table and
    raises no error: add c."""
    return rows(t, s, c) - c


@ROWS.mistake
def clips_after_the_shift(n_query, n_key, furthest):
    """You add c before you clip to −c … c. All keys after the query fall into one row, and offsets far before
    it become negative rows. Clip first, or clip to 0 … 2c."""
    offset = torch.arange(n_key) - torch.arange(n_key - n_query, n_key)[:, None]
    return (offset + furthest).clamp(-furthest, furthest)


@ROWS.mistake
def clips_to_half_the_table(t, s, c):
    """All keys after the query use the row of offset 0. The table has 2c + 1 rows, so after adding c the
    numbers run from 0 to 2c."""
    return rows(t, s, c).clamp(max=c)


@ROWS.mistake
def does_not_clip(t, s, c):
    """Offsets beyond c steps leave the table: numbers above 2c raise an error, and negative ones count from
    its end. Far keys share the last row of their side."""
    return rows(t, s, t + s) - (t + s) + c


@ROWS.mistake
def distance_without_direction(t, s, c):
    """You took the distance. A key before the query and one after it have different rows: keep the sign of
    the offset."""
    return (rows(t, s, c) - c).abs() + c


@ROWS.mistake
def moves_the_queries_the_wrong_way(n_query, n_key, furthest):
    """Query i stands at place i + S − T, not at i − S + T: with fewer queries than keys the last query and
    the last key stand at the same place."""
    offset = torch.arange(n_key) - torch.arange(n_query - n_key, 2 * n_query - n_key)[:, None]
    return offset.clamp(-furthest, furthest) + furthest


# 2: relative scores without the big tensor


def run_within_the_scores(relative_scores, q, table, row):
    with LargestTensor() as largest:
        out = relative_scores(q, table, row)
    return {"scores": out, "no tensor larger than the scores": largest.size <= row.numel()}


def relative_scores(q, table, row):
    return (q @ table.T).gather(1, row)


FACTORED = Exercise(
    2,
    kind="faster",
    reference=relative_scores,
    run=run_within_the_scores,
    cases=lambda: [
        (*draw((t, d), (2 * c + 1, d), seed=c), rows(t, s, c))
        for t, s, d, c in ((7, 7, 4, 2), (5, 9, 16, 1), (12, 20, 3, 4))
    ],
)


@FACTORED.mistake
def picks_first(q, table, row):
    """The scores are right, but table[row] has a vector for each pair of a query and a key. Multiply the
    queries with the whole table first, then pick numbers."""
    return (q[:, None] * table[row]).sum(-1)


@FACTORED.mistake
def picks_first_query_by_query(q, table, row):
    """The scores are right, and a loop keeps the tensor of all pairs away. But table[row[i]] still has a
    vector for each key, most of them the same. Multiply with the table first, then pick numbers."""
    return torch.stack([table[row[i]] @ q[i] for i in range(len(q))])


@FACTORED.mistake
def scaled(q, table, row):
    """You divided by √d. The task asks for the products themselves, unscaled."""
    return relative_scores(q, table, row) / math.sqrt(q.shape[1])


@FACTORED.mistake
def one_row_for_all_queries(q, table, row):
    """You used the rows of the last query for all queries. Each query stands somewhere else, so it needs a
    row of indices of its own: gather(1, row)."""
    return (q @ table.T)[:, row[-1]]


@FACTORED.mistake
def sums_over_the_queries(q, table, row):
    """Every query has the same products. Do not sum over the queries: q @ table.T has one row each."""
    return (q.sum(0, keepdim=True) @ table.T).expand(len(q), -1).gather(1, row)


@FACTORED.mistake
def mirrored(q, table, row):
    """Your offsets are mirrored: what belongs to the key before is used for the key after."""
    return (q @ table.T).gather(1, len(table) - 1 - row)


# 3: a skew that slides the wrong way


def skewed(x):
    n = len(x)
    padded = torch.cat([x.new_zeros(n, 1), x], 1)
    return padded.flatten().view(n + 1, n)[1:].tril()


SKEW = Exercise(
    3, kind="find the bug", reference=skewed, cases=lambda: [draw((n, n), seed=n) for n in (4, 7, 2)]
)


@SKEW.mistake
def pads_on_the_right(x):
    """The bug is still there: the zeros stand at the right. Then every entry lies one place too far left in
    memory, and each query gets the offset of its neighbour. Pad at the left."""
    n = len(x)
    return torch.cat([x, x.new_zeros(n, 1)], 1).flatten().view(n + 1, n)[1:].tril()


@SKEW.mistake
def as_given(x):
    """It still does what the given function does. Look at entry (0, 0) of its result: it should be the last
    entry of row 0 of x, and it is the zero that was put behind it."""
    return torch.cat([x, x.new_zeros(len(x), 1)], 1).flatten().view(len(x) + 1, len(x))[1:]


@SKEW.mistake
def pads_on_the_right_and_drops_the_end(x):
    """Both ends are swapped: with the zeros at the right and the last row dropped, row 0 stays where it was.
    Pad at the left, drop the first row."""
    return torch.cat([x, x.new_zeros(len(x), 1)], 1).flatten().view(len(x) + 1, len(x))[:-1].tril()


@SKEW.mistake
def hides_too_much(x):
    """The diagonal is missing. It belongs to offset 0, the last column of x: tril() keeps it."""
    return skewed(x).tril(-1)


@SKEW.mistake
def drops_the_last_row(x):
    """You dropped the last row after the reshape. Follow entry (0, T − 1): it stands at place T of the padded
    matrix and must become the first of the result. Drop the first row."""
    n = len(x)
    return torch.cat([x.new_zeros(n, 1), x], 1).flatten().view(n + 1, n)[:-1].tril()


@SKEW.mistake
def leaves_the_junk(x):
    """At and below the diagonal you are right. Above it stand entries of the next query, which do not belong
    there: the task asks for zeros, tril()."""
    n = len(x)
    return torch.cat([x.new_zeros(n, 1), x], 1).flatten().view(n + 1, n)[1:]


@SKEW.mistake
def transposes_instead_of_reading_on(x):
    """You transposed before the change of shape. The trick needs the entries in their order in memory:
    flatten the padded matrix as it is and read rows of another length."""
    n = len(x)
    return torch.cat([x.new_zeros(n, 1), x], 1).T.reshape(n + 1, n)[1:].tril()


# 4: the buckets of T5


def bucket(offset, n_buckets, max_distance):
    per_side = n_buckets // 2
    exact = per_side // 2
    wide = per_side - exact
    distance = abs(offset)
    number = distance
    if distance >= exact:
        passed = (max_distance**k * exact**wide <= distance**wide * exact**k for k in range(1, wide))
        number = exact + sum(passed)
    return number + per_side * (offset > 0)


def bucket_with(offset, n_buckets, max_distance, *, halved=True, sign=1, clamped=True, base_two=False):
    per_side = n_buckets // 2 if halved else n_buckets
    exact = per_side // 2
    distance = abs(offset)
    number = distance
    if distance >= exact:
        top = math.log2(distance / exact) if base_two else math.log(distance / exact)
        number = exact + int(top / math.log(max_distance / exact) * (per_side - exact))
        number = min(number, per_side - 1) if clamped else number
    return number + (n_buckets // 2) * (sign * offset > 0)


def bucket_rounded(offset, n_buckets, max_distance):
    """One border where the usual logarithms of float64 stop short, the same on all computers."""
    return bucket(offset, n_buckets, max_distance) - (n_buckets == 108 and abs(offset) == 36)


BUCKETS = Exercise(
    4,
    kind="find the bug",
    reference=lambda offset, n, distance: [bucket(r, n, distance) for r in offset],
    cases=lambda: [
        ([*range(-140, 141)], 32, 128),
        ([*range(-40, 41)], 16, 32),
        ([-30, -25, -5, 0, 5, 25, 30, 700], 20, 50),
        ([-70, -36, -35, -20, 20, 35, 36, 70], 108, 64),
    ],
)


@BUCKETS.mistake
def past_and_future_swapped(offset, n, distance):
    """Past and future are swapped: keys after the query, with a positive offset, have the upper half of the
    buckets. Weights trained with the published code would look the wrong way."""
    return [bucket_with(r, n, distance, sign=-1) for r in offset]


@BUCKETS.mistake
def does_not_halve(offset, n, distance):
    """Each direction has only half of the buckets. Without halving first, far keys before the query share
    buckets with keys after it, and the numbers leave the table."""
    return [bucket_with(r, n, distance, halved=False) for r in offset]


@BUCKETS.mistake
def leaves_the_table(offset, n, distance):
    """Beyond the maximum distance your buckets keep counting: far keys before the query get buckets of keys
    after it. Everything from there on shares the last bucket of its side."""
    return [bucket_with(r, n, distance, clamped=False) for r in offset]


@BUCKETS.mistake
def rounds_on_a_border(offset, n, distance):
    """Almost: that is the fifth. With 108 buckets up to 64, distance 36 lies exactly on a border, and the
    ratio of two rounded logarithms falls just below a whole number. Count the borders that have been passed,
    in whole numbers."""
    return [bucket_rounded(r, n, distance) for r in offset]


@BUCKETS.mistake
def clamps_to_the_whole_table(offset, n, distance):
    """You cut at the end of the whole table. Far keys before the query still get buckets of keys after it:
    cut at the last bucket of a side, before you add the half for the direction."""
    return [min(bucket_with(r, n, distance, clamped=False), n - 1) for r in offset]


@BUCKETS.mistake
def two_logarithms(offset, n, distance):
    """You divide a logarithm to base 2 by a natural one. Any base will do, but both logarithms must have the
    same: only their ratio counts."""
    return [bucket_with(r, n, distance, base_two=True) for r in offset]


@BUCKETS.mistake
def ignores_the_direction(offset, n, distance):
    """Keys before and after the query share your buckets. In an encoder the side matters: add half of the
    number of buckets where the offset is positive."""
    return [bucket_with(-abs(r), n, distance) for r in offset]


# 5: how many tokens a slope can see


def tokens_within(slope, share):
    return math.ceil(-math.log1p(-share) / slope)


SEES = Exercise(
    5,
    kind="predict",
    reference=tokens_within,
    cases=lambda: [(0.5, 0.5), (1 / 16, 0.9), (1 / 256, 0.99), (0.25, 0.3), (1 / 3, 0.6321)],
)


@SEES.mistake
def share_beyond(m, share):
    """You solved for the distance beyond which the share lies. The nearest n tokens hold 1 − exp(−m n): set
    this equal to the share."""
    return math.ceil(-math.log(share) / m)


@SEES.mistake
def rounds_down(m, share):
    """That many tokens do not hold the share yet. The smallest whole number that does is the next one up."""
    return math.floor(-math.log1p(-share) / m)


@SEES.mistake
def not_rounded(m, share):
    """That is where the share is reached exactly. Tokens are counted: the smallest whole number that is not
    less."""
    return -math.log1p(-share) / m


@SEES.mistake
def logarithm_to_base_two(m, share):
    """Your logarithm has base 2. The weights fall with exp(−m t), so it must be the natural one."""
    return math.ceil(-math.log2(1 - share) / m)


@SEES.mistake
def forgets_the_share(m, share):
    """1/m tokens hold 1 − 1/e of the weight. Another share needs another number of them."""
    return math.ceil(1 / m)


@SEES.mistake
def one_too_many(m, share):
    """One token less is enough. The query's own position, at distance 0, is one of the n tokens."""
    return math.ceil(-math.log1p(-share) / m) + 1


# 6: the spread of the window

M = sympy.Symbol("m", positive=True)

SPREAD = Exercise(6, kind="derive", reference=sympy.exp(M) / (sympy.exp(M) - 1) ** 2)

SPREAD.mistake(
    "the-mean",
    1 / (sympy.exp(M) - 1),
    "That is the mean distance. The variance is what the mean loses per unit of slope: −d/dm of it.",
)
SPREAD.mistake(
    "mean-square",
    (sympy.exp(M) + 1) / (sympy.exp(M) - 1) ** 2,
    "That is the mean of the squared distance. Subtract the square of the mean distance.",
)
SPREAD.mistake(
    "continuous",
    1 / M**2,
    "That is the variance of a continuous exponential distribution, right only in the limit of "
    "small slopes. Distances are whole numbers.",
)
SPREAD.mistake(
    "standard-deviation",
    sympy.exp(M / 2) / (sympy.exp(M) - 1),
    "That is the standard deviation. The variance is its square.",
)
SPREAD.mistake(
    "second-derivative-of-the-mean",
    sympy.diff(1 / (sympy.exp(M) - 1), M, 2),
    "You differentiated the mean twice. It is the logarithm of Z that is differentiated twice: the"
    " mean is already its first derivative, up to the sign.",
)
SPREAD.mistake(
    "wrong-sign",
    -sympy.exp(M) / (sympy.exp(M) - 1) ** 2,
    "A variance cannot be negative. A steeper slope brings the mean nearer: its derivative is "
    "negative, and the variance is minus that.",
)
SPREAD.mistake(
    "inner-derivative-missing",
    1 / (sympy.exp(M) - 1) ** 2,
    "The derivative of 1/(exp(m) − 1) has the factor exp(m), by the chain rule.",
)


EXERCISES = (ROWS, FACTORED, SKEW, BUCKETS, SEES, SPREAD)
