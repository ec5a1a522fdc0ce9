"""Exercises of the chapter on masks."""

from __future__ import annotations

import math
from functools import partial

import sympy
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from course.attention import attend, causal, dropout, packed, padding, softmax
from course.attention import window as band
from course.grading.exercise import Exercise
from course.grading.inputs import draw

# 1: softmax under a mask


def masked_cases():
    (scores,) = draw((2, 4, 5), requires_grad=True)
    mask = torch.rand(2, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.6
    mask[0, 1], mask[1, 2] = False, True
    far = torch.tensor([[300.0, 1.0, 2.0]], requires_grad=True)
    low = torch.tensor([[0.0, -20000.0, -20001.0]], requires_grad=True)
    return [(scores, mask), *((e, torch.tensor([[False, True, True]])) for e in (far, low))]


MASKED = Exercise(1, kind="implement", reference=softmax, gradients=True, cases=masked_cases)


@MASKED.mistake
def zeroes_the_weights(scores, mask):
    """You set forbidden weights to zero after the softmax. The weights that are left no longer sum to one:
    the share of the hidden keys is lost. Change the scores, before the softmax."""
    return torch.softmax(scores, -1) * mask


@MASKED.mistake
def renormalises_afterwards(scores, mask):
    """You divide by the sum of what is left after the softmax. If a hidden key has by far the largest score,
    nothing is left in floating point, and 0/0 is NaN; so it is for an empty row."""
    weights = torch.softmax(scores, -1) * mask
    return weights / weights.sum(-1, keepdim=True)


@MASKED.mistake
def finite_constant(scores, mask):
    """A row that sees nothing averages all hidden keys: equal constants have equal weights. Its weights
    should be zero."""
    return torch.softmax(scores.masked_fill(~mask, -1e9), -1)


@MASKED.mistake
def nan_in_an_empty_row(scores, mask):
    """A row that sees nothing is NaN, since softmax subtracts a maximum of −inf. Its weights should be zero,
    and its gradient too: treat such rows before the softmax, not after it."""
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), -1)


@MASKED.mistake
def mask_turned_around(scores, mask):
    """Your mask is turned around: True means that the key may be attended to."""
    return softmax(scores, ~mask)


@MASKED.mistake
def fills_zero(scores, mask):
    """A score of 0 does not forbid a key: its exponential is 1. What has the exponential 0?"""
    return torch.softmax(scores.masked_fill(~mask, 0.0), -1)


@MASKED.mistake
def multiplies_the_exponentials(scores, mask):
    """You multiply exponentials by the mask. On paper that is right, but a large score has an infinite
    exponential, also if it is hidden, and infinity times zero is NaN; all of them underflow if the visible
    scores are low. Change the scores, and let softmax subtract the maximum."""
    exponentials = scores.exp() * mask
    total = exponentials.sum(-1, keepdim=True)
    return exponentials / total.masked_fill(total == 0, 1)


@MASKED.mistake
def adds_infinity(scores, mask):
    """You add log M, which is right for rows that see something. A row that sees nothing is NaN, in its
    weights and in its gradient: treat it before the softmax."""
    return torch.softmax(scores + mask.log(), -1)


@MASKED.mistake
def repairs_nan_afterwards(scores, mask):
    """Your weights are right, but the gradient of a row that sees nothing is NaN. The backward pass goes
    through the softmax of that row all the same and multiplies zero by NaN: treat it before the softmax."""
    return adds_infinity(scores, mask).nan_to_num()


@MASKED.mistake
def adds_a_constant(scores, mask):
    """You add a finite number to hidden scores. On a row that sees nothing it drops out, since only
    differences count: the row attends as if there were no mask. And a hidden key that leads by more is
    seen."""
    return torch.softmax(scores - 1e4 * ~mask, -1)


@MASKED.mistake
def small_constant(scores, mask):
    """You fill in a finite number. Where all visible scores lie below it, the hidden keys take the whole
    weight, and multiplying by the mask leaves nothing. What is below every score?"""
    return torch.softmax(scores.masked_fill(~mask, -100.0), -1) * mask


# 2: a sliding window


def distance(n_query, n_key):
    position = torch.arange(n_query)[:, None] + n_key - n_query
    return position - torch.arange(n_key)


def window(n_query, n_key, size):
    return band(n_query, n_key, size=size)


WINDOW = Exercise(
    2, kind="implement", reference=window, cases=lambda: [(5, 5, 2), (3, 7, 3), (1, 6, 4), (6, 4, 2)]
)


@WINDOW.mistake
def one_too_many(t, s, w):
    """Each query sees one key too many: the window counts the query's own position, so the distance is at
    most size − 1."""
    return (distance(t, s) >= 0) & (distance(t, s) <= w)


@WINDOW.mistake
def aligned_at_the_first_key(n_query, n_key, size):
    """Your window is aligned at the first key. The queries are the last ones of the sequence: query i stands
    at position i + S − T."""
    back = torch.arange(n_query)[:, None] - torch.arange(n_key)
    return (back >= 0) & (back < size)


@WINDOW.mistake
def looks_ahead(t, s, w):
    """Your window reaches to both sides. Nobody may look ahead: the distance must not be negative."""
    return distance(t, s).abs() < w


@WINDOW.mistake
def no_lower_edge(t, s, w):
    """That is the causal mask. Keys further back than the window must be hidden, too."""
    return distance(t, s) >= 0


@WINDOW.mistake
def without_itself(t, s, w):
    """A query does not see its own position in your mask. The window counts it: distances from 0 to size −
    1."""
    return (distance(t, s) > 0) & (distance(t, s) <= w)


@WINDOW.mistake
def one_too_few(t, s, w):
    """Each query sees one key too few: with its own position they are `size`, so the distance goes up to size
    − 1."""
    return (distance(t, s) >= 0) & (distance(t, s) < w - 1)


@WINDOW.mistake
def offset_turned_around(n_query, n_key, size):
    """The sign of your offset is turned around: query i stands at position i + S − T, which is S − 1 for the
    last one."""
    back = torch.arange(n_query)[:, None] + n_query - n_key - torch.arange(n_key)
    return (back >= 0) & (back < size)


@WINDOW.mistake
def mask_turned_around_(t, s, w):
    """Your mask is turned around: True means that the key may be attended to."""
    return ~band(t, s, size=w)


# 3: several sequences in one row


def numbered(lengths, n):
    """The number of its sequence for each token, −1 for filler, and the position in the sequence."""
    segments, positions = torch.full((n,), -1), torch.zeros(n, dtype=torch.long)
    start = 0
    for number, length in enumerate(lengths):
        segments[start : start + length] = number
        positions[start : start + length] = torch.arange(length)
        start += length
    return segments, positions


def pack(lengths, n):
    segments, positions = numbered(lengths, n)
    return packed(segments[None])[0, 0] & causal(n), positions


PACK = Exercise(
    3, kind="implement", reference=pack, cases=lambda: [([3, 1, 2], 8), ([4, 4], 8), ([1, 1, 1], 5)]
)


@PACK.mistake
def filler_sees_filler(lengths, n):
    """Filler attends to filler: it has equal numbers, too. It should see nothing and be seen by nothing."""
    segments, positions = numbered(lengths, n)
    return (segments[:, None] == segments) & causal(n), positions


@PACK.mistake
def looks_ahead_(lengths, n):
    """Your sequences are apart, but within one a token sees what comes later. Join your mask with a causal
    one."""
    segments, positions = numbered(lengths, n)
    return packed(segments[None])[0, 0], positions


@PACK.mistake
def positions_run_on(lengths, n):
    """Your mask is right, but the positions count through the row. Each sequence must start at 0, as it does
    by itself."""
    mask, _ = pack(lengths, n)
    return mask, torch.arange(n) * (torch.arange(n) < sum(lengths))


@PACK.mistake
def sequences_see_each_other(lengths, n):
    """A token sees the sequences before its own: your mask is causal, but not block-diagonal."""
    segments, positions = numbered(lengths, n)
    real = segments >= 0
    return causal(n) & real[:, None] & real, positions


@PACK.mistake
def filler_counts_on(lengths, n):
    """Your mask is right, but the positions count through the filler. They should be 0 there."""
    mask, positions = pack(lengths, n)
    rest = n - sum(lengths)
    return mask, torch.cat([positions[: n - rest], torch.arange(rest)])


@PACK.mistake
def filler_as_a_sequence(lengths, n):
    """You treat the filler as one more sequence: it attends to itself and counts its positions. It should see
    nothing and be seen by nothing, and have the position 0."""
    rest = n - sum(lengths)
    return pack([*lengths, rest], n)


# 4: what broadcasting does with six masks

SHAPES = Exercise(4, kind="predict", reference=("wrong", "error", "right", "right", "right", "error"))

SHAPES.mistake(
    "expects-an-error",
    ("error", "error", "right", "right", "right", "error"),
    "The first one runs: (4, 4) fits the last two axes of (4, 3, 4, 4), because there are as many "
    "sequences as queries. Its row b becomes the mask of query b.",
)
SHAPES.mistake(
    "trusts-the-first",
    ("right", "error", "right", "right", "right", "error"),
    "The first one runs, but (4, 4) lines up with (T, S) and not with (B, S): missing axes are "
    "added on the left.",
)
SHAPES.mistake(
    "aligns-on-the-left",
    ("right", "right", "right", "right", "right", "right"),
    "Broadcasting lines shapes up at the right end. (4, 1, 4) becomes (1, 4, 1, 4): 4 stands "
    "against 3 heads.",
)
SHAPES.mistake(
    "thinks-it-needs-four-axes",
    ("wrong", "error", "right", "error", "error", "error"),
    "A mask may have fewer axes than the scores: (4, 4) for causal is what is meant, since it "
    "depends on query and key only, and (4, 1, 1, 4) & (4, 4) is (4, 1, 4, 4).",
)
SHAPES.mistake(
    "forgets-the-heads",
    ("wrong", "wrong", "right", "right", "right", "wrong"),
    "Two of them do not run: their axis of 4 sequences lies against the axis of 3 heads.",
)
SHAPES.mistake(
    "forgets-the-heads-in-the-last",
    ("wrong", "error", "right", "right", "right", "wrong"),
    "The last one does not run: (4, 1, 4) & (4, 4) is (4, 4, 4), and its first 4 lies against the "
    "axis of 3 heads.",
)
SHAPES.mistake(
    "forgets-the-heads-in-the-second",
    ("wrong", "right", "right", "right", "right", "error"),
    "The second one does not run: (4, 1, 4) lines up at the right end, so its first 4 lies against"
    " the axis of 3 heads.",
)


# 5: when does a filled-in constant leak half?

C = sympy.Symbol("c", real=True)
M, N = sympy.symbols("m n", positive=True)

LEAK = Exercise(5, kind="derive", reference=C + sympy.log(N / M))

LEAK.mistake(
    "forgets-the-numbers",
    C,
    "At this score a hidden key weighs as much as a visible one. There are n of the ones and m of "
    "the others: compare the sums.",
)
LEAK.mistake(
    "ratio-upside-down",
    C + sympy.log(M / N),
    "The ratio is upside down: m·exp(e) = n·exp(c), so the more hidden keys there are, the earlier"
    " half is lost.",
)
LEAK.mistake(
    "multiplies-the-numbers",
    C * N / M,
    "You took m·e = n·c. The numbers multiply the exponentials, so that in the exponent they "
    "become a logarithm that is added.",
)
LEAK.mistake(
    "only-the-hidden",
    C + sympy.log(N),
    "You counted the hidden keys but let a single visible one stand against them: there are m.",
)
LEAK.mistake(
    "the-lead",
    -C - sympy.log(N / M),
    "The sign is wrong. The constant replaces the hidden scores here, so half is lost when the "
    "visible ones come down to about c, which is negative.",
)


# 6: dropping a whole row

R, OUT = sympy.symbols("r o", positive=True)

ROW = Exercise(6, kind="derive", reference=R / (1 - R) * OUT**2)

ROW.mistake(
    "forgets-the-factor",
    R * (1 - R) * OUT**2,
    "That is the variance without the factor 1/(1 − r). A factor comes out of a variance squared.",
)
ROW.mistake(
    "factor-not-squared",
    R * OUT**2,
    "The factor 1/(1 − r) comes out of the variance squared; you divided by 1 − r once.",
)
ROW.mistake(
    "second-moment", OUT**2 / (1 - R), "That is E[õ²]. The variance is E[õ²] − E[õ]², and the mean is o."
)
ROW.mistake(
    "forgets-a-factor-of-the-coin",
    R / (1 - R) ** 2 * OUT**2,
    "The variance of a coin that shows 1 with probability 1 − r is r(1 − r): you have left out 1 − r.",
)
ROW.mistake(
    "standard-deviation",
    sympy.sqrt(R / (1 - R)) * OUT,
    "That is the standard deviation. The variance is its square.",
)
ROW.mistake(
    "probabilities-swapped",
    (1 - R) / R * OUT**2,
    "You took r for the probability to survive. It is the probability to be dropped: the coin "
    "shows 1 with probability 1 − r.",
)
ROW.mistake(
    "entry-not-squared",
    R / (1 - R) * OUT,
    "A constant factor comes out of a variance squared, and o is one: o².",
)


# 7: no arithmetic for padding


def run_counting(attention, q, k, v, lengths):
    per_pair = 2 * q.shape[1] * (q.shape[-1] + v.shape[-1])
    with FlopCounterMode(display=False) as counter:
        out = attention(q, k, v, lengths)
    pairs = counter.get_total_flops() / per_pair
    return {
        "output": out,
        "no more arithmetic than needed": pairs <= int(lengths.square().sum()),
        "no more arithmetic than the whole rectangle": pairs <= q.shape[0] * q.shape[2] ** 2,
    }


def product_attention(q, k, v):
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1) @ v


def one_by_one(q, k, v, lengths):
    out = v.new_zeros(*q.shape[:-1], v.shape[-1])
    for b, length in enumerate(lengths.tolist()):
        out[b, :, :length] = product_attention(*(x[b, :, :length] for x in (q, k, v)))
    return out


def ragged_case(lengths, seed):
    n, lengths = max(lengths), torch.tensor(lengths)
    b = len(lengths)
    return (*draw((b, 2, n, 4), (b, 2, n, 4), (b, 2, n, 3), seed=seed), lengths)


RAGGED = Exercise(
    7,
    kind="faster",
    reference=one_by_one,
    run=run_counting,
    cases=lambda: [ragged_case([6, 7, 5], 0), ragged_case([5, 2, 6, 4], 1)],
)


@RAGGED.mistake
def whole_rectangle(q, k, v, lengths):
    """Your output is right, but the scores of all padding were computed and thrown away. A mask saves no
    arithmetic: cut the tensors."""
    out = attend(q, k, v, mask=padding(lengths, k.shape[-2]))
    return out.masked_fill(~padding(lengths, q.shape[-2]).mT, 0)


@RAGGED.mistake
def cuts_only_the_keys(q, k, v, lengths):
    """You cut keys and values, but not the queries: padded queries are computed too, and their outputs are
    not zero."""
    cut = [product_attention(q[b], k[b, :, :n], v[b, :, :n]) for b, n in enumerate(lengths.tolist())]
    return torch.stack(cut)


@RAGGED.mistake
def one_packed_row(q, k, v, lengths):
    """Your output is right. But in one row every token meets the tokens of all sequences before the mask
    hides them: (ΣL)² pairs instead of ΣL²."""
    real = torch.arange(q.shape[-2]) < lengths[:, None]
    segments = torch.repeat_interleave(torch.arange(len(lengths)), lengths)[None]
    row = [x.transpose(1, 2)[real].transpose(0, 1)[None] for x in (q, k, v)]
    out = v.new_zeros(q.shape[0], q.shape[-2], q.shape[1], v.shape[-1])
    out[real] = attend(*row, mask=packed(segments))[0].transpose(0, 1)
    return out.transpose(1, 2)


@RAGGED.mistake
def order_of_the_batch(q, k, v, lengths):
    """You sorted the sequences by length and did not put the outputs back in the order of the batch."""
    order = lengths.argsort()
    return one_by_one(q[order], k[order], v[order], lengths[order])


# 8 to 10: tests that find bugs


class Layer(nn.Module):
    """Attention for q, k, v of shape (batch, heads, time, d_head), with the faults that it is given."""

    def __init__(
        self,
        d_model,
        n_heads,
        rate=0.0,
        *,
        width="head",
        dim=-1,
        hidden="zero",
        drops="in training",
        layer=None,
        imported=True,
    ):
        super().__init__()
        self.d_model, self.n_heads, self.rate = d_model, n_heads, rate
        self.width, self.dim, self.hidden, self.drops, self.imported = width, dim, hidden, drops, imported
        self.layer = layer
        self.project = nn.Linear(d_model // n_heads, d_model // n_heads) if layer else None

    def forward(self, q, k, v, mask=None):
        if not self.imported:
            raise NameError("name 'math' is not defined")
        widths = {"head": q.shape[-1], "model": self.d_model, "none": 1}
        scores = q @ k.mT / math.sqrt(widths[self.width])
        weights = self.weigh(scores, mask)
        if self.drops == "always" or (self.drops == "in training" and self.training):
            weights = dropout(weights, self.rate)
        output = weights @ v
        return (self.project(output) if self.layer == "used" else output), weights

    def weigh(self, scores, mask):
        if mask is None:
            return torch.softmax(scores, dim=self.dim)
        constants = {"-1e9": -1e9, "lowest": torch.finfo(scores.dtype).min, "nan": -torch.inf}
        if self.hidden in constants:
            return torch.softmax(scores.masked_fill(~mask, constants[self.hidden]), dim=self.dim)
        return softmax(scores, mask)


class Cleared(Layer):
    """Fills in −1e9 and sets the empty rows to zero afterwards."""

    def weigh(self, scores, mask):
        weights = torch.softmax(scores.masked_fill(~mask, -1e9), dim=-1)
        return weights.masked_fill(~mask.any(-1, keepdim=True), 0)


class Wide(Layer):
    """The same output, summed in another precision."""

    def forward(self, q, k, v, mask=None):
        _, weights = super().forward(q, k, v, mask)
        return torch.einsum("bhqk,bhkd->bhqd", weights.double(), v.double()).to(v.dtype), weights


def run_on(versions, accepts):
    """The verdict of a test on each version; an exception that it lets through is a verdict, too."""
    verdicts = {}
    for name, make in versions.items():
        try:
            verdicts[name] = accepts(make)
        except NotImplementedError:
            raise
        except Exception as error:
            verdicts[name] = f"your test stops with {type(error).__name__}"
    return verdicts


def qkv(n_heads, d_head, dtype=torch.float32):
    return tuple(
        x.to(dtype) for x in draw((2, n_heads, 3, d_head), (2, n_heads, 5, d_head), (2, n_heads, 5, d_head))
    )


NUMBERS = {
    "right": Layer,
    "right, summed in another order": Wide,
    "softmax over the heads": partial(Layer, dim=1),
    "softmax over the queries": partial(Layer, dim=2),
    "root of d_model": partial(Layer, width="model"),
    "no root": partial(Layer, width="none"),
}


def equals_torch(make, n_heads=4, d_head=6):
    q, k, v = qkv(n_heads, d_head)
    output, _ = make(n_heads * d_head, n_heads, 0.0)(q, k, v)
    return torch.allclose(output, scaled_dot_product_attention(q, k, v), atol=1e-5)


CATCH_NUMBERS = Exercise(8, kind="find the bug", reference=equals_torch, run=partial(run_on, NUMBERS))


@CATCH_NUMBERS.mistake
def only_the_shapes(make):
    """Your test looks at shapes only. All of the broken versions have the right shapes: compare numbers with
    an independent implementation."""
    output, weights = make(24, 4, 0.0)(*qkv(4, 6))
    return output.shape == (2, 4, 3, 6) and weights.shape == (2, 4, 3, 5)


@CATCH_NUMBERS.mistake
def only_the_sums(make):
    """Your test finds the softmax over a wrong axis, because rows do not sum to one then. A wrong root leaves
    the sums alone: compare the outputs."""
    _, weights = make(24, 4, 0.0)(*qkv(4, 6))
    return torch.allclose(weights.sum(-1), torch.ones(2, 4, 3), atol=1e-5)


CATCH_NUMBERS.mistake(
    "one-head",
    partial(equals_torch, n_heads=1, d_head=24),
    "With a single head, d_model and the width of the head are the same, so the wrong root goes "
    "unnoticed. Make all sizes differ.",
)


@CATCH_NUMBERS.mistake
def sums_over_the_wrong_axis(make):
    """You check that the weights sum to one over the queries, which is the bug itself. The weights of a query
    sum to one over the keys, dim=-1."""
    _, weights = make(24, 4, 0.0)(*qkv(4, 6))
    return torch.allclose(weights.sum(-2), torch.ones(2, 4, 5), atol=1e-5)


@CATCH_NUMBERS.mistake
def exact_comparison(make):
    """Your test refuses a version that is right: sums in another order differ in the last digit. Compare with
    a tolerance."""
    q, k, v = qkv(4, 6)
    output, _ = make(24, 4, 0.0)(q, k, v)
    return torch.equal(output, Layer(24, 4)(q, k, v)[0])


@CATCH_NUMBERS.mistake
def refuses_everything(make):
    """Your test refuses all versions, those that are right as well. Rounding alone makes differences near
    1e-7: give `allclose` an atol such as 1e-5, and compare with the same inputs."""
    return False


TRAINING = {
    "right": Layer,
    "right, with a layer that is used": partial(Layer, layer="used"),
    "a layer that is never used": partial(Layer, layer="unused"),
    "both branches the same": partial(Layer, drops="never"),
    "drops in evaluation, too": partial(Layer, drops="always"),
}


def twice_the_same(model):
    tensors = qkv(4, 6)
    return torch.equal(model(*tensors)[0], model(*tensors)[0])


def learns_and_drops_in_training_only(make):
    return only_the_gradients(make) and only_the_dropout(make)


CATCH_TRAINING = Exercise(
    9, kind="find the bug", reference=learns_and_drops_in_training_only, run=partial(run_on, TRAINING)
)


@CATCH_TRAINING.mistake
def forgets_evaluation(make):
    """A version that drops in evaluation, too, passes your test. Call model.eval() and compare two outputs:
    they must agree."""
    return only_the_gradients(make) and not twice_the_same(make(24, 4, 0.5).train())


@CATCH_TRAINING.mistake
def only_the_gradients(make):
    """Your test finds the layer that is never used. It does not look at dropout: a version whose two branches
    are the same passes, and so does one that drops in evaluation."""
    q, k, v = (x.requires_grad_() for x in qkv(4, 6))
    model = make(24, 4, 0.5)
    model(q, k, v)[0].square().sum().backward()
    return all(parameter.grad is not None for parameter in model.parameters())


@CATCH_TRAINING.mistake
def only_the_dropout(make):
    """Your test looks at dropout only. A layer that is never used passes: its parameters have no gradient
    after backward."""
    model = make(24, 4, 0.5)
    return not twice_the_same(model.train()) and twice_the_same(model.eval())


@CATCH_TRAINING.mistake
def refuses_parameters(make):
    """Your test refuses a version that is right: it has a layer and uses it. Whether a layer is used shows in
    its gradient."""
    return not list(make(24, 4, 0.5).parameters()) and only_the_dropout(make)


@CATCH_TRAINING.mistake
def inputs_without_gradient(make):
    """Your test stops at backward for versions that have no parameters, or do not use them: nothing in the
    output requires a gradient then. Let the inputs require one."""
    model = make(24, 4, 0.5)
    model(*qkv(4, 6))[0].square().sum().backward()
    if any(parameter.grad is None for parameter in model.parameters()):
        return False
    return only_the_dropout(make)


@CATCH_TRAINING.mistake
def none_is_not_a_number(make):
    """Your test stops at the layer that is never used: its gradient is not zero, it is None. Ask for that
    first."""
    q, k, v = (x.requires_grad_() for x in qkv(4, 6))
    model = make(24, 4, 0.5)
    model(q, k, v)[0].square().sum().backward()
    learns = all(bool(parameter.grad.abs().sum() > 0) for parameter in model.parameters())
    return learns and only_the_dropout(make)


@CATCH_TRAINING.mistake
def rate_of_zero(make):
    """Your test refuses versions that are right: at a rate of 0 nothing is dropped, and two calls in training
    mode agree. Build the module with a rate such as 0.5."""
    return only_the_gradients(make) and not twice_the_same(make(24, 4, 0.0).train())


@CATCH_TRAINING.mistake
def only_the_evaluation(make):
    """A version that never drops passes your test, since it is the same in evaluation, as it should be.
    Compare two calls in training mode as well: they must differ."""
    return only_the_gradients(make) and twice_the_same(make(24, 4, 0.5).eval())


EMPTY = {
    "right": Layer,
    "right, summed in another order": Wide,
    "math is not imported": partial(Layer, imported=False),
    "fills in -1e9": partial(Layer, hidden="-1e9"),
    "fills in -1e9, clears empty rows": Cleared,
    "fills in the lowest number": partial(Layer, hidden="lowest"),
    "NaN in an empty row": partial(Layer, hidden="nan"),
}


def masked_half(make, empty=True, dtype=torch.float16):
    mask = torch.tensor([[True, True, False, False, True]] * 3)
    mask[1] &= not empty
    return make(24, 4, 0.0)(*qkv(4, 6, dtype), mask)[0]


def survives_an_empty_row(make):
    try:
        output = masked_half(make)
    except Exception:
        return False
    return bool(output.isfinite().all() and (output[:, :, 1] == 0).all())


CATCH_EMPTY = Exercise(10, kind="find the bug", reference=survives_an_empty_row, run=partial(run_on, EMPTY))


@CATCH_EMPTY.mistake
def lets_errors_through(make):
    """Your test stops with the error of a broken version. An error is an answer, too: catch it and return
    False."""
    output = masked_half(make)
    return bool(output.isfinite().all() and (output[:, :, 1] == 0).all())


@CATCH_EMPTY.mistake
def float32_only(make):
    """In float32 and without an empty row, all versions that run at all pass your test. Try float16, and a
    query that may see nothing."""
    try:
        return bool(masked_half(make, empty=False, dtype=torch.float32).isfinite().all())
    except Exception:
        return False


@CATCH_EMPTY.mistake
def float32_with_an_empty_row(make):
    """A version that fills in −1e9 and clears the empty rows passes your test. It is right in float32, and in
    bfloat16; float16 cannot hold its number. Call it in float16."""
    try:
        return bool((masked_half(make, dtype=torch.float32)[:, :, 1] == 0).all())
    except Exception:
        return False


@CATCH_EMPTY.mistake
def no_empty_row(make):
    """float16 finds the constant that does not fit. Without a query that sees nothing, NaN and averages over
    hidden keys go unnoticed."""
    try:
        return bool(masked_half(make, empty=False).isfinite().all())
    except Exception:
        return False


@CATCH_EMPTY.mistake
def only_finite(make):
    """A row that sees nothing may be finite and still wrong: the lowest number everywhere makes equal
    weights, and the output is the average of what is hidden. It must be zero."""
    try:
        return bool(masked_half(make).isfinite().all())
    except Exception:
        return False


EXERCISES = (
    MASKED,
    WINDOW,
    PACK,
    SHAPES,
    LEAK,
    ROW,
    RAGGED,
    CATCH_NUMBERS,
    CATCH_TRAINING,
    CATCH_EMPTY,
)
