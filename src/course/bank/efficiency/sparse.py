"""Exercises of the chapter on sparse attention."""

from __future__ import annotations

import math

import sympy
import torch
from torch.utils.flop_counter import FlopCounterMode

from course.grading.exercise import Exercise, Mistake
from course.grading.inputs import draw

# 1: a dilated window on both sides


def both_sides(n, size, step):
    back = torch.arange(n)[:, None] - torch.arange(n)
    return (back.abs() <= size * step) & (back % step == 0)


def both_sides_in_positions(n, size, step):
    back = torch.arange(n)[:, None] - torch.arange(n)
    return (back.abs() <= size) & (back % step == 0)


def both_sides_by_position(n, size, step):
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return ((i - j).abs() <= size * step) & (j % step == 0)


def both_sides_without_itself(n, size, step):
    return both_sides(n, size, step) & ~torch.eye(n, dtype=torch.bool)


def both_sides_one_short(n, size, step):
    back = torch.arange(n)[:, None] - torch.arange(n)
    return (back.abs() < size * step) & (back % step == 0)


def both_sides_without_gaps(n, size, step):
    back = torch.arange(n)[:, None] - torch.arange(n)
    return back.abs() <= size * step


DILATED = Exercise(
    number=1,
    kind="implement",
    reference=both_sides,
    cases=lambda: [(9, 2, 3), (12, 3, 2), (8, 1, 4), (5, 2, 1)],
    mistakes=(
        Mistake(
            "looks-back-only",
            lambda n, size, step: both_sides(n, size, step).tril(),
            "Your queries look back only. Here they look both ways: take the absolute value of the distance.",
        ),
        Mistake(
            "reach-in-positions",
            both_sides_in_positions,
            "Your window ends `size` positions away. It has `size` keys on a side, `step` apart, so it "
            "ends size · step positions away.",
        ),
        Mistake(
            "gaps-by-position",
            both_sides_by_position,
            "You keep the keys whose own position is a multiple of the step. The gaps are counted from the"
            " query: the distance must be a multiple.",
        ),
        Mistake(
            "without-itself",
            both_sides_without_itself,
            "A query sees its own position: the distance 0 is a multiple of every step.",
        ),
        Mistake(
            "last-key-missing",
            both_sides_one_short,
            "The furthest key on each side is missing. The largest distance, size · step, is included.",
        ),
        Mistake(
            "no-gaps",
            both_sides_without_gaps,
            "Your window has the right length and no gaps. Keep only distances that are multiples of the "
            "step.",
        ),
        Mistake(
            "no-end",
            lambda n, size, step: both_sides(n, n, step),
            "Your window has the right gaps and no end. It has `size` keys on each side and stops there.",
        ),
        Mistake(
            "size-for-both-sides",
            lambda n, size, step: both_sides(n, size // 2, step),
            "You shared `size` between the two sides. There are `size` keys on each side.",
        ),
    ),
)


# 2: how deep


def depth(n, size):
    return -(-(n - 1) // (size - 1))


DEPTH = Exercise(
    number=2,
    kind="predict",
    reference=depth,
    cases=lambda: [(64, 9), (65, 9), (66, 9), (1000, 2), (4097, 257), (10, 10)],
    mistakes=(
        Mistake(
            "size-per-layer",
            lambda n, size: -(-n // size),
            "A window of `size` keys includes the query itself, so a layer brings size − 1 new positions.",
        ),
        Mistake(
            "rounded-down",
            lambda n, size: (n - 1) // (size - 1),
            "Round up: when the division leaves a rest, one more layer is needed for it.",
        ),
        Mistake(
            "n-positions-to-go",
            lambda n, size: -(-n // (size - 1)),
            "The first token is n − 1 positions away from the last one, not n.",
        ),
        Mistake(
            "size-positions-per-layer",
            lambda n, size: -(-(n - 1) // size),
            "The way is n − 1 positions, that is right. But a window of `size` keys includes the query "
            "itself, so a layer covers size − 1 of them.",
        ),
        Mistake(
            "first-layer-free",
            lambda n, size: -(-(n - size) // (size - 1)),
            "You took the reach of the first window off the way. That window is a layer, too: count it.",
        ),
        Mistake(
            "powers",
            lambda n, size: math.ceil(math.log(n, size) - 1e-9),
            "That many layers would do if each multiplied the reach. Windows only add to it.",
        ),
        Mistake(
            "both-directions",
            lambda n, size: -(-(n - 1) // (2 * (size - 1))),
            "You divided by the reach in two directions. The way from the first token to the last one uses"
            " only one of them.",
        ),
    ),
)


# 3: the stride where window and comb have their own prices

T, R = sympy.symbols("T r", positive=True)

STRIDE = Exercise(
    number=3,
    kind="derive",
    reference=sympy.sqrt(R * T),
    mistakes=(
        Mistake(
            "equal-prices",
            sympy.sqrt(T),
            "That is the best stride when all keys cost the same. A far key costs r times as much here.",
        ),
        Mistake(
            "price-on-the-window",
            sympy.sqrt(T / R),
            "You put the price r on the keys of the window. The far keys cost more: with a larger stride "
            "there are fewer of them.",
        ),
        Mistake(
            "root-forgotten",
            R * T,
            "The derivative is 1 − r T / c². Setting it to zero gives c²: take the root.",
        ),
        Mistake(
            "price-outside-the-root",
            R * sympy.sqrt(T),
            "The price stands beside T in r T / c, so it ends up under the root as well.",
        ),
        Mistake(
            "the-number-of-keys",
            2 * sympy.sqrt(R * T),
            "That is what a query then pays, not the stride.",
        ),
    ),
)


# 4: the layout of a mask


def layout_of(mask, size):
    rows = [torch.stack([tile.any() for tile in row.split(size, 1)]) for row in mask.split(size, 0)]
    return torch.stack(rows)


def layout_of_full_blocks(mask, size):
    rows = [torch.stack([tile.all() for tile in row.split(size, 1)]) for row in mask.split(size, 0)]
    return torch.stack(rows)


def layout_without_the_rest(mask, size):
    n, m = (x // size * size for x in mask.shape)
    return layout_of(mask[:n, :m], size)


def layout_of_diagonals(mask, size):
    rows = [
        torch.stack([tile.diagonal().any() for tile in row.split(size, 1)]) for row in mask.split(size, 0)
    ]
    return torch.stack(rows)


def layout_of_most(mask, size):
    rows = [
        torch.stack([tile.float().mean() >= 0.5 for tile in row.split(size, 1)])
        for row in mask.split(size, 0)
    ]
    return torch.stack(rows)


def masks():
    generator = torch.Generator().manual_seed(0)
    few = torch.rand(11, 14, generator=generator) < 0.12
    return [(few, 4), (torch.ones(9, 9).tril().bool(), 3), (torch.ones(6, 10).triu(5).bool(), 4), (few, 1)]


LAYOUT = Exercise(
    number=4,
    kind="implement",
    reference=layout_of,
    cases=masks,
    mistakes=(
        Mistake(
            "only-full-blocks",
            layout_of_full_blocks,
            "You keep the blocks that are visible as a whole. A block must be computed as soon as one pair"
            " in it is visible.",
        ),
        Mistake(
            "first-corner",
            lambda mask, size: mask[::size, ::size],
            "You look at the upper left pair of each block only. Any of its pairs may be visible.",
        ),
        Mistake(
            "rest-dropped",
            layout_without_the_rest,
            "The last blocks are missing when a length is no multiple of the size. They are smaller, but "
            "they count.",
        ),
        Mistake(
            "transposed",
            lambda mask, size: layout_of(mask, size).T,
            "Rows of a layout are blocks of queries, columns blocks of keys. Yours are the other way round.",
        ),
        Mistake(
            "diagonals",
            layout_of_diagonals,
            "You look at the diagonal of each block only. Any of its pairs may be visible.",
        ),
        Mistake(
            "more-than-half",
            layout_of_most,
            "You keep the blocks of which at least half is visible. One visible pair is enough, or the "
            "result will differ from that of the mask.",
        ),
    ),
)


# 5: the block before the first


def local(q, k, v, size, *, wrap=False, causal=True, fill=True, later=False, own=False):
    n = len(q) // size
    q, k, v = (x.unflatten(0, (n, size)) for x in (q, k, v))
    shift = -1 if later else 1
    parts = [(x.roll(shift, 0), x) for x in (k, v)]
    keys, values = (torch.cat(x[1:] if own else x, 1) for x in parts)
    seen = torch.ones(n, size, keys.shape[1], dtype=torch.bool)
    if causal:
        seen[:, :, -size:] = torch.ones(size, size).tril().bool()
    if not own and not wrap:
        seen[n - 1 if later else 0, :, :size] = False
        if not fill:
            seen[0, :, :size] = True
            values[0, :size] = 0
        if fill is False:
            keys[0, :size] = 0
    scores = q @ keys.mT / math.sqrt(q.shape[-1])
    return (torch.softmax(scores.masked_fill(~seen, -math.inf), -1) @ values).flatten(0, 1)


def local_by_mask(q, k, v, rule):
    i = torch.arange(len(q))
    seen = rule(i[:, None], i) & (i[:, None] >= i)
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return torch.softmax(scores.masked_fill(~seen, -math.inf), -1) @ v


LOCAL = Exercise(
    number=5,
    kind="find the bug",
    reference=local,
    cases=lambda: [
        (*(2 * x for x in draw((12, 4), (12, 4), (12, 3))), 4),
        (*draw((10, 2), (10, 2), (10, 2), seed=1), 2),
    ],
    mistakes=(
        Mistake(
            "rolls-round",
            lambda *x: local(*x, wrap=True),
            "The bug is still there: the block before the first one is the last one, because `roll` is "
            "circular. The first queries read the end of the text.",
        ),
        Mistake(
            "zeros-take-part",
            lambda *x: local(*x, fill=False),
            "You put zeros before the first block, but let them take part: a key of zeros has the score 0 "
            "and takes weight from the others. Hide it.",
        ),
        Mistake(
            "not-causal",
            lambda *x: local(*x, causal=False),
            "Inside its own block a query must still not see later keys.",
        ),
        Mistake(
            "the-next-block",
            lambda *x: local(*x, later=True),
            "You rolled in the other direction: the queries see the block after their own.",
        ),
        Mistake(
            "removed-after-softmax",
            lambda *x: local(*x, fill=None),
            "The block before the first no longer adds anything, but it still took its share in the softmax, "
            "so that the weights that are left don't sum to one. Hide its scores before the softmax.",
        ),
        Mistake(
            "sliding-window",
            lambda q, k, v, size: local_by_mask(q, k, v, lambda i, j: i - j <= size),
            "Your window slides with the query. Here every query of a block sees the whole block before its "
            "own, from the first key on.",
        ),
        Mistake(
            "everything-before",
            lambda q, k, v, size: local_by_mask(q, k, v, lambda i, j: i >= j),
            "Nothing of the future is left, but your queries see all blocks before their own. Only one of "
            "them is wanted.",
        ),
        Mistake(
            "own-block-only",
            lambda *x: local(*x, own=True),
            "The wrong keys are gone, but so is the block before. Only the first block has none.",
        ),
    ),
)


# 6: the operations of a window


def window_blocks(n, size, n_back):
    return sum(min(block, n_back) + 1 for block in range(n // size))


def window_operations(n, size, n_back, d):
    return 4 * window_blocks(n, size, n_back) * size**2 * d


OPERATIONS = Exercise(
    number=6,
    kind="predict",
    reference=window_operations,
    cases=lambda: [(32, 4, 2, 8), (64, 16, 1, 4), (48, 8, 20, 3), (20, 2, 0, 5)],
    mistakes=(
        Mistake(
            "every-row-is-full",
            lambda n, size, n_back, d: 4 * (n // size) * (n_back + 1) * size**2 * d,
            "The first blocks of queries have fewer blocks before them. Count those that are there.",
        ),
        Mistake(
            "own-block-forgotten",
            lambda n, size, n_back, d: 4 * (window_blocks(n, size, n_back) - n // size) * size**2 * d,
            "A block of queries sees its own block, too.",
        ),
        Mistake(
            "own-block-among-those-before",
            lambda n, size, n_back, d: (
                4 * sum(min(block + 1, n_back) for block in range(n // size)) * size**2 * d
            ),
            "You counted the own block among the `n_back` blocks. It comes on top of them.",
        ),
        Mistake(
            "more-blocks-back-than-there-are",
            lambda n, size, n_back, d: 4 * (n_back + 1) * (n // size - n_back / 2) * size**2 * d,
            "Your formula holds while n_back < n / size. With more, no query sees more blocks than there "
            "are before it.",
        ),
        Mistake(
            "one-operation-per-multiply-add",
            lambda n, size, n_back, d: 2 * window_blocks(n, size, n_back) * size**2 * d,
            "Half of the operations are missing. There are two products, scores and outputs, and a "
            "multiplication with its addition counts two.",
        ),
        Mistake(
            "dense",
            lambda n, size, n_back, d: 4 * n * n * d,
            "That is what the masked attention does. Count the blocks of the layout only.",
        ),
        Mistake(
            "half-of-the-own-block",
            lambda n, size, n_back, d: (
                4 * d * (window_blocks(n, size, n_back) * size**2 - n * (size - 1) // 2)
            ),
            "You left out the pairs that the causal mask hides inside a block. They are computed, then "
            "hidden.",
        ),
        Mistake(
            "side-not-squared",
            lambda n, size, n_back, d: 4 * window_blocks(n, size, n_back) * size * d,
            "A block has size times size pairs.",
        ),
    ),
)


# 7: gathered blocks


def gathered(
    q,
    k,
    v,
    layout,
    size,
    *,
    scale=None,
    value_blocks=None,
    per_block=False,
    summed=False,
    axis=-1,
    empty=True,
):
    scale = 1 / math.sqrt(q.shape[1]) if scale is None else scale
    queries, keys, values = (x.unflatten(0, (-1, size)) for x in (q, k, v))
    out = torch.zeros(len(queries), size, v.shape[1])
    for row, columns in enumerate(layout):
        chosen = columns.nonzero().flatten()
        if len(chosen) == 0 and empty:
            continue
        if len(chosen) == 0:
            out[row] = v.mean(0)
            continue
        scores = queries[row] @ keys[chosen].flatten(0, 1).T * scale
        read = values[chosen if value_blocks is None else value_blocks(chosen)].flatten(0, 1)
        if per_block:
            parts = scores.unflatten(1, (-1, size)).softmax(-1).flatten(1)
            out[row] = parts @ read / (1 if summed else len(chosen))
        else:
            out[row] = scores.softmax(axis) @ read
    return out.flatten(0, 1)


def dense_with_mask(q, k, v, layout, size):
    mask = layout.repeat_interleave(size, 0).repeat_interleave(size, 1)
    scores = (q @ k.T / math.sqrt(q.shape[1])).masked_fill(~mask, -math.inf)
    return scores.softmax(-1).nan_to_num() @ v


def filled_to_the_longest(q, k, v, layout, size):
    longest = int(layout.sum(1).max())
    columns = (~layout).long().argsort(1, stable=True)[:, :longest]
    seen = layout.gather(1, columns).repeat_interleave(size, 1)[:, None]
    queries, keys, values = (x.unflatten(0, (-1, size)) for x in (q, k, v))
    scores = queries @ keys[columns].flatten(1, 2).mT / math.sqrt(q.shape[1])
    weights = scores.masked_fill(~seen, -math.inf).softmax(-1).nan_to_num()
    return (weights @ values[columns].flatten(1, 2)).flatten(0, 1)


def count_and_run(answer, q, k, v, layout, size):
    with FlopCounterMode(display=False) as counter:
        out = answer(q, k, v, layout, size)
    limit = 2 * int(layout.sum()) * size**2 * (q.shape[1] + v.shape[1])
    return {"output": out, "no block but those of the layout": counter.get_total_flops() <= limit}


def layouts():
    generator = torch.Generator().manual_seed(3)
    few = torch.rand(5, 6, generator=generator) < 0.4
    few[2] = False
    few[3] = True
    rows = torch.ones(4, 4).tril().bool()
    return [
        (*(2 * x for x in draw((15, 4), (18, 4), (18, 3))), few, 3),
        (*(2 * x for x in draw((16, 8), (16, 8), (16, 8), seed=1)), rows, 4),
    ]


GATHERED = Exercise(
    number=7,
    kind="faster",
    reference=gathered,
    run=count_and_run,
    cases=layouts,
    mistakes=(
        Mistake(
            "dense-with-a-mask",
            dense_with_mask,
            "The output is right, but all scores were computed and most of them thrown away. Gather the "
            "blocks of keys first.",
        ),
        Mistake(
            "filled-to-the-longest-row",
            filled_to_the_longest,
            "The output is right, but every row computes as many blocks as the longest one. One row that "
            "sees all makes everything dense. Compute rows with different numbers of blocks apart.",
        ),
        Mistake(
            "softmax-per-block",
            lambda *x: gathered(*x, per_block=True),
            "You took a softmax in each block and averaged. One softmax runs over all keys that a query "
            "sees.",
        ),
        Mistake(
            "softmax-per-block-summed",
            lambda *x: gathered(*x, per_block=True, summed=True),
            "You took a softmax in each block and added the outputs, so that the weights of a query sum to "
            "the number of its blocks. One softmax runs over all keys that a query sees.",
        ),
        Mistake(
            "softmax-over-queries",
            lambda *x: gathered(*x, axis=0),
            "Your softmax runs over the queries of a block. It must run over the keys, the last axis.",
        ),
        Mistake(
            "other-values",
            lambda *x: gathered(*x, value_blocks=lambda chosen: torch.arange(len(chosen))),
            "The weights belong to the gathered keys, but you apply them to the first values of the text. "
            "Gather the values with the same index.",
        ),
        Mistake(
            "no-scale",
            lambda *x: gathered(*x, scale=1.0),
            "The scores are not divided by the root of the width.",
        ),
        Mistake(
            "mean-where-nothing-is-visible",
            lambda *x: gathered(*x, empty=False),
            "A query whose row of the layout is empty gets zeros in this book, not the mean of all values.",
        ),
    ),
)


EXERCISES = (DILATED, DEPTH, STRIDE, LAYOUT, LOCAL, OPERATIONS, GATHERED)
