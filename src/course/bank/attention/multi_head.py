"""Exercises of the chapter on multi-head attention."""

from __future__ import annotations

import functools
import itertools
import math

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from course.attention import attend, merge_heads, softmax, split_heads
from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.models import Recall
from course.training import train_recall

# 1: cut into heads and join again


def run_in_heads(in_heads, x, n_heads):
    """Call the answer with a function that remembers what it got, and gives something else back."""
    seen = []

    def turn(heads):
        seen.append(heads.clone())
        return heads.flip(-2)

    joined = in_heads(turn, x, n_heads)
    return {"calls of the function": len(seen), "what it gets": seen[0] if seen else None, "output": joined}


def in_heads_with(split, merge):
    def in_heads(function, x, n_heads):
        return merge(function(split(x, n_heads)))

    return in_heads


def split_by_view(x, n_heads):
    batch, time, width = x.shape
    return x.reshape(batch, n_heads, time, width // n_heads)


def split_interleaved(x, n_heads):
    return x.unflatten(-1, (-1, n_heads)).permute(0, 3, 1, 2)


def split_without_transpose(x, n_heads):
    return x.unflatten(-1, (n_heads, -1))


def merge_by_view(x):
    batch, _, time, _ = x.shape
    return x.reshape(batch, time, -1)


def merge_interleaved(x):
    return x.permute(0, 2, 3, 1).flatten(-2)


SPLIT = Exercise(
    1,
    kind="implement",
    reference=in_heads_with(split_heads, merge_heads),
    run=run_in_heads,
    cases=lambda: [(*draw((2, 3, 8)), 4), (*draw((1, 5, 6), seed=1), 2)],
)

SPLIT.mistake(
    "splits-by-view",
    in_heads_with(split_by_view, merge_by_view),
    "Your heads hold pieces of neighbouring tokens: a reshape straight to (batch, heads, time, "
    "width) cuts the sequence, not the width. Reshape to (batch, time, heads, width), then "
    "transpose.",
)
SPLIT.mistake(
    "splits-by-view-but-joins-well",
    in_heads_with(split_by_view, merge_heads),
    "You join well, but split by a reshape straight to (batch, heads, time, width), which cuts the"
    " sequence, not the width. Reshape to (batch, time, heads, width), then transpose.",
)
SPLIT.mistake(
    "takes-every-hth-channel",
    in_heads_with(split_interleaved, merge_interleaved),
    "Your head s takes every h-th channel. By equation split-heads it owns d_head neighbouring "
    "channels: the heads come before the width when the last axis is cut.",
)
SPLIT.mistake(
    "forgets-the-transpose",
    in_heads_with(split_without_transpose, lambda x: x.flatten(-2)),
    "The last axis is cut right, but the heads stand behind the time: transpose axes 1 and 2, so "
    "that (time, width) are the last two.",
)
SPLIT.mistake(
    "joins-by-view",
    in_heads_with(split_heads, merge_by_view),
    "You split well, but join without transposing back: a row of the result is made of several "
    "tokens of one head. Transpose axes 1 and 2 first.",
)
SPLIT.mistake(
    "joins-channel-by-channel",
    in_heads_with(split_heads, merge_interleaved),
    "You split well, but join channel by channel: the first channels of all heads come first. W_O "
    "expects one whole head after the other.",
)


@SPLIT.mistake
def calls_once_for_each_head(function, x, n_heads):
    """You call the function once for each head. Put the heads into one tensor, (batch, heads, time, width /
    heads), and call it once: that is the point of an axis for the heads."""
    pieces = split_heads(x, n_heads).unbind(1)
    return torch.cat([function(piece[:, None])[:, 0] for piece in pieces], dim=-1)


@SPLIT.mistake
def never_calls_the_function(function, x, n_heads):
    """You cut and join, but never call the function on the heads."""
    return x


# 2: three bugs in one layer


def layer_scaled_by(number):
    """The layer with the root of another number: `number` gets the width of a head and how many there are."""

    def multi_head(x, w_q, w_k, w_v, w_o, n_heads):
        q, k, v = (split_heads(x @ w, n_heads) for w in (w_q, w_k, w_v))
        scores = q @ k.mT / math.sqrt(number(q.shape[-1], n_heads))
        return merge_heads(torch.softmax(scores, dim=-1) @ v) @ w_o

    return multi_head


def layer_with(*, transposes=True, root_of_head=True, joins_before=True):
    """A layer of attention with some of the three bugs of the exercise."""

    def multi_head(x, w_q, w_k, w_v, w_o, n_heads):
        batch, time, d_model = x.shape
        cut = split_heads if transposes else split_by_view
        q, k, v = (cut(x @ w, n_heads) for w in (w_q, w_k, w_v))
        width = q.shape[-1] if root_of_head else d_model
        heads = torch.softmax(q @ k.mT / math.sqrt(width), dim=-1) @ v
        joined = heads.transpose(1, 2) if joins_before else heads
        return joined.reshape(batch, time, -1) @ w_o

    return multi_head


BUGS = {
    "transposes": ("the heads are cut by a view alone", "split"),
    "root_of_head": (
        "the scores are divided by the root of d_model instead of the width of one head",
        "scale",
    ),
    "joins_before": ("the heads are joined without transposing back", "join"),
}


def unfixed():
    """All ways to leave some of the bugs in."""
    for n in (1, 2, 3):
        for left in itertools.combinations(BUGS, n):
            says = "; and ".join(BUGS[bug][0] for bug in left)
            count = {1: "One bug is", 2: "Two bugs are", 3: "All three bugs are"}[n]
            yield (
                "left-" + "-and-".join(BUGS[bug][1] for bug in left),
                layer_with(**dict.fromkeys(left, False)),
                f"{count} still there: {says}.",
            )


BUG = Exercise(
    2,
    kind="find the bug",
    reference=layer_with(),
    cases=lambda: [
        (*draw((2, 3, 8), (8, 8), (8, 8), (8, 8), (8, 8)), 4),
        (*draw((1, 5, 6), (6, 6), (6, 6), (6, 6), (6, 6), seed=1), 2),
    ],
)


for found in unfixed():
    BUG.mistake(*found)


@BUG.mistake
def attends_across_heads(x, w_q, w_k, w_v, w_o, n_heads):
    """The heads are cut right, but they stand behind the time, so each token attends to its own heads and no
    token sees another. Transpose axes 1 and 2 before the scores, and back after."""
    q, k, v = ((x @ w).unflatten(-1, (n_heads, -1)) for w in (w_q, w_k, w_v))
    return attend(q, k, v).flatten(-2) @ w_o


BUG.mistake(
    "no-scale",
    layer_scaled_by(lambda width, n_heads: 1),
    "The scale is gone. Only the number under the root was wrong: divide by the root of the width of"
    " one head.",
)
BUG.mistake(
    "root-of-n-heads",
    layer_scaled_by(lambda width, n_heads: n_heads),
    "You divide by the root of the number of heads. A score adds up as many products as a head is wide.",
)


@BUG.mistake
def softmax_over_queries(x, w_q, w_k, w_v, w_o, n_heads):
    """The axis of the softmax was right: each query distributes its weight over the keys, the last axis of
    the scores."""
    q, k, v = (split_heads(x @ w, n_heads) for w in (w_q, w_k, w_v))
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return merge_heads(torch.softmax(scores, dim=-2) @ v) @ w_o


# 3: parameters


def parameters(d_model, n_heads, n_kv_heads):
    d_head = d_model // n_heads
    of_keys = n_kv_heads * d_head
    return 2 * (d_model * d_model + d_model) + 2 * (d_model * of_keys + of_keys)


PARAMETERS = Exercise(
    3, kind="predict", reference=parameters, cases=lambda: [(12, 3, 3), (64, 8, 2), (64, 16, 1)]
)


@PARAMETERS.mistake
def no_biases(d, h, kv):
    """You counted the four matrices but not their biases: each projection adds as many numbers as it has
    outputs."""
    return 2 * d * d + 2 * d * kv * d // h


@PARAMETERS.mistake
def no_output_projection(d, h, kv):
    """There is a fourth projection: W_O with its bias, d_model² + d_model numbers."""
    return d * d + d + 2 * (d * kv * d // h + kv * d // h)


@PARAMETERS.mistake
def keys_at_full_width(d, h, kv):
    """That is multi-head attention. With n_kv_heads heads of keys, W_K and W_V have only n_kv_heads · d_head
    columns."""
    return 4 * (d * d + d)


@PARAMETERS.mistake
def a_full_set_for_each_head(d, h, kv):
    """You gave each head a projection of the full width d_model. A head is d_model / n_heads wide, which is
    why the number of heads drops out."""
    return 2 * (h * d * d + d) + 2 * (kv * d * d + d)


@PARAMETERS.mistake
def biases_at_full_width(d, h, kv):
    """The matrices are right, but not the biases: those of keys and values are as long as their output,
    n_kv_heads · d_head, not d_model."""
    return 2 * d * d + 2 * d * kv * d // h + 4 * d


@PARAMETERS.mistake
def keys_or_values_only(d, h, kv):
    """You counted the shared heads once. Keys and values have a projection each."""
    return 2 * (d * d + d) + d * kv * d // h + kv * d // h


@PARAMETERS.mistake
def queries_shared_too(d, h, kv):
    """You made the queries narrower as well. Only keys and values are shared; there are still n_heads heads
    of queries."""
    return d * d + d + 3 * (d * kv * d // h + kv * d // h)


@PARAMETERS.mistake
def size_of_the_group(d, h, kv):
    """You took the number of heads in a group, n_heads / n_kv_heads, for the number of heads of keys."""
    return 2 * (d * d + d) + 2 * (d * (h // kv) * d // h + (h // kv) * d // h)


# 4: the smallest error of h heads on parts of different sizes


def smallest_error(sizes, n_heads):
    kept = sum(sorted(sizes, reverse=True)[:n_heads])
    return 1 - kept / sum(sizes)


BOUND = Exercise(
    4,
    kind="derive",
    reference=smallest_error,
    cases=lambda: [([8, 8], 1), ([2, 10, 4], 1), ([2, 10, 4], 2), ([5, 1, 1, 1], 6), ([3, 4], 0)],
)


@BOUND.mistake
def equal_parts(sizes, n_heads):
    """That is the bound for parts of equal size. With unequal ones, the heads should take the largest parts
    first."""
    return max(0, 1 - n_heads / len(sizes))


@BOUND.mistake
def keeps_the_smallest(sizes, n_heads):
    """Your heads serve the smallest parts. The best approximation of rank h keeps the largest singular
    values."""
    return 1 - sum(sorted(sizes)[:n_heads]) / sum(sizes)


@BOUND.mistake
def squares_the_sizes(sizes, n_heads):
    """The row for part m has c_m ones, so its squared length, the squared singular value, is c_m: not
    c_m²."""
    return smallest_error([size**2 for size in sizes], n_heads)


@BOUND.mistake
def takes_the_first(sizes, n_heads):
    """You served the parts in the order in which they are given. Which h of them leave the least?"""
    return 1 - sum(sizes[:n_heads]) / sum(sizes)


@BOUND.mistake
def not_a_share(sizes, n_heads):
    """That is the error itself. As a share of the variance of the answers, divide by the sum of the sizes."""
    return sum(sizes) - sum(sorted(sizes, reverse=True)[:n_heads])


@BOUND.mistake
def share_explained(sizes, n_heads):
    """That is the share that the heads explain. The error is the rest."""
    return 1 - smallest_error(sizes, n_heads)


@BOUND.mistake
def roots_of_the_sizes(sizes, n_heads):
    """The singular values are the roots of the sizes, but the error is a sum of their squares."""
    return smallest_error([math.sqrt(size) for size in sizes], n_heads)


@BOUND.mistake
def slice_turns_round(sizes, n_heads):
    """Right as long as there are no more heads than look-ups. Beyond that, len(sizes) - n_heads is negative,
    and such a slice counts from the end."""
    return sum(sorted(sizes)[: len(sizes) - n_heads]) / sum(sizes)


@BOUND.mistake
def slice_to_minus_zero(sizes, n_heads):
    """Right unless there are no heads at all: a slice [:-0] is [:0], which is empty. Without heads,
    everything is left."""
    return sum(sorted(sizes)[:-n_heads]) / sum(sizes)


# 5: grouped heads without copies


class NewNumbers(TorchDispatchMode):
    """Counts the numbers of all new tensors; views are not new."""

    def __enter__(self):
        self.total = 0
        return super().__enter__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not function.is_view:
            self.total += out.numel()
        return out


def run_without_copies(attention, q, k, v):
    with NewNumbers() as new:
        out = attention(q, k, v)
    # Enough to rearrange scores, queries and outputs; copies of long keys take several times as much.
    allowed = 8 * q.shape[:-1].numel() * k.shape[-2] + 6 * q.numel() + 6 * out.numel()
    return {"output": out, "no copies of keys and values": new.total <= allowed}


def grouped(q, k, v):
    batch, n_heads, n_query, width = q.shape
    group = n_heads // k.shape[1]
    rows = q.reshape(batch, k.shape[1], group * n_query, width)
    weights = torch.softmax(rows @ k.mT / math.sqrt(width), dim=-1)
    return (weights @ v).reshape(batch, n_heads, n_query, -1)


GROUPED = Exercise(
    5,
    kind="faster",
    reference=grouped,
    run=run_without_copies,
    cases=lambda: [
        draw((2, 6, 2, 32), (2, 2, 40, 32), (2, 2, 40, 24)),
        draw((1, 8, 1, 32), (1, 2, 90, 32), (1, 2, 90, 32), seed=1),
    ],
)


@GROUPED.mistake
def copies_keys_and_values(q, k, v):
    """Your output is right, but you made a copy of the keys and values for each head. Put the queries of a
    group below each other instead: to their keys they are just more rows."""
    group = q.shape[1] // k.shape[1]
    k, v = (x.repeat_interleave(group, dim=1) for x in (k, v))
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1) @ v


@GROUPED.mistake
def copies_in_a_loop(q, k, v):
    """Your output is right, but copies are made where keys with an axis of length one meet several heads:
    torch's matrix product writes the broadcast keys down. Put the queries of a group below each other
    instead."""
    group = q.shape[1] // k.shape[1]
    heads = [
        torch.softmax(of_group @ k[:, i : i + 1].mT / math.sqrt(q.shape[-1]), dim=-1) @ v[:, i : i + 1]
        for i, of_group in enumerate(q.split(group, dim=1))
    ]
    return torch.cat(heads, dim=1)


@GROUPED.mistake
def no_scale(q, k, v):
    """Your scores are not scaled: divide the dot products by the root of d_k."""
    return grouped(q * math.sqrt(q.shape[-1]), k, v)


@GROUPED.mistake
def groups_in_turn(q, k, v):
    """Your heads take the keys in turn: head s those of head s mod h_kv, and copies at that. The heads of a
    group are neighbours: head s shares the keys of head s // (h / h_kv)."""
    group = q.shape[1] // k.shape[1]
    k, v = (x.repeat(1, group, 1, 1) for x in (k, v))
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1) @ v


@GROUPED.mistake
def groups_in_turn_without_copies(q, k, v):
    """No copies, but your heads take the keys in turn: head s those of head s mod h_kv. The heads of a group
    are neighbours: head s shares the keys of head s // (h / h_kv)."""
    _, n_heads, n_query, width = q.shape
    group = n_heads // k.shape[1]
    rows = q.unflatten(1, (group, k.shape[1])).transpose(1, 2).flatten(2, 3)
    weights = torch.softmax(rows @ k.mT / math.sqrt(width), dim=-1)
    return (weights @ v).unflatten(2, (group, n_query)).transpose(1, 2).flatten(1, 2)


@GROUPED.mistake
def averages_the_keys(q, k, v):
    """You averaged keys and values over their heads. Each group keeps a head of its own."""
    return attend(q, k.mean(1, keepdim=True), v.mean(1, keepdim=True))


@GROUPED.mistake
def averages_the_queries(q, k, v):
    """You averaged the queries of a group, so that its heads all give the same. Only keys and values are
    shared; each head asks its own question."""
    group = q.shape[1] // k.shape[1]
    out = attend(q.unflatten(1, (-1, group)).mean(2), k, v)
    return out.repeat_interleave(group, dim=1)


# 6: the cache


def tokens_that_fit(n_bytes, n_layers, d_model, n_heads, n_kv_heads, number):
    return n_bytes // (2 * n_layers * n_kv_heads * (d_model // n_heads) * number)


CACHE = Exercise(
    6,
    kind="predict",
    reference=tokens_that_fit,
    cases=lambda: [
        (2**30, 32, 4096, 32, 32, 4),
        (2**30, 32, 4096, 32, 8, 2),
        (10**9, 80, 8192, 64, 1, 1),
    ],
)


@CACHE.mistake
def forgets_the_values(n_bytes, layers, d, h, kv, number):
    """You count one vector for each token. There are two: a key and a value."""
    return n_bytes // (layers * kv * (d // h) * number)


@CACHE.mistake
def forgets_the_layers(n_bytes, layers, d, h, kv, number):
    """That is the cache of one layer. Every layer keeps its own keys and values."""
    return n_bytes // (2 * kv * (d // h) * number)


@CACHE.mistake
def counts_numbers_not_bytes(n_bytes, layers, d, h, kv, number):
    """You count numbers as if each took one byte: multiply by the bytes of a number."""
    return n_bytes // (2 * layers * kv * (d // h))


@CACHE.mistake
def full_width(n_bytes, layers, d, h, kv, number):
    """You keep keys and values of width d_model. With n_kv_heads heads they are n_kv_heads · d_head wide."""
    return n_bytes // (2 * layers * d * number)


@CACHE.mistake
def width_over_kv_heads(n_bytes, layers, d, h, kv, number):
    """You let the width of a head depend on the heads of keys, or count the heads of queries. It is d_model /
    n_heads, set by the queries, and there are n_kv_heads of them to keep."""
    return n_bytes // (2 * layers * h * (d // kv) * number)


@CACHE.mistake
def heads_as_wide_as_the_model(n_bytes, layers, d, h, kv, number):
    """You let each head of keys be as wide as the model. A head is d_model // n_heads wide."""
    return n_bytes // (2 * layers * kv * d * number)


@CACHE.mistake
def size_of_the_group_(n_bytes, layers, d, h, kv, number):
    """You count the heads in a group, n_heads / n_kv_heads. What is kept are n_kv_heads heads."""
    return n_bytes // (2 * layers * (h // kv) * (d // h) * number)


@CACHE.mistake
def keeps_queries_too(n_bytes, layers, d, h, kv, number):
    """You keep the queries as well. An earlier query is never asked again: only keys and values are kept."""
    return n_bytes // (layers * (2 * kv + h) * (d // h) * number)


@CACHE.mistake
def bits(n_bytes, layers, d, h, kv, number):
    """There is a factor of eight too much: number_bytes is in bytes already, not in bits."""
    return n_bytes // (16 * layers * kv * (d // h) * number)


@CACHE.mistake
def not_rounded_down(n_bytes, layers, d, h, kv, number):
    """The last token does not fit as a whole: round down, with //."""
    return n_bytes / (2 * layers * kv * (d // h) * number)


# 7: the importance of heads


def contributions(heads, w_o):
    return heads @ w_o.unflatten(0, (heads.shape[1], -1))


def importance(heads, w_o, gradient):
    added = contributions(heads, w_o)
    return (added * gradient[:, None]).sum((-1, -2)).abs().mean(0)


IMPORTANCE = Exercise(
    7,
    kind="implement",
    reference=importance,
    cases=lambda: [
        draw((6, 4, 3, 2), (8, 5), (6, 3, 5)),
        draw((9, 3, 2, 4), (12, 12), (9, 2, 12), seed=1),
    ],
)


@IMPORTANCE.mistake
def absolute_value_of_the_mean(heads, w_o, gradient):
    """You took the absolute value after the mean over sequences. There the gradients of different signs have
    cancelled already: at a minimum all of them would seem unimportant."""
    return (contributions(heads, w_o) * gradient[:, None]).sum((-1, -2)).mean(0).abs()


@IMPORTANCE.mistake
def absolute_value_of_each_entry(heads, w_o, gradient):
    """You took the absolute value entry by entry. The derivative with respect to the switch is the sum over
    entries; its size is taken once per sequence."""
    return (contributions(heads, w_o) * gradient[:, None]).abs().sum((-1, -2)).mean(0)


@IMPORTANCE.mistake
def blocks_interleaved(heads, w_o, gradient):
    """Your heads use every h-th row of W_O. Head s owns d_head rows in a row, from s · d_head on."""
    added = heads @ w_o.unflatten(0, (-1, heads.shape[1])).transpose(0, 1)
    return (added * gradient[:, None]).sum((-1, -2)).abs().mean(0)


@IMPORTANCE.mistake
def size_of_the_contribution(heads, w_o, gradient):
    """That is how much a head adds, whether the loss cares or not. Multiply by the gradient at the output."""
    return contributions(heads, w_o).square().sum((-1, -2)).sqrt().mean(0)


@IMPORTANCE.mistake
def no_absolute_value(heads, w_o, gradient):
    """The absolute value is missing: gradients of different sequences have different signs and cancel."""
    return (contributions(heads, w_o) * gradient[:, None]).sum((-1, -2)).mean(0)


@IMPORTANCE.mistake
def absolute_value_of_each_token(heads, w_o, gradient):
    """You took the absolute value token by token. A switch is for the whole sequence: sum over time and
    channels first, then take the size."""
    return (contributions(heads, w_o) * gradient[:, None]).sum(-1).abs().sum(-1).mean(0)


@IMPORTANCE.mistake
def mean_of_the_gradient(heads, w_o, gradient):
    """You averaged the gradients over the batch first. Each sequence has a gradient of its own, to be
    multiplied with what the head adds to that very sequence."""
    return (contributions(heads, w_o) * gradient.mean(0)).sum((-1, -2)).abs().mean(0)


@IMPORTANCE.mistake
def sum_over_the_batch(heads, w_o, gradient):
    """You summed over the batch. The expectation is estimated by the mean."""
    return importance(heads, w_o, gradient) * len(heads)


# 8: the closing exercise of the part

N_SYMBOLS, N_PAIRS, N_HEADS = 16, 8, 2
TRAINING = {"steps": 150, "n_pairs": N_PAIRS, "n_symbols": N_SYMBOLS, "every": 150}


def own_heads(weigh_values, split=split_heads, merge=merge_heads):
    """An answer: attention in heads, with `weigh_values(q, k, v, mask)` inside."""

    def multi_head(q, k, v, n_heads, mask=None):
        return merge(weigh_values(*(split(x, n_heads) for x in (q, k, v)), mask))

    return multi_head


def right_attention(q, k, v, mask):
    return attend(q, k, v, mask=mask)


library = own_heads(right_attention)


def accuracy_with(attention):
    """Train the recall model with `attention` inside; a quarter of the pairs is hidden by a mask."""
    visible = (torch.arange(N_PAIRS) < N_PAIRS * 3 // 4).expand(N_PAIRS, N_PAIRS)
    generator = torch.Generator().manual_seed(0)

    def look_up(q, k, v):
        return attention(q, k, v, N_HEADS, visible)

    model = Recall(N_SYMBOLS, 32, look_up, generator=generator)
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    return train_recall(model, adam, generator=generator, **TRAINING)[TRAINING["steps"]]


@functools.cache
def library_accuracy():
    return accuracy_with(library)


def run_in_the_model(attention, task, q=None, k=None, v=None, n_heads=None, mask=None):
    if task == "compute":
        inputs = {name: x.clone().requires_grad_() for name, x in (("q", q), ("k", k), ("v", v))}
        out = attention(*inputs.values(), n_heads, mask)
        return {"output": out.detach(), "gradients reach": reached(out, inputs)}
    if task == "large scores":
        return attention(q, k, v, n_heads, mask)
    if attention is library:
        return {"accuracy": library_accuracy()}
    probe = probes()[0][1:]
    if not torch.allclose(attention(*probe), library(*probe), atol=1e-3):
        return {"accuracy": None}  # not worth training
    return {"accuracy": accuracy_with(attention)}


def reached(out, inputs):
    """The names of the inputs on which `out` depends, as far as gradients can tell."""
    if not out.requires_grad:
        return "nothing"
    gradients = torch.autograd.grad(out.square().sum(), inputs.values(), allow_unused=True)
    found = [name for name, g in zip(inputs, gradients, strict=True) if g is not None and g.any()]
    return ", ".join(found)


def probes():
    """Inputs with unequal sizes, a mask with an empty row, no mask, and scores that overflow."""
    q, k, v = draw((2, 3, 8), (2, 5, 8), (2, 5, 12))
    mask = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 0, 1]]).bool()
    return [
        ("compute", 2 * q, k, 10 * v, 2, mask),
        ("compute", 2 * q, k, 10 * v, 4, None),
        ("large scores", 200 * q, k, 10 * v, 2, None),
    ]


def scores_of(q, k, mask, width=None):
    scores = q @ k.mT / math.sqrt(width or q.shape[-1])
    return scores if mask is None else scores.masked_fill(~mask, -torch.inf)


def without_scale(q, k, v, mask):
    return attend(q, k, v, mask=mask, scale=1.0)


def scaled_by_the_model(q, k, v, mask):
    return attend(q, k, v, mask=mask, scale=1 / math.sqrt(q.shape[1] * q.shape[-1]))


def without_mask(q, k, v, mask):
    return attend(q, k, v)


def masked_after_softmax(q, k, v, mask):
    weights = softmax(scores_of(q, k, None))
    return (weights if mask is None else weights * mask) @ v


def mask_upside_down(q, k, v, mask):
    return attend(q, k, v, mask=None if mask is None else ~mask)


def nan_in_an_empty_row(q, k, v, mask):
    return torch.softmax(scores_of(q, k, mask), dim=-1) @ v


def masked_with_a_number(q, k, v, mask):
    scores = scores_of(q, k, None)
    scores = scores if mask is None else scores.masked_fill(~mask, -1e9)
    return torch.softmax(scores, dim=-1) @ v


def overflowing(q, k, v, mask):
    exponentials = scores_of(q, k, mask).exp()
    total = exponentials.sum(-1, keepdim=True)
    return exponentials / total.masked_fill(total == 0, 1) @ v


def over_queries(q, k, v, mask):
    weights = torch.softmax(scores_of(q, k, None), dim=-2)
    return (weights if mask is None else weights * mask) @ v


def largest_of_all(q, k, v, mask):
    scores = scores_of(q, k, mask)
    exponentials = (scores - scores.max()).exp()
    total = exponentials.sum(-1, keepdim=True)
    return exponentials / total.masked_fill(total == 0, 1) @ v


def scaled_by_heads(q, k, v, mask):
    return attend(q, k, v, mask=mask, scale=1 / math.sqrt(q.shape[1]))


def detached(q, k, v, mask):
    return softmax(scores_of(q, k, None), mask).detach() @ v


CLOSING = Exercise(
    8,
    kind="implement",
    reference=library,
    run=run_in_the_model,
    cases=lambda: [*probes(), ("train",)],
    rtol=0.02,
    atol=0.03,
)

CLOSING.mistake(
    "no-scale",
    own_heads(without_scale),
    "Your scores are not scaled: divide the dot products by the root of the width of one head.",
)
CLOSING.mistake(
    "root-of-d-model",
    own_heads(scaled_by_the_model),
    "You divide by the root of the width of all heads together. Each head adds up its own products"
    " only: the root of the width of one head.",
)
CLOSING.mistake(
    "ignores-the-mask",
    own_heads(without_mask),
    "Your function does not use the mask. In training it would be right too often: it looks at "
    "pairs that are hidden.",
)
CLOSING.mistake(
    "masks-after-softmax",
    own_heads(masked_after_softmax),
    "You set the weights of hidden keys to zero after the softmax, so that a row no longer sums to"
    " one. Hide the scores, with minus infinity, before it.",
)
CLOSING.mistake(
    "mask-upside-down",
    own_heads(mask_upside_down),
    "Your mask works the wrong way round. Here True means that a query may attend; in "
    "torch.nn.MultiheadAttention it means the opposite.",
)
CLOSING.mistake(
    "nan-in-an-empty-row",
    own_heads(nan_in_an_empty_row),
    "A query that may attend to nothing gives NaN: all its scores are minus infinity, and 0 / 0 is"
    " left. Its weights should be zero.",
)
CLOSING.mistake(
    "large-negative-number",
    own_heads(masked_with_a_number),
    "A query that may attend to nothing gets the average of exactly the values it must not see: "
    "all its scores are the same large negative number. Its weights should be zero.",
)
CLOSING.mistake(
    "overflows",
    own_heads(overflowing),
    "For large scores your exponentials overflow. Subtract the largest score of each row first; "
    "the weights stay the same.",
)
CLOSING.mistake(
    "softmax-over-queries",
    own_heads(over_queries),
    "Your softmax runs over the queries. The keys are the last axis of the scores.",
)
CLOSING.mistake(
    "splits-by-view",
    own_heads(right_attention, split_by_view, merge_by_view),
    "Your heads hold pieces of neighbouring tokens. Cut the width: reshape to (batch, time, heads,"
    " width), then transpose; and the same way back.",
)
CLOSING.mistake(
    "largest-of-all-scores",
    own_heads(largest_of_all),
    "You subtract the largest score of all. Rows whose own scores are much smaller lose all their"
    " exponentials: subtract the largest of each row.",
)
CLOSING.mistake(
    "root-of-n-heads",
    own_heads(scaled_by_heads),
    "You divide by the root of the number of heads. A score adds up as many products as a head is wide.",
)


@CLOSING.mistake
def one_head_only(q, k, v, n_heads, mask=None):
    """All channels attend with the same weights: n_heads is not used. Cut q, k and v into heads first."""
    return attend(q, k, v, mask=mask)


CLOSING.mistake(
    "joins-by-view",
    own_heads(right_attention, split_heads, merge_by_view),
    "Your heads are right, but joined without transposing back: a row of the result holds several"
    " tokens of one head. Transpose axes 1 and 2 first.",
)
CLOSING.mistake(
    "detaches-the-weights",
    own_heads(detached),
    "Your output is right, but the model cannot learn to look anything up: no gradient passes "
    "through the weights (detach, no_grad, item, or a new tensor made from numbers).",
)


EXERCISES = (SPLIT, BUG, PARAMETERS, BOUND, GROUPED, CACHE, IMPORTANCE, CLOSING)
