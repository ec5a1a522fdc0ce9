"""Exercises of the chapter on Triton kernels. Each kernel has its mistakes, of which `WRONG` chooses one."""

from __future__ import annotations

import warnings
from functools import partial
from types import FunctionType

import numpy as np
import torch
import triton
import triton.language as tl
from triton.runtime.errors import InterpreterError

from course.attention import attend, log_sum_exp
from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.kernels.triton import interpret
from course.kernels.triton.lab import Lab

interpret()

LOG2E = tl.constexpr(1.4426950408889634)
FENCE = 4096


class Variant:
    """A kernel of this module with one of its mistakes, or with none."""

    def __init__(self, kernel, wrong=""):
        self.kernel, self.wrong = kernel, wrong

    def __getitem__(self, grid):
        return partial(self.kernel[grid], WRONG=self.wrong)


def mistakes(exercise, kernel, **says):
    """Add the mistakes of a kernel: for each name (underscores become hyphens), what the learner reads."""
    for name, text in says.items():
        wrong = name.replace("_", "-")
        exercise.mistake(wrong, Variant(kernel, wrong), text)


def fenced(x):
    """A copy with the strides of `x`, far from other tensors: past its end is nobody's memory."""
    if not isinstance(x, torch.Tensor):
        return x
    span = 1 + sum((n - 1) * step for n, step in zip(x.shape, x.stride(), strict=True))
    return x.new_zeros(span + 2 * FENCE).as_strided(x.shape, x.stride(), FENCE).copy_(x)


def launch(kernel, grid, *originals, **constants):
    """Run an answer in the lab; an error that it raises comes out as itself."""
    arguments = [fenced(x) for x in originals]
    if isinstance(kernel, FunctionType):
        try:
            kernel(*arguments)
        except NotImplementedError:
            raise
        except Exception:
            pass
        raise TypeError("it is a plain function: write @triton.jit above it")
    with Lab() as lab, np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of NaNs, which the result shows
        try:
            kernel[grid](*arguments, **constants)
        except InterpreterError as error:
            cause = error
            while isinstance(cause, InterpreterError) and cause.__cause__:
                cause = cause.__cause__
            raise cause from None
    for original, copy in zip(originals, arguments, strict=True):
        if isinstance(original, torch.Tensor):
            original.copy_(copy)
    return lab


def faults(lab):
    return {"accesses outside": lab.outside, "accesses that race": lab.raced}


def unwritten(*shape):
    return torch.full(shape, torch.nan)


# 1: a bias for every row


@triton.jit
def biased(
    x, bias, out, stride, n_rows, n_columns,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr, WRONG: tl.constexpr,
):  # fmt: skip
    first, second = tl.program_id(0), tl.program_id(1)
    if WRONG == "exchanges-the-axes-of-the-grid":
        first, second = tl.program_id(1), tl.program_id(0)
    rows = (first * BLOCK_R + tl.arange(0, BLOCK_R))[:, None]
    columns = second * BLOCK_C + tl.arange(0, BLOCK_C)
    if WRONG == "blocks-one-apart":
        rows, columns = (first + tl.arange(0, BLOCK_R))[:, None], second + tl.arange(0, BLOCK_C)
    inside = (rows < n_rows) & (columns < n_columns)
    if WRONG == "masks-the-columns-only":
        inside = (rows >= 0) & (columns < n_columns)
    step = n_columns if WRONG == "takes-the-columns-for-the-stride" else stride
    if WRONG == "loads-without-a-mask":
        tile = tl.load(x + rows * step + columns)
    else:
        tile = tl.load(x + rows * step + columns, mask=inside)
    added = tl.load(bias + columns, mask=columns < n_columns)
    if WRONG == "bias-by-row":
        added = tl.load(bias + rows, mask=rows < n_rows)
    if WRONG == "bias-without-a-mask":
        added = tl.load(bias + columns)
    if WRONG == "masks-the-rows-only":
        inside = (rows < n_rows) & (columns >= 0)
    if WRONG == "stores-without-a-mask":
        inside = (rows >= 0) & (columns >= 0)
    step = stride if WRONG == "stride-of-the-input-for-the-output" else n_columns
    tl.store(out + rows * step + columns, tile + added, mask=inside)


def run_biased(kernel, wide, bias):
    x, out = wide[:, : len(bias)], unwritten(len(wide), len(bias))
    grid = triton.cdiv(len(wide), 4), triton.cdiv(len(bias), 2)
    shape = x.stride(0), *x.shape
    lab = launch(kernel, grid, x, bias, out, *shape, BLOCK_R=4, BLOCK_C=2)
    return {"output": out} | faults(lab)


BIASED = Exercise(
    1,
    kind="implement",
    reference=Variant(biased),
    run=run_biased,
    cases=lambda: [draw((5, 8), (3,)), draw((6, 7), (7,), seed=1)],
)

mistakes(
    BIASED,
    biased,
    loads_without_a_mask=(
        "Your numbers are right, but your kernel reads past the end of x: the last blocks stick out over"
        " it. Give the load the mask that the store has."
    ),
    takes_the_columns_for_the_stride=(
        "You assume that rows of x lie n_columns apart. x is a view whose rows lie stride apart in "
        "memory: the row starts at row * stride."
    ),
    stride_of_the_input_for_the_output=(
        "You write rows of out stride apart. The stride is that of x; the rows of out follow each other "
        "without a gap, n_columns apart."
    ),
    masks_the_rows_only=(
        "Your mask of the store has no condition on the columns. A block that sticks out to the right "
        "writes into the beginning of the next row, which another program owns."
    ),
    exchanges_the_axes_of_the_grid=(
        "You exchanged the axes of the grid: program_id(0) counts blocks of rows, program_id(1) blocks "
        "of columns."
    ),
    bias_by_row=("You add bias[row]. The bias has one number for each column."),
    bias_without_a_mask=(
        "Your numbers are right, but your kernel reads past the end of the bias. That load needs a mask "
        "of its own: columns < n_columns."
    ),
    masks_the_columns_only=(
        "Your mask has no condition on the rows: the last block of rows reads and writes below the end "
        "of the matrices."
    ),
    stores_without_a_mask=(
        "Your store has no mask: lanes to the right of the matrix write into the next row, those below "
        "it past the end of out."
    ),
    blocks_one_apart=(
        "Your blocks start one apart and overlap. Block i of BLOCK_R rows starts at i * BLOCK_R, and so "
        "with columns."
    ),
)


# 2: log-sum-exp of a long row


@triton.jit
def row_lse(x, out, n_columns, BLOCK: tl.constexpr, WRONG: tl.constexpr):
    row = tl.program_id(0)
    top = 0.0 if WRONG == "starts-at-zero" else float("-inf")
    total = 0.0
    for start in range(0, n_columns, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        fill = 0.0 if WRONG == "pads-with-zero" else float("-inf")
        scores = tl.load(x + row * n_columns + columns, mask=columns < n_columns, other=fill)
        if WRONG == "takes-the-first-block-again":
            columns -= start
            scores = tl.load(x + row * n_columns + columns, mask=columns < n_columns, other=fill)
        if WRONG == "loads-without-a-mask":
            scores = tl.load(x + row * n_columns + columns)
        if WRONG == "loads-twice":
            again = tl.load(x + row * n_columns + columns, mask=columns < n_columns, other=fill)
            scores = tl.maximum(scores, again)
        new = tl.maximum(top, tl.max(scores, 0))
        if WRONG == "maximum-of-the-block-alone":
            new = tl.max(scores, 0)
            shrink = 1.0
        elif WRONG == "forgets-to-rescale":
            shrink = 1.0
        elif WRONG == "rescales-the-wrong-way":
            shrink = tl.where(top == float("-inf"), 0.0, tl.exp(new - top))
        else:
            shrink = tl.exp(top - new)
        if WRONG == "rescales-both":
            total = (total + tl.sum(tl.exp(scores - new), 0)) * shrink
        else:
            total = total * shrink + tl.sum(tl.exp(scores - new), 0)
        top = new
    if WRONG == "forgets-the-maximum":
        top = 0.0
    if WRONG == "logarithm-in-bits":
        tl.store(out + row, tl.log2(total) + top)
    else:
        tl.store(out + row, tl.log(total) + top)


def run_row_lse(kernel, x):
    out = unwritten(len(x))
    lab = launch(kernel, (len(x),), x, out, x.shape[1], BLOCK=16)
    return {"output": out} | faults(lab) | {"scores loaded once": lab.loaded <= x.nbytes}


def long_rows():
    (x,) = draw((3, 37))
    return [(x,), (x.sort(1).values * 3,), (x - 200,)]


ROW_LSE = Exercise(2, kind="implement", reference=Variant(row_lse), run=run_row_lse, cases=long_rows)

mistakes(
    ROW_LSE,
    row_lse,
    forgets_to_rescale=(
        "Your sum is not rescaled when a larger score arrives. What was summed relative to the old "
        "maximum has to be multiplied by exp(old − new)."
    ),
    rescales_the_wrong_way=(
        "Your factor is turned around: exp(new − old). The exponentials shrink when the maximum grows."
    ),
    rescales_both=(
        "You rescale the new block too. Its exponentials are relative to the new maximum already; only "
        "what was summed before needs the factor."
    ),
    pads_with_zero=(
        "The lanes past the end of the row hold 0 and take part in the sum: other=-inf makes their "
        "exponentials zero."
    ),
    starts_at_zero=(
        "You take exponentials relative to 0, because no maximum is subtracted or because it starts at "
        "0. If all scores are far below zero, they vanish: start the maximum at minus infinity."
    ),
    maximum_of_the_block_alone=(
        "Your maximum is that of the last block alone. Carry the larger of the old one and the block's."
    ),
    takes_the_first_block_again=(
        "You load the first block of the row every time: the columns of a block begin at start."
    ),
    loads_without_a_mask=(
        "Your load has no mask: the last block reads into the next row, and past the end of x in the "
        "last one."
    ),
    loads_twice=(
        "Your log-sum-exps are right, but the scores are loaded more than once. One pass carries the "
        "maximum and the sum together."
    ),
    logarithm_in_bits=("You add a logarithm to base 2 to a maximum in nats: with tl.exp goes tl.log."),
    forgets_the_maximum=(
        "You return the logarithm of the sum relative to the maximum; add the maximum again."
    ),
)


# 3: numbers that flash loads


def numbers_loaded(T, S, d_k, d_v, block_q):
    return T * d_k + -(-T // block_q) * S * (d_k + d_v)


LOADED = Exercise(
    3,
    kind="predict",
    reference=numbers_loaded,
    cases=lambda: [(64, 64, 16, 16, 16), (70, 50, 24, 10, 32), (5, 100, 8, 4, 16)],
)


@LOADED.mistake
def each_key_once(T, S, d_k, d_v, block_q):
    """You count each key once. Every program walks over all of them: there are as many walks as blocks of
    queries."""
    return T * d_k + S * (d_k + d_v)


@LOADED.mistake
def rounds_down(T, S, d_k, d_v, block_q):
    """You round the number of programs down. The queries that are left over need a program too."""
    return T * d_k + T // block_q * S * (d_k + d_v)


@LOADED.mistake
def does_not_round(T, S, d_k, d_v, block_q):
    """Programs come whole: T / block_q has to be rounded up, since the last one loads all keys as well."""
    return T * d_k + T / block_q * S * (d_k + d_v)


@LOADED.mistake
def pads_the_queries(T, S, d_k, d_v, block_q):
    """You let the last program load a whole block of queries. Lanes that a mask blocks load nothing."""
    return -(-T // block_q) * (block_q * d_k + S * (d_k + d_v))


@LOADED.mistake
def forgets_the_values(T, S, d_k, d_v, block_q):
    """You forgot the values: each key comes with d_v more numbers."""
    return T * d_k + -(-T // block_q) * S * d_k


@LOADED.mistake
def forgets_the_queries(T, S, d_k, d_v, block_q):
    """You forgot the queries, which are loaded once: T · d_k numbers."""
    return -(-T // block_q) * S * (d_k + d_v)


@LOADED.mistake
def one_query_at_a_time(T, S, d_k, d_v, block_q):
    """You load the keys for each query. A program loads a key once for all queries of its block."""
    return T * d_k + T * S * (d_k + d_v)


@LOADED.mistake
def counts_the_scores(T, S, d_k, d_v, block_q):
    """You count the scores. They are never loaded: that is the point of the kernel."""
    return T * d_k + -(-T // block_q) * S * (d_k + d_v) + T * S


@LOADED.mistake
def counts_bytes(T, S, d_k, d_v, block_q):
    """You count bytes. The question is how many numbers are loaded: a fourth of it."""
    return 4 * numbers_loaded(T, S, d_k, d_v, block_q)


@LOADED.mistake
def all_queries_in_every_program(T, S, d_k, d_v, block_q):
    """You let every program load all queries. It loads those of its own block, so that all programs together
    load each query once."""
    return -(-T // block_q) * (T * d_k + S * (d_k + d_v))


@LOADED.mistake
def always_one_more(T, S, d_k, d_v, block_q):
    """You count one program too many where block_q divides T: T // block_q + 1 is not the quotient rounded
    up."""
    return T * d_k + (T // block_q + 1) * S * (d_k + d_v)


@LOADED.mistake
def counts_the_stores(T, S, d_k, d_v, block_q):
    """You count outputs and log-sum-exps too. They are stored, not loaded."""
    return numbers_loaded(T, S, d_k, d_v, block_q) + T * (d_v + 1)


@LOADED.mistake
def values_as_wide_as_keys(T, S, d_k, d_v, block_q):
    """You take d_k for the width of the values, which is d_v."""
    return T * d_k + -(-T // block_q) * S * 2 * d_k


# 4: a causal kernel with three bugs


@triton.jit
def causal_flash(
    q, k, v, out, T, S, scale,
    D: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, WRONG: tl.constexpr,
):  # fmt: skip
    rows, width = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q), tl.arange(0, D)
    in_rows = (rows < T)[:, None]
    queries = tl.load(q + rows[:, None] * D + width, mask=in_rows, other=0.0)
    top = tl.full((BLOCK_Q,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK_Q,), tl.float32)
    acc = tl.zeros((BLOCK_Q, D), tl.float32)
    shift = S - T
    if WRONG == "aligned-at-the-first-key":
        shift = 0
    if WRONG == "shifted-the-wrong-way":
        shift = T - S
    end = tl.minimum(S, (tl.program_id(0) + 1) * BLOCK_Q + S - T)
    if WRONG == "walks-too-short" or WRONG == "walks-too-short-and-gives-nan":
        end = tl.minimum(S, (tl.program_id(0) + 1) * BLOCK_Q)
    if WRONG == "shifted-the-wrong-way":
        end = S
    for start in range(0, end, BLOCK_K):
        columns = start + tl.arange(0, BLOCK_K)
        tile, in_tile = columns[:, None] * D + width, (columns < S)[:, None]
        keys = tl.load(k + tile, mask=in_tile, other=0.0)
        values = tl.load(v + tile, mask=in_tile, other=0.0)
        scores = tl.dot(queries, tl.trans(keys)) * (scale * LOG2E)
        seen = (columns <= rows[:, None] + shift) & (columns < S)
        if WRONG == "misses-itself":
            seen = (columns < rows[:, None] + shift) & (columns < S)
        scores = tl.where(seen, scores, float("-inf"))
        if WRONG == "a-large-number-for-infinity":
            scores = tl.where(seen, scores, -1e9)
        new = tl.maximum(top, tl.max(scores, 1))
        base = tl.where(new == float("-inf"), 0.0, new)
        if WRONG == "nothing-seen-gives-nan" or WRONG == "walks-too-short-and-gives-nan":
            base = new
        shares = tl.exp2(scores - base[:, None])
        shrink = tl.exp2(top - base)
        total = total * shrink + tl.sum(shares, 1)
        acc = acc * shrink[:, None] + tl.dot(shares, values)
        top = new
    if WRONG != "nothing-seen-gives-nan" and WRONG != "walks-too-short-and-gives-nan":
        total = tl.where(total == 0.0, 1.0, total)
    tl.store(out + rows[:, None] * D + width, acc / total[:, None], mask=in_rows)


def run_causal_flash(kernel, q, k, v):
    out = unwritten(len(q), v.shape[1])
    sizes = len(q), len(k), q.shape[1] ** -0.5
    grid = (triton.cdiv(len(q), 16),)
    lab = launch(kernel, grid, q, k, v, out, *sizes, D=q.shape[1], BLOCK_Q=16, BLOCK_K=16)
    return {"output": out} | faults(lab)


CAUSAL = Exercise(
    4,
    kind="find the bug",
    reference=Variant(causal_flash),
    run=run_causal_flash,
    cases=lambda: [
        draw((16, 16), (16, 16), (16, 16)),
        draw((5, 16), (20, 16), (20, 16), seed=1),
        draw((20, 16), (18, 16), (18, 16), seed=2),
    ],
)

mistakes(
    CAUSAL,
    causal_flash,
    aligned_at_the_first_key=(
        "The mask is aligned at the first key: query 0 sees key 0 only. The last query has to see every "
        "key: j ≤ i + S − T."
    ),
    walks_too_short=(
        "The mask is right now, but the walk ends before the last keys that a query may see: the bound "
        "of the loop needs S − T as well."
    ),
    walks_too_short_and_gives_nan=(
        "The mask is right now. Two bugs are left: the walk over the keys ends too early, and a query "
        "that sees nothing gets NaN."
    ),
    nothing_seen_gives_nan=(
        "With more queries than keys the first queries see nothing: their maximum stays minus infinity, "
        "−inf − (−inf) is NaN, and so is 0/0. Subtract 0 and divide by 1 there: the output is zero."
    ),
    a_large_number_for_infinity=(
        "You use a large negative number for minus infinity. A query that sees nothing then has equal "
        "scores everywhere and averages the values it must not see: its output is zero."
    ),
    shifted_the_wrong_way=(
        "You shift the diagonal the wrong way, by T − S. With more keys than queries, the queries are "
        "the last ones: they see more, j ≤ i + S − T."
    ),
    misses_itself=(
        "Your queries do not see the key at their own position: the bound is j ≤ i + S − T, with equality."
    ),
)


# 5: gradients of the queries


@triton.jit
def query_gradients(
    q, k, v, grad, lse, mean, dq, T, S, scale,
    D: tl.constexpr, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr, WRONG: tl.constexpr,
):  # fmt: skip
    rows, width = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q), tl.arange(0, D)
    mine, in_rows = rows[:, None] * D + width, (rows < T)[:, None]
    queries = tl.load(q + mine, mask=in_rows, other=0.0)
    push = tl.load(grad + mine, mask=in_rows, other=0.0)
    if WRONG == "row-numbers-without-a-mask":
        base, means = tl.load(lse + rows), tl.load(mean + rows)
    else:
        base = tl.load(lse + rows, mask=rows < T, other=0.0)
        means = tl.load(mean + rows, mask=rows < T, other=0.0)
    acc = tl.zeros((BLOCK_Q, D), tl.float32)
    for start in range(0, S, BLOCK_K):
        columns = start + tl.arange(0, BLOCK_K)
        tile, in_tile = columns[:, None] * D + width, (columns < S)[:, None]
        keys = tl.load(k + tile, mask=in_tile, other=0.0)
        values = tl.load(v + tile, mask=in_tile, other=0.0)
        if WRONG == "keys-without-a-mask":
            keys = tl.load(k + tile)
        products = tl.dot(queries, tl.trans(keys))
        if WRONG == "mixes-bits-and-nats":
            weights = tl.exp2(products * (scale * LOG2E) - base[:, None])
        elif WRONG == "forgets-the-scale-in-the-scores":
            weights = tl.exp(products - base[:, None])
        else:
            weights = tl.exp(products * scale - base[:, None])
        signal = tl.dot(push, tl.trans(values))
        if WRONG != "forgets-the-mean" and WRONG != "mean-without-its-weight":
            signal = signal - means[:, None]
        if WRONG != "forgets-the-weights":
            signal = signal * weights
        if WRONG == "mean-without-its-weight":
            signal = signal - means[:, None]
        if WRONG == "sums-the-values":
            keys = values
        if WRONG == "keeps-the-last-block":
            acc = tl.dot(signal, keys)
        else:
            acc += tl.dot(signal, keys)
    if WRONG == "forgets-the-scale":
        scale = 1.0
    if WRONG == "scales-twice":
        scale = scale * scale
    if WRONG == "stores-without-a-mask":
        in_rows = rows[:, None] >= 0
    tl.store(dq + mine, acc * scale, mask=in_rows)


def run_query_gradients(kernel, q, k, v, grad):
    scale, dq = q.shape[1] ** -0.5, unwritten(*q.shape)
    lse = log_sum_exp(q @ k.T * scale)
    mean = (attend(q, k, v) * grad).sum(1)
    grid = (triton.cdiv(len(q), 16),)
    inputs = q, k, v, grad, lse, mean, dq, len(q), len(k), scale
    lab = launch(kernel, grid, *inputs, D=q.shape[1], BLOCK_Q=16, BLOCK_K=16)
    return {"gradient": dq} | faults(lab)


GRADIENT = Exercise(
    5,
    kind="implement",
    reference=Variant(query_gradients),
    run=run_query_gradients,
    cases=lambda: [draw((18, 16), (35, 16), (35, 16), (18, 16))],
)

mistakes(
    GRADIENT,
    query_gradients,
    forgets_the_scale=(
        "Your gradient lacks the factor scale: a score is scale · q · k, so dq = scale · dE K."
    ),
    forgets_the_mean=("Your signal is P ∘ dP. The softmax takes away the mean of each row: P ∘ (dP − D_i)."),
    forgets_the_weights=(
        "Your signal lacks the weights: P ∘ (dP − D_i). You computed them and did not use them."
    ),
    mixes_bits_and_nats=(
        "You subtract a log-sum-exp in nats from scores in bits. Either use exp for both, or multiply "
        "both by log2(e)."
    ),
    forgets_the_scale_in_the_scores=(
        "Your weights come from q · k without the scale, but the log-sum-exp is that of scaled scores."
    ),
    keys_without_a_mask=(
        "You load keys past the last one. What lies there, here NaN, gets into the sums: a mask, and "
        "other=0.0."
    ),
    scales_twice=(
        "Your gradient has the factor scale twice: multiply the signal by it or the sum, not both."
    ),
    mean_without_its_weight=(
        "You subtract the mean after the product with the weights. It stands inside: P ∘ (dP − D_i)."
    ),
    sums_the_values=(
        "You multiply the signal by the values. The derivative of q · k by q is the key: dq = scale · dE K."
    ),
    stores_without_a_mask=(
        "Your gradients are right, but the store has no mask: rows past the last query are written past "
        "the end of dq."
    ),
    keeps_the_last_block=("Your gradient is that of the last block of keys alone: add to the accumulator."),
    row_numbers_without_a_mask=(
        "Your gradients are right, but lse and mean are read past their ends: they need a mask as well."
    ),
)


# 6: a race


@triton.jit
def column_sums(
    x, out, n_rows, n_columns,
    BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr, WRONG: tl.constexpr,
):  # fmt: skip
    rows = (tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R))[:, None]
    columns = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = (rows < n_rows) & (columns < n_columns)
    tile = tl.load(x + rows * n_columns + columns, mask=inside, other=0.0)
    part, in_columns = tl.sum(tile, 0), columns < n_columns
    if WRONG == "load-add-store":
        part += tl.load(out + columns, mask=in_columns)
        tl.store(out + columns, part, mask=in_columns)
    elif WRONG == "stores-its-part":
        tl.store(out + columns, part, mask=in_columns)
    elif WRONG == "everyone-does-everything":
        whole = tl.zeros((BLOCK_C,), tl.float32)
        for first in range(0, n_rows, BLOCK_R):
            every = (first + tl.arange(0, BLOCK_R))[:, None]
            seen = (every < n_rows) & in_columns
            whole += tl.sum(tl.load(x + every * n_columns + columns, mask=seen, other=0.0), 0)
        tl.store(out + columns, whole, mask=in_columns)
    elif WRONG == "only-the-first-program":
        if tl.program_id(0) == 0:
            tl.store(out + columns, part, mask=in_columns)
    elif WRONG == "adds-the-old-sum-too":
        part += tl.load(out + columns, mask=in_columns)
        tl.atomic_add(out + columns, part, mask=in_columns)
    elif WRONG == "sums-the-rows":
        tl.atomic_add(out + columns, tl.sum(tile, 1), mask=in_columns)
    elif WRONG == "adds-without-a-mask":
        tl.atomic_add(out + columns, part)
    else:
        tl.atomic_add(out + columns, part, mask=in_columns)


def run_column_sums(kernel, x):
    out = torch.zeros(x.shape[1])
    grid = triton.cdiv(len(x), 4), triton.cdiv(x.shape[1], 4)
    lab = launch(kernel, grid, x, out, *x.shape, BLOCK_R=4, BLOCK_C=4)
    return {"sums": out} | faults(lab)


RACE = Exercise(
    6, kind="find the bug", reference=Variant(column_sums), run=run_column_sums, cases=lambda: [draw((10, 6))]
)

mistakes(
    RACE,
    column_sums,
    load_add_store=(
        "Your sums are right here, where programs run one after another. On a GPU two programs load the "
        "same sum, both add to it, and one of the two is lost."
    ),
    stores_its_part=("Each program overwrites what the others stored: only the last block of rows is left."),
    everyone_does_everything=(
        "Every program along the rows writes the same sums. The lab counts that as a race, and it costs "
        "each row as many loads as there are programs. Let one of them do it, or let each add its part "
        "atomically."
    ),
    only_the_first_program=("Only the first program stores, but it has summed its own rows only."),
    adds_the_old_sum_too=(
        "You add the old sum once more: atomic_add loads it, adds and stores by itself. Give it the sum "
        "of your tile alone."
    ),
    sums_the_rows=(
        "You sum each row of the tile. Axis 0 of the tile counts rows: tl.sum(tile, 0) adds them up, one "
        "sum for each column."
    ),
    adds_without_a_mask=(
        "An atomic addition needs a mask as well: the last block of columns sticks out over the end."
    ),
)


# 7: decoding with grouped heads


@triton.jit
def decode(
    q, k, v, out, group, S, scale,
    D: tl.constexpr, HEADS: tl.constexpr, BLOCK_K: tl.constexpr, WRONG: tl.constexpr,
):  # fmt: skip
    shared, width = tl.program_id(0), tl.arange(0, D)
    member = tl.arange(0, HEADS)
    heads = shared * group + member
    if WRONG == "heads-in-turn":
        heads = member * tl.num_programs(0) + shared
    mine, in_heads = heads[:, None] * D + width, (member < group)[:, None]
    if WRONG == "takes-heads-of-others":
        in_heads = (member >= 0)[:, None] & (heads < tl.num_programs(0) * group)[:, None]
    if WRONG == "blocks-of-heads-for-groups":
        mine = (shared * HEADS + member)[:, None] * D + width
    if WRONG == "loads-keys-for-each-head":
        for one in range(0, group):
            only = in_heads & (member == one)[:, None]
            walk(q, k, v, out, mine, only, shared, S, scale, width, D, HEADS, BLOCK_K, WRONG)
    else:
        walk(q, k, v, out, mine, in_heads, shared, S, scale, width, D, HEADS, BLOCK_K, WRONG)


@triton.jit
def walk(
    q, k, v, out, mine, in_heads, shared, S, scale, width,
    D: tl.constexpr, HEADS: tl.constexpr, BLOCK_K: tl.constexpr, WRONG: tl.constexpr,
):  # fmt: skip
    queries = tl.load(q + mine, mask=in_heads, other=0.0)
    top = tl.full((HEADS,), float("-inf"), tl.float32)
    total = tl.zeros((HEADS,), tl.float32)
    acc = tl.zeros((HEADS, D), tl.float32)
    for start in range(0, S, BLOCK_K):
        columns = start + tl.arange(0, BLOCK_K)
        tile, in_tile = (shared * S + columns[:, None]) * D + width, (columns < S)[:, None]
        if WRONG == "keys-of-the-first-group":
            tile = columns[:, None] * D + width
        keys = tl.load(k + tile, mask=in_tile, other=0.0)
        values = tl.load(v + tile, mask=in_tile, other=0.0)
        if WRONG == "keys-and-values-without-a-mask":
            keys, values = tl.load(k + tile), tl.load(v + tile)
        scores = tl.dot(queries, tl.trans(keys)) * (scale * LOG2E)
        if WRONG == "forgets-the-scale":
            scores = scores / scale
        if WRONG == "mixes-bits-and-nats":
            scores = scores / LOG2E
        if WRONG != "padding-counts":
            scores = tl.where(columns < S, scores, float("-inf"))
        new = tl.maximum(top, tl.max(scores, 1))
        shares = tl.exp2(scores - new[:, None])
        shrink = tl.exp2(top - new)
        total = total * shrink + tl.sum(shares, 1)
        if WRONG == "rescales-the-sum-only":
            shrink = tl.zeros((HEADS,), tl.float32) + 1.0
        acc = acc * shrink[:, None] + tl.dot(shares, values)
        top = new
    if WRONG == "stores-without-a-mask":
        in_heads = width[None, :] >= 0
    tl.store(out + mine, acc / total[:, None], mask=in_heads)


def run_decode(kernel, q, k, v):
    (heads, width), (shared, n_key, _) = q.shape, k.shape
    out = unwritten(heads, width)
    sizes = heads // shared, n_key, width**-0.5
    lab = launch(kernel, (shared,), q, k, v, out, *sizes, D=width, HEADS=16, BLOCK_K=16)
    once = lab.loaded_from["k"] + lab.loaded_from["v"] <= k.nbytes + v.nbytes
    return {"output": out, "keys and values loaded once": once} | faults(lab)


DECODE = Exercise(
    7,
    kind="faster",
    reference=Variant(decode),
    run=run_decode,
    cases=lambda: [draw((6, 16), (2, 35, 16), (2, 35, 16))],
)

mistakes(
    DECODE,
    decode,
    loads_keys_for_each_head=(
        "Your outputs are right, but the keys are loaded once for each head of the group. Make the heads"
        " the rows of one block: they all want the same keys."
    ),
    heads_in_turn=(
        "You give heads to groups in turn. Groups are consecutive: the heads of program p are p · group "
        "to p · group + group − 1."
    ),
    takes_heads_of_others=(
        "Your block has 16 rows and a group has fewer heads: the rows past the group belong to the next "
        "program, which writes them too. Mask them."
    ),
    padding_counts=("Keys past the end have a score of 0 and get a share. Make their scores minus infinity."),
    keys_and_values_without_a_mask=(
        "You load keys and values past the last one: those of the next group, or what lies behind the "
        "tensor. A weight of zero does not help, since 0 · NaN is NaN: a mask, and other=0.0."
    ),
    stores_without_a_mask=(
        "Your store has no mask: the block has 16 rows and a group fewer heads, so it writes into the "
        "heads of the next program and past the end of out."
    ),
    keys_of_the_first_group=(
        "All programs take the keys and values of group 0. Those of group p begin at p * S * D."
    ),
    blocks_of_heads_for_groups=(
        "Your program p starts at head p * HEADS. HEADS is the size of the block; the heads of group p "
        "start at p * group."
    ),
    forgets_the_scale=("You forgot the scale: a score is scale · q · k."),
    mixes_bits_and_nats=(
        "You take powers of two of scores in nats. Multiply the scale by log2(e), or use tl.exp."
    ),
    rescales_the_sum_only=(
        "You rescale the sum of exponentials but not the accumulator. Both are relative to the old maximum."
    ),
)


EXERCISES = (BIASED, ROW_LSE, LOADED, CAUSAL, GRADIENT, RACE, DECODE)
