"""Exercises of the chapter on absolute positions."""

from __future__ import annotations

import math

import sympy
import torch
from torch.utils.flop_counter import FlopCounterMode

from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.grading.meter import LargestTensor
from course.positions import sinusoidal

# 1: the table


def table_by(angles, first=torch.sin, second=torch.cos):
    return torch.stack([first(angles), second(angles)], -1).flatten(-2)


def angles_of(positions, frequencies):
    return positions[:, None] * frequencies


def even(d):
    return torch.arange(0, d, 2).double()


TABLE = Exercise(1, kind="implement", reference=sinusoidal, cases=lambda: [(5, 6), (12, 4), (1, 2)])


@TABLE.mistake
def halves(n, d):
    """You put all sines first and all cosines after. That is the layout of Tensor2Tensor; the one of the
    paper has them side by side, sine in column 2i, cosine in column 2i + 1."""
    pe = sinusoidal(n, d)
    return torch.cat([pe[:, ::2], pe[:, 1::2]], 1)


@TABLE.mistake
def half_exponent(n, d):
    """Your exponent is i/d. It is 2i/d, or yours would stop at wavelengths of 100 · 2π."""
    return table_by(angles_of(torch.arange(n).double(), 10000 ** -(torch.arange(d // 2) / d))).float()


@TABLE.mistake
def column_as_index(n, d):
    """You use the number of the column for i. Columns 2i and 2i + 1 share one frequency, with i = column //
    2; otherwise sine and cosine do not belong to one rotation."""
    columns = torch.arange(d)
    angles = angles_of(torch.arange(n).double(), 10000 ** (-2 * columns / d))
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos()).float()


@TABLE.mistake
def counts_from_one(n, d):
    """Your first row is that of position 1. Positions count from zero: sines 0, cosines 1."""
    return sinusoidal(n + 1, d)[1:]


@TABLE.mistake
def cosine_first(n, d):
    """Sine and cosine have changed places: the sine stands in the even column."""
    pe = sinusoidal(n, d)
    return torch.stack([pe[:, 1::2], pe[:, ::2]], -1).flatten(-2)


@TABLE.mistake
def multiplies_by_the_power(n, d):
    """You multiply the position by 10000^(2i/d) instead of dividing: the waves become shorter from pair to
    pair."""
    return table_by(angles_of(torch.arange(n).double(), 10000 ** (even(d) / d))).float()


@TABLE.mistake
def doubled_exponent(n, d):
    """Your exponent is 4i/d. `torch.arange(0, d, 2)` is 2i already; do not double it again."""
    return table_by(angles_of(torch.arange(n).double(), 10000 ** (-2 * even(d) / d))).float()


@TABLE.mistake
def frequencies_of_the_library(n, d):
    """Your frequencies are those of Tensor2Tensor, 10000^(−i/(d/2 − 1)). The paper has d/2 in the
    denominator."""
    pairs = torch.arange(d // 2).double()
    return table_by(angles_of(torch.arange(n).double(), 10000 ** (-pairs / max(d // 2 - 1, 1)))).float()


@TABLE.mistake
def forgets_the_logarithm(n, d):
    """You take exp(−2i/d), so your base is e. 10000^x is exp(x log 10000)."""
    return table_by(angles_of(torch.arange(n).double(), torch.exp(-even(d) / d))).float()


# 2: the distance of two positions

OMEGA, OFFSET = sympy.symbols("omega k", positive=True)

DISTANCE = Exercise(2, kind="derive", reference=4 * sympy.sin(OMEGA * OFFSET / 2) ** 2)

DISTANCE.mistake(
    "not-squared",
    2 * sympy.sin(OMEGA * OFFSET / 2),
    "That is the distance (where the sine is positive). The squared distance is asked for, without the root.",
)
DISTANCE.mistake(
    "half",
    1 - sympy.cos(OMEGA * OFFSET),
    "That is half of it. Two squared lengths of 1 make 2, and the mixed term comes twice.",
)
DISTANCE.mistake(
    "small-angle",
    (OMEGA * OFFSET) ** 2,
    "That holds for small angles only, and grows without end. Two points on a circle of radius 1 are "
    "never further apart than 2.",
)
DISTANCE.mistake(
    "dot-product",
    sympy.cos(OMEGA * OFFSET),
    "That is the dot product. The squared distance is the two squared lengths less twice that.",
)
DISTANCE.mistake(
    "counts-the-length-once",
    1 - 2 * sympy.cos(OMEGA * OFFSET),
    "Both vectors have the squared length 1, so there is a 2 in front. At k = 0 your distance is negative.",
)
DISTANCE.mistake(
    "forgets-the-factor-two",
    2 - sympy.cos(OMEGA * OFFSET),
    "The mixed term comes twice: |a − b|² = |a|² + |b|² − 2 a·b. At k = 0 the distance must be 0.",
)
DISTANCE.mistake(
    "angle-not-halved", 4 * sympy.sin(OMEGA * OFFSET) ** 2, "1 − cos x = 2 sin²(x/2): the angle is halved."
)
DISTANCE.mistake(
    "wrong-sign",
    2 + 2 * sympy.cos(OMEGA * OFFSET),
    "That is the squared length of the sum. At k = 0 the distance must be 0.",
)


# 3: the step as a matrix


def shift(k, d):
    return torch.block_diag(*(turn(k * 10000 ** (-2 * i / d)) for i in range(d // 2)))


def turn(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]])


SHIFT = Exercise(3, kind="implement", reference=shift, cases=lambda: [(1, 4), (3, 6), (-20, 8)])


@SHIFT.mistake
def steps_back(k, d):
    """Your matrix moves positions by −k. Vectors are rows here, so the matrix stands on the right; in the
    usual form for columns the minus stands at the other sine."""
    return shift(-k, d)


@SHIFT.mistake
def one_frequency(k, d):
    """All your pairs turn by k. Pair i turns by k ω_i, with its own frequency."""
    return torch.block_diag(*(turn(float(k)) for _ in range(d // 2)))


@SHIFT.mistake
def halves_(k, d):
    """Your matrix fits the layout with all sines first. Here sine and cosine of a pair are neighbours, and
    the matrix is made of 2 × 2 blocks on the diagonal."""
    order = [*range(0, d, 2), *range(1, d, 2)]
    return shift(k, d)[order][:, order]


@SHIFT.mistake
def half_exponent_(k, d):
    """Your frequencies have the exponent −i/d. It is −2i/d."""
    return torch.block_diag(*(turn(k * 10000 ** (-i / d)) for i in range(d // 2)))


@SHIFT.mistake
def forgets_the_sign(k, d):
    """Check the signs: exactly one of the two sines in each block has a minus."""
    columns = torch.arange(d)
    return torch.where(columns[:, None] < columns, -shift(k, d), shift(k, d))


@SHIFT.mistake
def two_minuses(k, d):
    """Both sines of your blocks have a minus. That is a reflection; a rotation has one."""
    columns = torch.arange(d)
    return torch.where(columns[:, None] > columns, -shift(k, d), shift(k, d))


@SHIFT.mistake
def ignores_the_sign_of_k(k, d):
    """Your matrix steps forward even if k is negative. Cosine forgets the sign of k, sine must not."""
    return shift(abs(k), d)


@SHIFT.mistake
def doubled_exponent_(k, d):
    """Your frequencies have the exponent −4i/d. Count pairs, or columns in steps of two; not both."""
    return torch.block_diag(*(turn(k * 10000 ** (-4 * i / d)) for i in range(d // 2)))


# 4: which pairs turn


def pairs_that_turn(d, n):
    return sum(2 * math.pi * 10000 ** (2 * i / d) <= n for i in range(d // 2))


TURNS = Exercise(
    4,
    kind="predict",
    reference=pairs_that_turn,
    cases=lambda: [(512, 512), (64, 16), (128, 4096), (64, 100_000), (16, 3), (64, 1)],
)


@TURNS.mistake
def forgets_two_pi(d, n):
    """You count the pairs that have turned by one radian. A full turn has 2π."""
    return sum(10000 ** (2 * i / d) <= n for i in range(d // 2))


@TURNS.mistake
def half_turn(d, n):
    """You count half turns: a full turn takes 2π/ω positions."""
    return sum(math.pi * 10000 ** (2 * i / d) <= n for i in range(d // 2))


@TURNS.mistake
def half_exponent__(d, n):
    """Your exponent is i/d. The wavelength of pair i is 2π · 10000^(2i/d)."""
    return sum(2 * math.pi * 10000 ** (i / d) <= n for i in range(d // 2))


@TURNS.mistake
def counts_columns(d, n):
    """You count columns. Two columns make a pair."""
    return 2 * pairs_that_turn(d, n)


@TURNS.mistake
def counts_those_that_do_not(d, n):
    """Those are the pairs that do not come round. The fast pairs, with the short waves, do."""
    return d // 2 - pairs_that_turn(d, n)


@TURNS.mistake
def formula_without_limits(d, n, first=1):
    """Your formula is right between the limits: there are no fewer than 0 pairs and no more than d/2."""
    return math.floor(d / 2 * math.log(n / (2 * math.pi)) / math.log(10000)) + first


@TURNS.mistake
def no_upper_limit(d, n):
    """There are d/2 pairs, i = 0, …, d/2 − 1. For a text longer than every wavelength you count pairs that do
    not exist."""
    return max(0, formula_without_limits(d, n))


@TURNS.mistake
def no_lower_limit(d, n):
    """In a text of a token or two your count is negative. There are no fewer than 0 pairs."""
    return min(d // 2, formula_without_limits(d, n))


@TURNS.mistake
def forgets_the_first(d, n):
    """You give the largest i. Pairs count from i = 0, so there is one more."""
    return max(0, min(d // 2, formula_without_limits(d, n, first=0)))


# 5: positions of a batch


def add_positions(x, start=0):
    time, d = x.shape[-2:]
    return x + sinusoidal(start + time, d)[start:]


def run_on_a_copy(answer, x, start):
    given = x.clone()
    out = answer(given, start)
    return {"output": out.clone(), "input left alone": torch.equal(given, x)}


BATCH = Exercise(
    5,
    kind="find the bug",
    reference=add_positions,
    run=run_on_a_copy,
    cases=lambda: [(draw((2, 5, 6))[0], 0), (draw((3, 4, 8), seed=1)[0], 7), (draw((1, 6, 4), seed=2)[0], 2)],
)


@BATCH.mistake
def one_position_per_sequence(x, start=0):
    """The bug is still there: x.shape[0] is the batch, so every token of a sequence gets the same position,
    and which one depends on its place in the batch. Time is the axis before the last."""
    return x + sinusoidal(start + x.shape[0], x.shape[-1])[start:, None]


@BATCH.mistake
def ignores_the_start(x, start=0):
    """You begin at position 0 whatever `start` says. A token that continues a text is not its first."""
    return add_positions(x, 0)


@BATCH.mistake
def start_off_by_one(x, start=0):
    """Your positions are one too high: the first token has the position `start`, and counting begins at
    zero."""
    return add_positions(x, start + 1)


@BATCH.mistake
def changes_its_input(x, start=0):
    """The sum is right, but it is written into x. The caller's embeddings have changed, and a second call
    would add the positions again."""
    x.data += sinusoidal(start + x.shape[-2], x.shape[-1])[start:]
    return x


@BATCH.mistake
def scales_the_sum(x, start=0):
    """You multiply the sum by √d. The factor belongs to the embedding alone, before the positions are added;
    and here x is embedded already."""
    return add_positions(x, start) * math.sqrt(x.shape[-1])


@BATCH.mistake
def scales_the_embedding(x, start=0):
    """You multiply x by √d. Nothing is said of that here: x is embedded already and lacks only its
    positions."""
    return add_positions(x * math.sqrt(x.shape[-1]), start)


@BATCH.mistake
def returns_the_table(x, start=0):
    """You return what is to be added. Add it to x."""
    return add_positions(torch.zeros_like(x), start)


# 6: four parts


def four_parts(x, f, y, g, w_q, w_k):
    scale = 1 / math.sqrt(w_q.shape[1])
    return torch.stack([scale * (a @ w_q) @ (b @ w_k).mT for a in (x, f) for b in (y, g)])


PARTS = Exercise(
    6,
    kind="implement",
    reference=four_parts,
    gradients=True,
    cases=lambda: [
        draw((3, 6), (3, 6), (5, 6), (5, 6), (6, 4), (6, 4), requires_grad=True),
        draw((2, 8), (2, 8), (4, 8), (4, 8), (8, 3), (8, 3), seed=1, requires_grad=True),
    ],
)


@PARTS.mistake
def no_scale(x, f, y, g, w_q, w_k):
    """Your parts are those of the dot product. Their sum must be the score, which is divided by √d_k."""
    return four_parts(x, f, y, g, w_q, w_k) * math.sqrt(w_q.shape[1])


@PARTS.mistake
def mixed_parts_swapped(x, f, y, g, w_q, w_k):
    """Your second and third part have changed places. The first word is the query: content–position is a
    query's content that meets the position of a key."""
    return four_parts(x, f, y, g, w_q, w_k)[[0, 2, 1, 3]]


@PARTS.mistake
def root_of_d_model(x, f, y, g, w_q, w_k):
    """You divide by the root of d_model. The vectors in the product have the width d_k."""
    return no_scale(x, f, y, g, w_q, w_k) / math.sqrt(w_q.shape[0])


@PARTS.mistake
def divides_by_d_k(x, f, y, g, w_q, w_k):
    """You divide by d_k. It is the root of d_k."""
    return four_parts(x, f, y, g, w_q, w_k) / math.sqrt(w_q.shape[1])


@PARTS.mistake
def projections_exchanged(x, f, y, g, w_q, w_k):
    """Your W_Q and W_K have changed places: x and f go through W_Q, y and g through W_K."""
    return four_parts(x, f, y, g, w_k, w_q)


@PARTS.mistake
def one_projection(x, f, y, g, w_q, w_k):
    """You use W_Q on both sides. Keys have a projection of their own."""
    return four_parts(x, f, y, g, w_q, w_q)


@PARTS.mistake
def forgets_the_mixed_parts(x, f, y, g, w_q, w_k):
    """(x + f)(y + g) has four products, not two: your mixed parts are zero."""
    parts = four_parts(x, f, y, g, w_q, w_k)
    return torch.stack([parts[0], 0 * parts[1], 0 * parts[2], parts[3]])


@PARTS.mistake
def softmax_of_each_part(x, f, y, g, w_q, w_k):
    """You took the softmax of each part. Scores add up, weights do not: softmax comes after the sum."""
    return four_parts(x, f, y, g, w_q, w_k).softmax(-1)


# 7: all dot products of a table


def gram(n, d):
    offsets = torch.arange(n)
    frequencies = 10000 ** (-torch.arange(0, d, 2) / d)
    by_offset = (offsets[:, None] * frequencies).cos().sum(1)
    return by_offset[(offsets[:, None] - offsets).abs()]


def run_counting(answer, n, d):
    with FlopCounterMode(display=False) as counter:
        answer(n, d)
    with LargestTensor() as meter:
        out = answer(n, d)
    return {
        "products": out,
        "no product of matrices": counter.get_total_flops() == 0,
        "no tensor larger than the answer": meter.size <= max(n * n, n * d),
        "few operations for each entry": meter.total <= 8 * (n * n + n * d),
    }


GRAM = Exercise(
    7, kind="faster", reference=gram, run=run_counting, cases=lambda: [(7, 6), (20, 12), (33, 24)]
)


@GRAM.mistake
def multiplies_the_table(n, d):
    """Your numbers are right, but 2n²d operations were spent on a product of matrices. There are only n
    different offsets: compute one sum of cosines for each."""
    pe = sinusoidal(n, d)
    return pe @ pe.T


@GRAM.mistake
def a_cosine_for_each_pair(n, d):
    """Your numbers are right, but you take cosines for every pair of positions, in a tensor of n × n × d/2.
    Take them once for each offset, then pick."""
    offsets = torch.arange(n)[:, None] - torch.arange(n)
    return (offsets[..., None] * 10000 ** (-torch.arange(0, d, 2) / d)).cos().sum(-1)


@GRAM.mistake
def a_product_in_pieces(n, d):
    """Your numbers are right, and no tensor is too large, but each of the n × n entries still costs a sum
    over the width. Only n of the entries differ: sum once for each offset, then pick."""
    pe = sinusoidal(n, d)
    return torch.stack([(pe * row).sum(1) for row in pe])


@GRAM.mistake
def offsets_wrap_around(n, d):
    """Above the diagonal your offsets are negative, and a negative index counts from the end: offset −1
    became n − 1. Cosine is even: use the absolute offset."""
    offsets = torch.arange(n)
    by_offset = (offsets[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)).cos().sum(1)
    return by_offset[offsets[:, None] - offsets]


@GRAM.mistake
def mean_for_sum(n, d):
    """You took the mean over the pairs. The dot product is their sum; its diagonal is d/2."""
    return gram(n, d) / (d / 2)


@GRAM.mistake
def sums_over_columns(n, d):
    """Your sum runs over all columns. Sine and cosine of a pair together make one cosine: d/2 terms."""
    return 2 * gram(n, d)


EXERCISES = (TABLE, DISTANCE, SHIFT, TURNS, BATCH, PARTS, GRAM)
