"""Exercises of the chapter on sparse attention."""

from __future__ import annotations

import math

import sympy
import torch
from torch.utils.flop_counter import FlopCounterMode

from course.grading.exercise import Exercise
from course.grading.inputs import draw

# 1: a dilated window on both sides


def both_sides(n, size, step):
    back = torch.arange(n)[:, None] - torch.arange(n)
    return (back.abs() <= size * step) & (back % step == 0)


DILATED = Exercise(
    1, kind="implement", reference=both_sides, cases=lambda: [(9, 2, 3), (12, 3, 2), (8, 1, 4), (5, 2, 1)]
)


@DILATED.mistake
def looks_back_only(n, size, step):
    """Your queries look back only. Here they look both ways: take the absolute value of the distance."""
    return both_sides(n, size, step).tril()


@DILATED.mistake
def reach_in_positions(n, size, step):
    """Your window ends `size` positions away. It has `size` keys on a side, `step` apart, so it ends size ·
    step positions away."""
    back = torch.arange(n)[:, None] - torch.arange(n)
    return (back.abs() <= size) & (back % step == 0)


@DILATED.mistake
def gaps_by_position(n, size, step):
    """You keep the keys whose own position is a multiple of the step. The gaps are counted from the query:
    the distance must be a multiple."""
    i, j = torch.arange(n)[:, None], torch.arange(n)
    return ((i - j).abs() <= size * step) & (j % step == 0)


@DILATED.mistake
def without_itself(n, size, step):
    """A query sees its own position: the distance 0 is a multiple of every step."""
    return both_sides(n, size, step) & ~torch.eye(n, dtype=torch.bool)


@DILATED.mistake
def last_key_missing(n, size, step):
    """The furthest key on each side is missing. The largest distance, size · step, is included."""
    back = torch.arange(n)[:, None] - torch.arange(n)
    return (back.abs() < size * step) & (back % step == 0)


@DILATED.mistake
def no_gaps(n, size, step):
    """Your window has the right length and no gaps. Keep only distances that are multiples of the step."""
    back = torch.arange(n)[:, None] - torch.arange(n)
    return back.abs() <= size * step


@DILATED.mistake
def no_end(n, size, step):
    """Your window has the right gaps and no end. It has `size` keys on each side and stops there."""
    return both_sides(n, n, step)


@DILATED.mistake
def size_for_both_sides(n, size, step):
    """You shared `size` between the two sides. There are `size` keys on each side."""
    return both_sides(n, size // 2, step)


# 2: how deep


def depth(n, size):
    return -(-(n - 1) // (size - 1))


DEPTH = Exercise(
    2,
    kind="predict",
    reference=depth,
    cases=lambda: [(64, 9), (65, 9), (66, 9), (1000, 2), (4097, 257), (10, 10)],
)


@DEPTH.mistake
def size_per_layer(n, size):
    """A window of `size` keys includes the query itself, so a layer brings size − 1 new positions."""
    return -(-n // size)


@DEPTH.mistake
def rounded_down(n, size):
    """Round up: when the division leaves a rest, one more layer is needed for it."""
    return (n - 1) // (size - 1)


@DEPTH.mistake
def n_positions_to_go(n, size):
    """The first token is n − 1 positions away from the last one, not n."""
    return -(-n // (size - 1))


@DEPTH.mistake
def size_positions_per_layer(n, size):
    """The way is n − 1 positions, that is right. But a window of `size` keys includes the query itself, so a
    layer covers size − 1 of them."""
    return -(-(n - 1) // size)


@DEPTH.mistake
def first_layer_free(n, size):
    """You took the reach of the first window off the way. That window is a layer, too: count it."""
    return -(-(n - size) // (size - 1))


@DEPTH.mistake
def powers(n, size):
    """That many layers would do if each multiplied the reach. Windows only add to it."""
    return math.ceil(math.log(n, size) - 1e-9)


@DEPTH.mistake
def both_directions(n, size):
    """You divided by the reach in two directions. The way from the first token to the last one uses only one
    of them."""
    return -(-(n - 1) // (2 * (size - 1)))


# 3: the stride where window and comb have their own prices

T, R = sympy.symbols("T r", positive=True)

STRIDE = Exercise(3, kind="derive", reference=sympy.sqrt(R * T))

STRIDE.mistake(
    "equal-prices",
    sympy.sqrt(T),
    "That is the best stride when all keys cost the same. A far key costs r times as much here.",
)
STRIDE.mistake(
    "price-on-the-window",
    sympy.sqrt(T / R),
    "You put the price r on the keys of the window. The far keys cost more: with a larger stride "
    "there are fewer of them.",
)
STRIDE.mistake(
    "root-forgotten", R * T, "The derivative is 1 − r T / c². Setting it to zero gives c²: take the root."
)
STRIDE.mistake(
    "price-outside-the-root",
    R * sympy.sqrt(T),
    "The price stands beside T in r T / c, so it ends up under the root as well.",
)
STRIDE.mistake("the-number-of-keys", 2 * sympy.sqrt(R * T), "That is what a query then pays, not the stride.")


# 4: the layout of a mask


def layout_of(mask, size):
    rows = [torch.stack([tile.any() for tile in row.split(size, 1)]) for row in mask.split(size, 0)]
    return torch.stack(rows)


def masks():
    generator = torch.Generator().manual_seed(0)
    few = torch.rand(11, 14, generator=generator) < 0.12
    return [(few, 4), (torch.ones(9, 9).tril().bool(), 3), (torch.ones(6, 10).triu(5).bool(), 4), (few, 1)]


LAYOUT = Exercise(4, kind="implement", reference=layout_of, cases=masks)


@LAYOUT.mistake
def only_full_blocks(mask, size):
    """You keep the blocks that are visible as a whole. A block must be computed as soon as one pair in it is
    visible."""
    rows = [torch.stack([tile.all() for tile in row.split(size, 1)]) for row in mask.split(size, 0)]
    return torch.stack(rows)


@LAYOUT.mistake
def first_corner(mask, size):
    """You look at the upper left pair of each block only. Any of its pairs may be visible."""
    return mask[::size, ::size]


@LAYOUT.mistake
def rest_dropped(mask, size):
    """The last blocks are missing when a length is no multiple of the size. They are smaller, but they
    count."""
    n, m = (x // size * size for x in mask.shape)
    return layout_of(mask[:n, :m], size)


@LAYOUT.mistake
def transposed(mask, size):
    """Rows of a layout are blocks of queries, columns blocks of keys. Yours are the other way round."""
    return layout_of(mask, size).T


@LAYOUT.mistake
def diagonals(mask, size):
    """You look at the diagonal of each block only. Any of its pairs may be visible."""
    rows = [
        torch.stack([tile.diagonal().any() for tile in row.split(size, 1)]) for row in mask.split(size, 0)
    ]
    return torch.stack(rows)


@LAYOUT.mistake
def more_than_half(mask, size):
    """You keep the blocks of which at least half is visible. One visible pair is enough, or the result will
    differ from that of the mask."""
    rows = [
        torch.stack([tile.float().mean() >= 0.5 for tile in row.split(size, 1)])
        for row in mask.split(size, 0)
    ]
    return torch.stack(rows)


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
    5,
    kind="find the bug",
    reference=local,
    cases=lambda: [
        (*(2 * x for x in draw((12, 4), (12, 4), (12, 3))), 4),
        (*draw((10, 2), (10, 2), (10, 2), seed=1), 2),
    ],
)


@LOCAL.mistake
def rolls_round(*x):
    """The bug is still there: the block before the first one is the last one, because `roll` is circular. The
    first queries read the end of the text."""
    return local(*x, wrap=True)


@LOCAL.mistake
def zeros_take_part(*x):
    """You put zeros before the first block, but let them take part: a key of zeros has the score 0 and takes
    weight from the others. Hide it."""
    return local(*x, fill=False)


@LOCAL.mistake
def not_causal(*x):
    """Inside its own block a query must still not see later keys."""
    return local(*x, causal=False)


@LOCAL.mistake
def the_next_block(*x):
    """You rolled in the other direction: the queries see the block after their own."""
    return local(*x, later=True)


@LOCAL.mistake
def removed_after_softmax(*x):
    """The block before the first no longer adds anything, but it still took its share in the softmax, so that
    the weights that are left don't sum to one. Hide its scores before the softmax."""
    return local(*x, fill=None)


@LOCAL.mistake
def sliding_window(q, k, v, size):
    """Your window slides with the query. Here every query of a block sees the whole block before its own,
    from the first key on."""
    return local_by_mask(q, k, v, lambda i, j: i - j <= size)


@LOCAL.mistake
def everything_before(q, k, v, size):
    """Nothing of the future is left, but your queries see all blocks before their own. Only one of them is
    wanted."""
    return local_by_mask(q, k, v, lambda i, j: i >= j)


@LOCAL.mistake
def own_block_only(*x):
    """The wrong keys are gone, but so is the block before. Only the first block has none."""
    return local(*x, own=True)


# 6: the operations of a window


def window_blocks(n, size, n_back):
    return sum(min(block, n_back) + 1 for block in range(n // size))


def window_operations(n, size, n_back, d):
    return 4 * window_blocks(n, size, n_back) * size**2 * d


OPERATIONS = Exercise(
    6,
    kind="predict",
    reference=window_operations,
    cases=lambda: [(32, 4, 2, 8), (64, 16, 1, 4), (48, 8, 20, 3), (20, 2, 0, 5)],
)


@OPERATIONS.mistake
def every_row_is_full(n, size, n_back, d):
    """The first blocks of queries have fewer blocks before them. Count those that are there."""
    return 4 * (n // size) * (n_back + 1) * size**2 * d


@OPERATIONS.mistake
def own_block_forgotten(n, size, n_back, d):
    """A block of queries sees its own block, too."""
    return 4 * (window_blocks(n, size, n_back) - n // size) * size**2 * d


@OPERATIONS.mistake
def own_block_among_those_before(n, size, n_back, d):
    """You counted the own block among the `n_back` blocks. It comes on top of them."""
    return 4 * sum(min(block + 1, n_back) for block in range(n // size)) * size**2 * d


@OPERATIONS.mistake
def more_blocks_back_than_there_are(n, size, n_back, d):
    """Your formula holds while n_back < n / size. With more, no query sees more blocks than there are before
    it."""
    return 4 * (n_back + 1) * (n // size - n_back / 2) * size**2 * d


@OPERATIONS.mistake
def one_operation_per_multiply_add(n, size, n_back, d):
    """Half of the operations are missing. There are two products, scores and outputs, and a multiplication
    with its addition counts two."""
    return 2 * window_blocks(n, size, n_back) * size**2 * d


@OPERATIONS.mistake
def dense(n, size, n_back, d):
    """That is what the masked attention does. Count the blocks of the layout only."""
    return 4 * n * n * d


@OPERATIONS.mistake
def half_of_the_own_block(n, size, n_back, d):
    """You left out the pairs that the causal mask hides inside a block. They are computed, then hidden."""
    return 4 * d * (window_blocks(n, size, n_back) * size**2 - n * (size - 1) // 2)


@OPERATIONS.mistake
def side_not_squared(n, size, n_back, d):
    """A block has size times size pairs."""
    return 4 * window_blocks(n, size, n_back) * size * d


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


GATHERED = Exercise(7, kind="faster", reference=gathered, run=count_and_run, cases=layouts)


@GATHERED.mistake
def dense_with_a_mask(q, k, v, layout, size):
    """The output is right, but all scores were computed and most of them thrown away. Gather the blocks of
    keys first."""
    mask = layout.repeat_interleave(size, 0).repeat_interleave(size, 1)
    scores = (q @ k.T / math.sqrt(q.shape[1])).masked_fill(~mask, -math.inf)
    return scores.softmax(-1).nan_to_num() @ v


@GATHERED.mistake
def filled_to_the_longest_row(q, k, v, layout, size):
    """The output is right, but every row computes as many blocks as the longest one. One row that sees all
    makes everything dense. Compute rows with different numbers of blocks apart."""
    longest = int(layout.sum(1).max())
    columns = (~layout).long().argsort(1, stable=True)[:, :longest]
    seen = layout.gather(1, columns).repeat_interleave(size, 1)[:, None]
    queries, keys, values = (x.unflatten(0, (-1, size)) for x in (q, k, v))
    scores = queries @ keys[columns].flatten(1, 2).mT / math.sqrt(q.shape[1])
    weights = scores.masked_fill(~seen, -math.inf).softmax(-1).nan_to_num()
    return (weights @ values[columns].flatten(1, 2)).flatten(0, 1)


@GATHERED.mistake
def softmax_per_block(*x):
    """You took a softmax in each block and averaged. One softmax runs over all keys that a query sees."""
    return gathered(*x, per_block=True)


@GATHERED.mistake
def softmax_per_block_summed(*x):
    """You took a softmax in each block and added the outputs, so that the weights of a query sum to the
    number of its blocks. One softmax runs over all keys that a query sees."""
    return gathered(*x, per_block=True, summed=True)


@GATHERED.mistake
def softmax_over_queries(*x):
    """Your softmax runs over the queries of a block. It must run over the keys, the last axis."""
    return gathered(*x, axis=0)


@GATHERED.mistake
def other_values(*x):
    """The weights belong to the gathered keys, but you apply them to the first values of the text. Gather the
    values with the same index."""
    return gathered(*x, value_blocks=lambda chosen: torch.arange(len(chosen)))


@GATHERED.mistake
def no_scale(*x):
    """The scores are not divided by the root of the width."""
    return gathered(*x, scale=1.0)


@GATHERED.mistake
def mean_where_nothing_is_visible(*x):
    """A query whose row of the layout is empty gets zeros in this book, not the mean of all values."""
    return gathered(*x, empty=False)


EXERCISES = (DILATED, DEPTH, STRIDE, LAYOUT, LOCAL, OPERATIONS, GATHERED)
