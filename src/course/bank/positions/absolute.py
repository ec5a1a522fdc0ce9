"""Exercises of the chapter on absolute positions."""

from __future__ import annotations

import math

import sympy
import torch
from torch.utils.flop_counter import FlopCounterMode

from course.grading.exercise import Exercise, Mistake
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


def table_with_halves(n, d):
    pe = sinusoidal(n, d)
    return torch.cat([pe[:, ::2], pe[:, 1::2]], 1)


def table_with_half_exponents(n, d):
    return table_by(angles_of(torch.arange(n).double(), 10000 ** -(torch.arange(d // 2) / d))).float()


def table_with_columns_as_index(n, d):
    columns = torch.arange(d)
    angles = angles_of(torch.arange(n).double(), 10000 ** (-2 * columns / d))
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos()).float()


def table_from_one(n, d):
    return sinusoidal(n + 1, d)[1:]


def table_with_cosine_first(n, d):
    pe = sinusoidal(n, d)
    return torch.stack([pe[:, 1::2], pe[:, ::2]], -1).flatten(-2)


def table_multiplied(n, d):
    return table_by(angles_of(torch.arange(n).double(), 10000 ** (even(d) / d))).float()


def table_with_doubled_exponents(n, d):
    return table_by(angles_of(torch.arange(n).double(), 10000 ** (-2 * even(d) / d))).float()


def table_of_the_library(n, d):
    pairs = torch.arange(d // 2).double()
    return table_by(angles_of(torch.arange(n).double(), 10000 ** (-pairs / max(d // 2 - 1, 1)))).float()


def table_without_base(n, d):
    return table_by(angles_of(torch.arange(n).double(), torch.exp(-even(d) / d))).float()


TABLE = Exercise(
    number=1,
    kind="implement",
    reference=sinusoidal,
    cases=lambda: [(5, 6), (12, 4), (1, 2)],
    mistakes=(
        Mistake(
            "halves",
            table_with_halves,
            "You put all sines first and all cosines after. That is the layout of Tensor2Tensor; the one of "
            "the paper has them side by side, sine in column 2i, cosine in column 2i + 1.",
        ),
        Mistake(
            "half-exponent",
            table_with_half_exponents,
            "Your exponent is i/d. It is 2i/d, or yours would stop at wavelengths of 100 · 2π.",
        ),
        Mistake(
            "column-as-index",
            table_with_columns_as_index,
            "You use the number of the column for i. Columns 2i and 2i + 1 share one frequency, with i = "
            "column // 2; otherwise sine and cosine do not belong to one rotation.",
        ),
        Mistake(
            "counts-from-one",
            table_from_one,
            "Your first row is that of position 1. Positions count from zero: sines 0, cosines 1.",
        ),
        Mistake(
            "cosine-first",
            table_with_cosine_first,
            "Sine and cosine have changed places: the sine stands in the even column.",
        ),
        Mistake(
            "multiplies-by-the-power",
            table_multiplied,
            "You multiply the position by 10000^(2i/d) instead of dividing: the waves become shorter from "
            "pair to pair.",
        ),
        Mistake(
            "doubled-exponent",
            table_with_doubled_exponents,
            "Your exponent is 4i/d. `torch.arange(0, d, 2)` is 2i already; do not double it again.",
        ),
        Mistake(
            "frequencies-of-the-library",
            table_of_the_library,
            "Your frequencies are those of Tensor2Tensor, 10000^(−i/(d/2 − 1)). The paper has d/2 in the "
            "denominator.",
        ),
        Mistake(
            "forgets-the-logarithm",
            table_without_base,
            "You take exp(−2i/d), so your base is e. 10000^x is exp(x log 10000).",
        ),
    ),
)


# 2: the distance of two positions

OMEGA, OFFSET = sympy.symbols("omega k", positive=True)

DISTANCE = Exercise(
    number=2,
    kind="derive",
    reference=4 * sympy.sin(OMEGA * OFFSET / 2) ** 2,
    mistakes=(
        Mistake(
            "not-squared",
            2 * sympy.sin(OMEGA * OFFSET / 2),
            "That is the distance (where the sine is positive). The squared distance is asked for, without "
            "the root.",
        ),
        Mistake(
            "half",
            1 - sympy.cos(OMEGA * OFFSET),
            "That is half of it. Two squared lengths of 1 make 2, and the mixed term comes twice.",
        ),
        Mistake(
            "small-angle",
            (OMEGA * OFFSET) ** 2,
            "That holds for small angles only, and grows without end. Two points on a circle of radius 1 are "
            "never further apart than 2.",
        ),
        Mistake(
            "dot-product",
            sympy.cos(OMEGA * OFFSET),
            "That is the dot product. The squared distance is the two squared lengths less twice that.",
        ),
        Mistake(
            "counts-the-length-once",
            1 - 2 * sympy.cos(OMEGA * OFFSET),
            "Both vectors have the squared length 1, so there is a 2 in front. At k = 0 your distance is "
            "negative.",
        ),
        Mistake(
            "forgets-the-factor-two",
            2 - sympy.cos(OMEGA * OFFSET),
            "The mixed term comes twice: |a − b|² = |a|² + |b|² − 2 a·b. At k = 0 the distance must be 0.",
        ),
        Mistake(
            "angle-not-halved",
            4 * sympy.sin(OMEGA * OFFSET) ** 2,
            "1 − cos x = 2 sin²(x/2): the angle is halved.",
        ),
        Mistake(
            "wrong-sign",
            2 + 2 * sympy.cos(OMEGA * OFFSET),
            "That is the squared length of the sum. At k = 0 the distance must be 0.",
        ),
    ),
)


# 3: the step as a matrix


def shift(k, d):
    return torch.block_diag(*(turn(k * 10000 ** (-2 * i / d)) for i in range(d // 2)))


def turn(angle):
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s], [s, c]])


def shift_without_sign(k, d):
    columns = torch.arange(d)
    return torch.where(columns[:, None] < columns, -shift(k, d), shift(k, d))


def shift_for_halves(k, d):
    order = [*range(0, d, 2), *range(1, d, 2)]
    return shift(k, d)[order][:, order]


def shift_with_two_minuses(k, d):
    columns = torch.arange(d)
    return torch.where(columns[:, None] > columns, -shift(k, d), shift(k, d))


SHIFT = Exercise(
    number=3,
    kind="implement",
    reference=shift,
    cases=lambda: [(1, 4), (3, 6), (-20, 8)],
    mistakes=(
        Mistake(
            "steps-back",
            lambda k, d: shift(-k, d),
            "Your matrix moves positions by −k. Vectors are rows here, so the matrix stands on the right; "
            "in the usual form for columns the minus stands at the other sine.",
        ),
        Mistake(
            "one-frequency",
            lambda k, d: torch.block_diag(*(turn(float(k)) for _ in range(d // 2))),
            "All your pairs turn by k. Pair i turns by k ω_i, with its own frequency.",
        ),
        Mistake(
            "halves",
            shift_for_halves,
            "Your matrix fits the layout with all sines first. Here sine and cosine of a pair are "
            "neighbours, and the matrix is made of 2 × 2 blocks on the diagonal.",
        ),
        Mistake(
            "half-exponent",
            lambda k, d: torch.block_diag(*(turn(k * 10000 ** (-i / d)) for i in range(d // 2))),
            "Your frequencies have the exponent −i/d. It is −2i/d.",
        ),
        Mistake(
            "forgets-the-sign",
            shift_without_sign,
            "Check the signs: exactly one of the two sines in each block has a minus.",
        ),
        Mistake(
            "two-minuses",
            shift_with_two_minuses,
            "Both sines of your blocks have a minus. That is a reflection; a rotation has one.",
        ),
        Mistake(
            "ignores-the-sign-of-k",
            lambda k, d: shift(abs(k), d),
            "Your matrix steps forward even if k is negative. Cosine forgets the sign of k, sine must not.",
        ),
        Mistake(
            "doubled-exponent",
            lambda k, d: torch.block_diag(*(turn(k * 10000 ** (-4 * i / d)) for i in range(d // 2))),
            "Your frequencies have the exponent −4i/d. Count pairs, or columns in steps of two; not both.",
        ),
    ),
)


# 4: which pairs turn


def pairs_that_turn(d, n):
    return sum(2 * math.pi * 10000 ** (2 * i / d) <= n for i in range(d // 2))


def pairs_by_formula(d, n, first=1):
    return math.floor(d / 2 * math.log(n / (2 * math.pi)) / math.log(10000)) + first


TURNS = Exercise(
    number=4,
    kind="predict",
    reference=pairs_that_turn,
    cases=lambda: [(512, 512), (64, 16), (128, 4096), (64, 100_000), (16, 3), (64, 1)],
    mistakes=(
        Mistake(
            "forgets-two-pi",
            lambda d, n: sum(10000 ** (2 * i / d) <= n for i in range(d // 2)),
            "You count the pairs that have turned by one radian. A full turn has 2π.",
        ),
        Mistake(
            "half-turn",
            lambda d, n: sum(math.pi * 10000 ** (2 * i / d) <= n for i in range(d // 2)),
            "You count half turns: a full turn takes 2π/ω positions.",
        ),
        Mistake(
            "half-exponent",
            lambda d, n: sum(2 * math.pi * 10000 ** (i / d) <= n for i in range(d // 2)),
            "Your exponent is i/d. The wavelength of pair i is 2π · 10000^(2i/d).",
        ),
        Mistake(
            "counts-columns",
            lambda d, n: 2 * pairs_that_turn(d, n),
            "You count columns. Two columns make a pair.",
        ),
        Mistake(
            "counts-those-that-do-not",
            lambda d, n: d // 2 - pairs_that_turn(d, n),
            "Those are the pairs that do not come round. The fast pairs, with the short waves, do.",
        ),
        Mistake(
            "formula-without-limits",
            pairs_by_formula,
            "Your formula is right between the limits: there are no fewer than 0 pairs and no more than d/2.",
        ),
        Mistake(
            "no-upper-limit",
            lambda d, n: max(0, pairs_by_formula(d, n)),
            "There are d/2 pairs, i = 0, …, d/2 − 1. For a text longer than every wavelength you count pairs "
            "that do not exist.",
        ),
        Mistake(
            "no-lower-limit",
            lambda d, n: min(d // 2, pairs_by_formula(d, n)),
            "In a text of a token or two your count is negative. There are no fewer than 0 pairs.",
        ),
        Mistake(
            "forgets-the-first",
            lambda d, n: max(0, min(d // 2, pairs_by_formula(d, n, first=0))),
            "You give the largest i. Pairs count from i = 0, so there is one more.",
        ),
    ),
)


# 5: positions of a batch


def add_positions(x, start=0):
    time, d = x.shape[-2:]
    return x + sinusoidal(start + time, d)[start:]


def add_by_batch(x, start=0):
    return x + sinusoidal(start + x.shape[0], x.shape[-1])[start:, None]


def add_in_place(x, start=0):
    x.data += sinusoidal(start + x.shape[-2], x.shape[-1])[start:]
    return x


def add_scaling_both(x, start=0):
    return add_positions(x, start) * math.sqrt(x.shape[-1])


def add_to_scaled(x, start=0):
    return add_positions(x * math.sqrt(x.shape[-1]), start)


def run_on_a_copy(answer, x, start):
    given = x.clone()
    out = answer(given, start)
    return {"output": out.clone(), "input left alone": torch.equal(given, x)}


BATCH = Exercise(
    number=5,
    kind="find the bug",
    reference=add_positions,
    run=run_on_a_copy,
    cases=lambda: [(draw((2, 5, 6))[0], 0), (draw((3, 4, 8), seed=1)[0], 7), (draw((1, 6, 4), seed=2)[0], 2)],
    mistakes=(
        Mistake(
            "one-position-per-sequence",
            add_by_batch,
            "The bug is still there: x.shape[0] is the batch, so every token of a sequence gets the same "
            "position, and which one depends on its place in the batch. Time is the axis before the last.",
        ),
        Mistake(
            "ignores-the-start",
            lambda x, start=0: add_positions(x, 0),
            "You begin at position 0 whatever `start` says. A token that continues a text is not its first.",
        ),
        Mistake(
            "start-off-by-one",
            lambda x, start=0: add_positions(x, start + 1),
            "Your positions are one too high: the first token has the position `start`, and counting begins "
            "at zero.",
        ),
        Mistake(
            "changes-its-input",
            add_in_place,
            "The sum is right, but it is written into x. The caller's embeddings have changed, and a second "
            "call would add the positions again.",
        ),
        Mistake(
            "scales-the-sum",
            add_scaling_both,
            "You multiply the sum by √d. The factor belongs to the embedding alone, before the positions are "
            "added; and here x is embedded already.",
        ),
        Mistake(
            "scales-the-embedding",
            add_to_scaled,
            "You multiply x by √d. Nothing is said of that here: x is embedded already and lacks only its "
            "positions.",
        ),
        Mistake(
            "returns-the-table",
            lambda x, start=0: add_positions(torch.zeros_like(x), start),
            "You return what is to be added. Add it to x.",
        ),
    ),
)


# 6: four parts


def four_parts(x, f, y, g, w_q, w_k):
    scale = 1 / math.sqrt(w_q.shape[1])
    return torch.stack([scale * (a @ w_q) @ (b @ w_k).mT for a in (x, f) for b in (y, g)])


def parts_unscaled(x, f, y, g, w_q, w_k):
    return four_parts(x, f, y, g, w_q, w_k) * math.sqrt(w_q.shape[1])


def parts_swapped(x, f, y, g, w_q, w_k):
    return four_parts(x, f, y, g, w_q, w_k)[[0, 2, 1, 3]]


def parts_by_width(x, f, y, g, w_q, w_k):
    return parts_unscaled(x, f, y, g, w_q, w_k) / math.sqrt(w_q.shape[0])


def parts_without_root(x, f, y, g, w_q, w_k):
    return four_parts(x, f, y, g, w_q, w_k) / math.sqrt(w_q.shape[1])


def parts_with_exchanged_projections(x, f, y, g, w_q, w_k):
    return four_parts(x, f, y, g, w_k, w_q)


def parts_one_projection(x, f, y, g, w_q, w_k):
    return four_parts(x, f, y, g, w_q, w_q)


def parts_without_mixed(x, f, y, g, w_q, w_k):
    parts = four_parts(x, f, y, g, w_q, w_k)
    return torch.stack([parts[0], 0 * parts[1], 0 * parts[2], parts[3]])


def parts_as_weights(x, f, y, g, w_q, w_k):
    return four_parts(x, f, y, g, w_q, w_k).softmax(-1)


PARTS = Exercise(
    number=6,
    kind="implement",
    reference=four_parts,
    gradients=True,
    cases=lambda: [
        draw((3, 6), (3, 6), (5, 6), (5, 6), (6, 4), (6, 4), requires_grad=True),
        draw((2, 8), (2, 8), (4, 8), (4, 8), (8, 3), (8, 3), seed=1, requires_grad=True),
    ],
    mistakes=(
        Mistake(
            "no-scale",
            parts_unscaled,
            "Your parts are those of the dot product. Their sum must be the score, which is divided by √d_k.",
        ),
        Mistake(
            "mixed-parts-swapped",
            parts_swapped,
            "Your second and third part have changed places. The first word is the query: content–position "
            "is a query's content that meets the position of a key.",
        ),
        Mistake(
            "root-of-d-model",
            parts_by_width,
            "You divide by the root of d_model. The vectors in the product have the width d_k.",
        ),
        Mistake(
            "divides-by-d-k",
            parts_without_root,
            "You divide by d_k. It is the root of d_k.",
        ),
        Mistake(
            "projections-exchanged",
            parts_with_exchanged_projections,
            "Your W_Q and W_K have changed places: x and f go through W_Q, y and g through W_K.",
        ),
        Mistake(
            "one-projection",
            parts_one_projection,
            "You use W_Q on both sides. Keys have a projection of their own.",
        ),
        Mistake(
            "forgets-the-mixed-parts",
            parts_without_mixed,
            "(x + f)(y + g) has four products, not two: your mixed parts are zero.",
        ),
        Mistake(
            "softmax-of-each-part",
            parts_as_weights,
            "You took the softmax of each part. Scores add up, weights do not: softmax comes after the sum.",
        ),
    ),
)


# 7: all dot products of a table


def gram(n, d):
    offsets = torch.arange(n)
    frequencies = 10000 ** (-torch.arange(0, d, 2) / d)
    by_offset = (offsets[:, None] * frequencies).cos().sum(1)
    return by_offset[(offsets[:, None] - offsets).abs()]


def gram_by_product(n, d):
    pe = sinusoidal(n, d)
    return pe @ pe.T


def gram_by_broadcast(n, d):
    offsets = torch.arange(n)[:, None] - torch.arange(n)
    return (offsets[..., None] * 10000 ** (-torch.arange(0, d, 2) / d)).cos().sum(-1)


def gram_by_rows(n, d):
    pe = sinusoidal(n, d)
    return torch.stack([(pe * row).sum(1) for row in pe])


def gram_wrapped(n, d):
    offsets = torch.arange(n)
    by_offset = (offsets[:, None] * 10000 ** (-torch.arange(0, d, 2) / d)).cos().sum(1)
    return by_offset[offsets[:, None] - offsets]


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
    number=7,
    kind="faster",
    reference=gram,
    run=run_counting,
    cases=lambda: [(7, 6), (20, 12), (33, 24)],
    mistakes=(
        Mistake(
            "multiplies-the-table",
            gram_by_product,
            "Your numbers are right, but 2n²d operations were spent on a product of matrices. There are only "
            "n different offsets: compute one sum of cosines for each.",
        ),
        Mistake(
            "a-cosine-for-each-pair",
            gram_by_broadcast,
            "Your numbers are right, but you take cosines for every pair of positions, in a tensor of n × n "
            "× d/2. Take them once for each offset, then pick.",
        ),
        Mistake(
            "a-product-in-pieces",
            gram_by_rows,
            "Your numbers are right, and no tensor is too large, but each of the n × n entries still costs a "
            "sum over the width. Only n of the entries differ: sum once for each offset, then pick.",
        ),
        Mistake(
            "offsets-wrap-around",
            gram_wrapped,
            "Above the diagonal your offsets are negative, and a negative index counts from the end: offset "
            "−1 became n − 1. Cosine is even: use the absolute offset.",
        ),
        Mistake(
            "mean-for-sum",
            lambda n, d: gram(n, d) / (d / 2),
            "You took the mean over the pairs. The dot product is their sum; its diagonal is d/2.",
        ),
        Mistake(
            "sums-over-columns",
            lambda n, d: 2 * gram(n, d),
            "Your sum runs over all columns. Sine and cosine of a pair together make one cosine: d/2 terms.",
        ),
    ),
)

EXERCISES = (TABLE, DISTANCE, SHIFT, TURNS, BATCH, PARTS, GRAM)
