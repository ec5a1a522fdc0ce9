"""Exercises of the chapter on softmax."""

from __future__ import annotations

import math

import sympy
import torch

from course.grading.exercise import Exercise
from course.grading.meter import LargestTensor


def draw(*shapes, seed=0, scale=1.0, requires_grad=False):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        (scale * torch.randn(shape, generator=generator)).requires_grad_(requires_grad) for shape in shapes
    )


# 1: a softmax that survives any scores


def scores_of_all_kinds():
    (usual,) = draw((3, 5), scale=3.0)
    levels = torch.tensor([[900.0], [-900.0], [0.0]]) + draw((3, 4), seed=1)[0]
    outlier = torch.zeros(2, 30)
    outlier[0, 3] = 500.0
    low = draw((2, 5), seed=2)[0] - 30
    steps = torch.tensor([[40.0, 70.0, 72.0], [80.0, 20.0, 79.0]])
    sunk = torch.zeros(2, 6)
    sunk[0, 2] = -95.0
    return [(e,) for e in (usual, levels, outlier, low, steps, sunk)]


STABLE = Exercise(
    1, kind="implement", reference=lambda e: torch.softmax(e, dim=-1), cases=scores_of_all_kinds
)


@STABLE.mistake
def no_shift(e):
    """Your softmax is right for small scores and NaN for large ones: the exponentials overflow, or all of
    them underflow. Subtract the largest score of each row first."""
    exponentials = e.exp()
    return exponentials / exponentials.sum(-1, keepdim=True)


@STABLE.mistake
def one_maximum_for_all_rows(e):
    """You subtract the largest score of the whole matrix. In a row far below it all exponentials underflow,
    and 0/0 is NaN: each row needs its own maximum, amax(-1, keepdim=True)."""
    exponentials = (e - e.max()).exp()
    return exponentials / exponentials.sum(-1, keepdim=True)


@STABLE.mistake
def subtracts_the_mean(e):
    """You subtract the mean. By shift invariance that is right on paper, but a score far above the mean still
    overflows. Only the largest score makes sure that no exponent is positive."""
    return no_shift(e - e.mean(-1, keepdim=True))


@STABLE.mistake
def shifts_columns(e):
    """You subtract the largest score of each column. That adds another number to each entry of a row, and so
    changes its weights: the maximum runs over the keys, dim=-1."""
    return no_shift(e - e.amax(0, keepdim=True))


@STABLE.mistake
def eps_in_the_denominator(e):
    """You add a small number to the sum instead of subtracting the maximum. Where the scores are low, the sum
    is smaller than your number and the weights no longer add up to one; where they are high, it still
    overflows."""
    exponentials = e.exp()
    return exponentials / (exponentials.sum(-1, keepdim=True) + 1e-6)


@STABLE.mistake
def over_the_queries(e):
    """Your columns sum to one, not your rows. The keys are the last axis."""
    return torch.softmax(e, dim=0)


@STABLE.mistake
def clamps_the_scores(e):
    """You clamp the scores. Nothing overflows, but all scores beyond the limit become equal: 70 and 72 must
    not get the same weight."""
    return no_shift(e.clamp(-60, 60))


@STABLE.mistake
def subtracts_the_smallest(e):
    """You subtract the smallest score. Then no exponent is negative, and the large ones overflow all the
    sooner. Subtract the largest, so that no exponent is positive."""
    return no_shift(e - e.amin(-1, keepdim=True))


@STABLE.mistake
def repairs_nan_afterwards(e):
    """You replace NaN after the division. The weights are lost by then: a row of zeros, or of a single 1, is
    no softmax. Avoid the overflow by subtracting the largest score of each row."""
    return no_shift(e).nan_to_num()


@STABLE.mistake
def sum_over_everything(e):
    """You divide by the sum over all rows. Each query has weights of its own: sum over the last axis, with
    keepdim=True."""
    exponentials = (e - e.amax(-1, keepdim=True)).exp()
    return exponentials / exponentials.sum()


# 2: the logarithm of softmax


def log_softmax(e):
    below = e - e.amax(-1, keepdim=True)
    return below - below.exp().sum(-1, keepdim=True).log()


LOG = Exercise(
    2,
    kind="implement",
    reference=lambda e: torch.log_softmax(e, dim=-1),
    gradients=True,
    cases=lambda: [
        (draw((3, 5), requires_grad=True)[0],),
        (torch.tensor([[0.0, -400.0, 3.0], [1.0, 0.0, -200.0]]).requires_grad_(),),
        (torch.tensor([[500.0, 498.0], [-300.0, -301.0]]).requires_grad_(),),
    ],
)


@LOG.mistake
def log_of_softmax(e):
    """You take the logarithm of the weights. A weight that underflows to 0 has the logarithm minus infinity,
    though the right number is an ordinary one. Take the logarithm of the formula: e − LSE(e)."""
    return torch.softmax(e, -1).log()


@LOG.mistake
def no_shift_(e):
    """Your log-sum-exp overflows for large scores and is log 0 for very low ones. Take the largest score out
    of the sum first."""
    return e - e.exp().sum(-1, keepdim=True).log()


@LOG.mistake
def forgets_the_maximum(e):
    """You took the maximum out of the sum but did not add it back: LSE(e) = m + log Σ exp(e − m). Or subtract
    it from both terms."""
    return e - (e - e.amax(-1, keepdim=True)).exp().sum(-1, keepdim=True).log()


@LOG.mistake
def eps_in_the_logarithm(e):
    """You add a small number before the logarithm. There is no infinity any more, but every weight below your
    number gets the same, wrong logarithm."""
    return (torch.softmax(e, -1) + 1e-9).log()


@LOG.mistake
def detaches_the_sum(e):
    """Your values are right, but your gradient is not: the sum was detached. Only the maximum may be taken
    out of the graph."""
    below = e - e.amax(-1, keepdim=True)
    return below - below.exp().sum(-1, keepdim=True).log().detach()


@LOG.mistake
def over_the_queries_(e):
    """Your columns are normalised, not your rows. The keys are the last axis."""
    return torch.log_softmax(e, dim=0)


# 3: where the exponential overflows


def largest_score(exponent_bits, fraction_bits):
    return math.log(2 - 2.0**-fraction_bits) + (2 ** (exponent_bits - 1) - 1) * math.log(2)


OVERFLOW = Exercise(
    3, kind="predict", reference=largest_score, cases=lambda: [(5, 10), (8, 7), (8, 23), (11, 52), (5, 2)]
)


@OVERFLOW.mistake
def forgets_the_fraction(e, f):
    """That is the logarithm of the largest power of two. The largest number has all bits of the fraction set,
    which makes it almost twice as large."""
    return (2 ** (e - 1) - 1) * math.log(2)


@OVERFLOW.mistake
def forgets_the_sign_of_the_exponent(e, f):
    """You gave all codes of the exponent to large numbers. Half of them are for numbers below one: the
    largest exponent is 2^(bits − 1) − 1."""
    return math.log(2 - 2.0**-f) + (2**e - 2) * math.log(2)


@OVERFLOW.mistake
def takes_the_code_of_infinity(e, f):
    """Your largest exponent is one too high. The highest code of the exponent is reserved for infinity and
    NaN."""
    return math.log(2 - 2.0**-f) + 2 ** (e - 1) * math.log(2)


@OVERFLOW.mistake
def logarithm_to_base_two(e, f):
    """That is the logarithm to base 2. The exponential has base e: multiply by log 2."""
    return math.log2(2 - 2.0**-f) + 2 ** (e - 1) - 1


@OVERFLOW.mistake
def returns_the_number(e, f):
    """That is the largest number of the format. Its logarithm is the largest score."""
    return (2 - 2.0**-f) * (2.0 ** (2 ** (e - 1) - 1))


@OVERFLOW.mistake
def fraction_for_precision(e, f):
    """You put the bits of the fraction for t. The precision t counts the leading one as well, which is not
    stored: t = fraction bits + 1."""
    return math.log(2 - 2.0 ** (1 - f)) + (2 ** (e - 1) - 1) * math.log(2)


# 4: the gradient without the Jacobian


def run_within_a_row(backward, p, g):
    with LargestTensor() as largest:
        out = backward(p, g)
    return {"gradient": out, "no tensor larger than the weights": largest.size <= p.numel()}


def backward(p, g):
    return p * (g - (p * g).sum(-1, keepdim=True))


def gradient_cases():
    cases = []
    for seed, shape in enumerate(((3, 5), (2, 4, 6))):
        e, g = draw(shape, shape, seed=seed)
        cases.append((torch.softmax(e, -1), g))
    return cases


BACKWARD = Exercise(4, kind="faster", reference=backward, run=run_within_a_row, cases=gradient_cases)


@BACKWARD.mistake
def forms_the_matrix(p, g):
    """Your gradient is right, but a matrix of S × S numbers was made for each row. Multiply out (diag(p) − p
    pᵀ) g before you compute."""
    jacobian = torch.diag_embed(p) - p[..., :, None] * p[..., None, :]
    return (jacobian @ g[..., None])[..., 0]


@BACKWARD.mistake
def diagonal_only(p, g):
    """You used the diagonal of the Jacobian, p (1 − p), and left out the rest. Raising one score lowers all
    other weights."""
    return p * (1 - p) * g


@BACKWARD.mistake
def forgets_the_mean(p, g):
    """You left out ⟨p, g⟩. A gradient that is the same for all keys cannot change anything, so each row of
    your answer must sum to zero."""
    return p * g


@BACKWARD.mistake
def plain_mean(p, g):
    """You subtract the plain mean of g. It is the mean under the weights that counts, ⟨p, g⟩."""
    return p * (g - g.mean(-1, keepdim=True))


@BACKWARD.mistake
def sum_over_everything_(p, g):
    """You sum p · g over all rows. Each row has a softmax of its own: sum over the last axis, with
    keepdim=True."""
    return p * (g - (p * g).sum())


@BACKWARD.mistake
def forgets_the_weights_in_front(p, g):
    """You left out the factor p in front. A key without weight gets no gradient."""
    return g - (p * g).sum(-1, keepdim=True)


@BACKWARD.mistake
def forgets_the_weights_of_the_mean(p, g):
    """The second term of J g is p ⟨p, g⟩: you left out its factor p. Each row of your answer must sum to
    zero."""
    return p * g - (p * g).sum(-1, keepdim=True)


@BACKWARD.mistake
def sum_over_the_queries(p, g):
    """You sum p · g over the first axis. The keys are the last one, and each query has a mean of its own."""
    return p * (g - (p * g).sum(0, keepdim=True))


# 5: entropy and temperature for two keys

GAP, TAU = sympy.symbols("Delta tau", positive=True)
P = sympy.Symbol("p", positive=True)

ENTROPY = Exercise(5, kind="derive", reference=GAP**2 * P * (1 - P) / TAU**3)

ENTROPY.mistake(
    "derivative-by-beta",
    -(GAP**2) * P * (1 - P) / TAU,
    "That is the derivative with respect to β = 1/τ. Multiply by dβ/dτ = −1/τ².",
)
ENTROPY.mistake(
    "wrong-sign",
    -(GAP**2) * P * (1 - P) / TAU**3,
    "The sign is wrong: a higher temperature makes the weights less decided, so the entropy rises."
    " Both dH/dβ and dβ/dτ are negative.",
)
ENTROPY.mistake(
    "one-power-short",
    GAP**2 * P * (1 - P) / TAU**2,
    "A power of τ is missing: dH/dβ = −β Var(e) has a factor 1/τ of its own, besides the 1/τ² of dβ/dτ.",
)
ENTROPY.mistake(
    "second-moment",
    GAP**2 * P / TAU**3,
    "You took the mean of the squares for the variance. Subtract the square of the mean: pΔ² − (pΔ)².",
)
ENTROPY.mistake(
    "gap-not-squared",
    GAP * P * (1 - P) / TAU**3,
    "The variance of a score that is Δ with probability p and 0 otherwise has the unit of Δ²: Δ² p (1 − p).",
)
ENTROPY.mistake(
    "variance-alone", GAP**2 * P * (1 - P), "That is the variance of the scores. The rate divides it by τ³."
)
ENTROPY.mistake(
    "derivative-of-the-weight",
    -GAP * P * (1 - P) / TAU**2,
    "That is dp/dτ. The entropy changes with p at the rate dH/dp = −Δ/τ: multiply.",
)


# 6: a masked softmax that multiplies by the mask


def masked(e, mask):
    hidden = e.masked_fill(~mask, -torch.inf)
    largest = hidden.detach().amax(-1, keepdim=True)
    exponentials = (hidden - largest.masked_fill(largest == -torch.inf, 0)).exp()
    total = exponentials.sum(-1, keepdim=True)
    return exponentials / total.masked_fill(total == 0, 1)


def masked_cases():
    (usual,) = draw((3, 5), requires_grad=True)
    (high,) = draw((2, 4), seed=1)
    mask = torch.tensor([[True, True, False, True, True], [False] * 5, [False, False, True, False, True]])
    tall = torch.tensor([[True, False, True, False], [True, True, False, False]])
    high = high + torch.tensor([0.0, 0.0, 0.0, 120.0])
    return [(usual, mask), (high.requires_grad_(), tall)]


MASKED = Exercise(6, kind="find the bug", reference=masked, gradients=True, cases=masked_cases)


@MASKED.mistake
def infinity_times_zero(e, mask):
    """The bug is still there: a forbidden key with a large score has an infinite exponential, and infinity
    times zero is NaN. The mask must act on the score, before the exponential."""
    exponentials = e.exp() * mask
    return exponentials / (exponentials.sum(-1, keepdim=True) + 1e-9)


@MASKED.mistake
def maximum_of_forbidden_keys(e, mask):
    """You subtract the largest score of all keys, the forbidden ones too. If a forbidden key leads by far,
    all the others underflow and the row has no weights. Mask first, then take the maximum."""
    exponentials = (e - e.amax(-1, keepdim=True)).exp() * mask
    return exponentials / (exponentials.sum(-1, keepdim=True) + 1e-9)


@MASKED.mistake
def empty_row_nan(e, mask):
    """A row without any key is NaN: its largest score is minus infinity, and −∞ − (−∞) is not a number.
    Subtract 0 there, and do not divide by its sum of zero."""
    return torch.softmax(e.masked_fill(~mask, -torch.inf), -1)


@MASKED.mistake
def large_number_for_infinity(e, mask):
    """A row without any key gets equal weights on keys that it must not see: all its scores are −1e9, and
    only differences count. It should get zeros."""
    return torch.softmax(e.masked_fill(~mask, -1e9), -1)


@MASKED.mistake
def masks_the_weights(e, mask):
    """You mask the weights after the softmax: the forbidden keys have taken their share already, and the rows
    no longer sum to one."""
    return torch.softmax(e, -1) * mask


@MASKED.mistake
def repairs_nan_afterwards_(e, mask):
    """Your weights are right, but the gradient of the empty row is NaN. Replacing NaN in the result does not
    reach the backward pass, which goes through the softmax and multiplies zero by NaN."""
    return torch.softmax(e + torch.where(mask, 0.0, -torch.inf), -1).nan_to_num(0.0)


@MASKED.mistake
def multiplies_the_scores(e, mask):
    """You multiply the scores by the mask. A forbidden key then has the score 0, which is no prohibition: it
    may even be the largest."""
    return torch.softmax(e * mask, -1)


@MASKED.mistake
def mask_turned_around(e, mask):
    """Your mask is turned around: True means that the key is allowed."""
    return masked(e, ~mask)


@MASKED.mistake
def adds_a_large_number(e, mask):
    """You add −1e9 to forbidden scores. A row without any key then has −1e9 everywhere, and only differences
    count: it gets weights for keys that it must not see. It should get zeros."""
    return torch.softmax(e + ~mask * -1e9, -1)


# 7: log-sum-exp from a stream


def one_pass(stream):
    m, s = -math.inf, 0.0
    for e in stream:
        if e == -math.inf:
            continue
        larger = max(m, e)
        s = s * math.exp(m - larger) + math.exp(e - larger)
        m = larger
    return m + math.log(s) if s else -math.inf


def run_as_stream(answer, numbers):
    return answer(iter(numbers))


STREAM = Exercise(
    7,
    kind="implement",
    reference=one_pass,
    run=run_as_stream,
    cases=lambda: [
        ([1.0, 3.0, 2.0, 5.0, 5.0],),
        ([4.0, 3.0, 2.0],),
        ([-900.0, -901.0, -899.0],),
        ([900.0, 901.0, 1000.0],),
        ([1.0, 3.0, 2.0, 1000.0, 999.0],),
        ([-math.inf, 2.0, -math.inf, 3.0],),
        ([-math.inf, -math.inf],),
    ],
)


@STREAM.mistake
def no_rescaling(stream):
    """When a new maximum arrives, your old sum still refers to the old one. Multiply it by exp(old maximum −
    new maximum)."""
    m, s = -math.inf, 0.0
    for e in stream:
        if e == -math.inf:
            continue
        m = max(m, e)
        s += math.exp(e - m)
    return m + math.log(s) if s else -math.inf


@STREAM.mistake
def rescales_upwards(stream):
    """Your factor has the wrong sign: the old terms become smaller compared with a larger maximum, exp(old −
    new), which is at most 1."""
    m, s = -math.inf, 0.0
    for e in stream:
        if e == -math.inf:
            continue
        larger = max(m, e)
        s = s * math.exp(larger - m if s else 0) + math.exp(e - larger)
        m = larger
    return m + math.log(s) if s else -math.inf


@STREAM.mistake
def starts_at_zero(stream):
    """Your maximum starts at 0. If all scores lie far below, every exponential underflows and the sum is 0.
    Start at minus infinity, with a sum of 0."""
    m, s = 0.0, 0.0
    for e in stream:
        larger = max(m, e)
        s = s * math.exp(m - larger) + math.exp(e - larger)
        m = larger
    return m + math.log(s) if s else -math.inf


@STREAM.mistake
def no_maximum(stream):
    """You add up plain exponentials, which overflow at large scores and vanish at low ones. Keep a running
    maximum."""
    s = sum(math.exp(e) for e in stream)
    return math.log(s) if s else -math.inf


@STREAM.mistake
def infinity_minus_infinity(stream):
    """A stream that begins with −inf, a forbidden key, gives NaN: −∞ − (−∞) is not a number. Such a score
    adds nothing and can be skipped."""
    m, s = -math.inf, 0.0
    for e in stream:
        larger = max(m, e)
        s = s * math.exp(m - larger) + math.exp(e - larger)
        m = larger
    return m + math.log(s) if s else -math.inf


@STREAM.mistake
def reads_twice(stream):
    """You read the scores once for the maximum, and the second time there was nothing left. The stream can be
    read only once: maximum and sum must grow together."""
    m = max(stream)
    return m + math.log(sum(math.exp(e - m) for e in stream))


@STREAM.mistake
def forgets_the_maximum_(stream):
    """You return log s alone. The sum is that of exp(e − m): add m back."""
    m, s = -math.inf, 0.0
    for e in stream:
        if e == -math.inf:
            continue
        larger = max(m, e)
        s = s * math.exp(m - larger) + math.exp(e - larger)
        m = larger
    return math.log(s) if s else -math.inf


@STREAM.mistake
def starts_again(stream):
    """With each new maximum you begin a new sum of 1. The scores before it still count: multiply the old sum
    by exp(old maximum − new maximum), then add 1."""
    m, s = -math.inf, 0.0
    for e in stream:
        if e > m:
            m, s = e, 1.0
        elif e > -math.inf:
            s += math.exp(e - m)
    return m + math.log(s) if s else -math.inf


# 8: how far a match can be heard


def audible(d_k, sharpness, share):
    return 1 + (1 - share) / share * math.exp(sharpness * math.sqrt(d_k) - sharpness**2 / 2)


DROWNING = Exercise(
    8,
    kind="predict",
    reference=audible,
    cases=lambda: [(64, 1.0, 0.5), (64, 1.0, 0.9), (36, 2.0, 0.5), (128, 0.5, 0.1)],
    rtol=1e-4,
    atol=1e-3,
)


@DROWNING.mistake
def mean_of_the_scores(d, b, p):
    """You let every competitor count as exp(0) = 1, the exponential of the mean score. The mean of the
    exponential is larger, exp(β²/2), since high scores gain more than low ones lose."""
    return 1 + (1 - p) / p * math.exp(b * math.sqrt(d))


@DROWNING.mistake
def noise_helps(d, b, p):
    """The sign of β²/2 is wrong: the spread of the competitors costs weight, so fewer of them are allowed."""
    return 1 + (1 - p) / p * math.exp(b * math.sqrt(d) + b**2 / 2)


@DROWNING.mistake
def odds_upside_down(d, b, p):
    """The odds are upside down: the larger the share that must be kept, the fewer competitors are allowed, so
    (1 − p)/p."""
    return 1 + p / (1 - p) * math.exp(b * math.sqrt(d) - b**2 / 2)


@DROWNING.mistake
def counts_competitors(d, b, p):
    """That is the number of competitors, S − 1. The match is a key as well: add one."""
    return (1 - p) / p * math.exp(b * math.sqrt(d) - b**2 / 2)


@DROWNING.mistake
def score_of_the_width(d, b, p):
    """You took d_k for the score of the match. It is ‖q‖²/√d_k = √d_k after scaling."""
    return 1 + (1 - p) / p * math.exp(b * d - b**2 / 2)


@DROWNING.mistake
def forgets_the_share(d, b, p):
    """That is the length at which half of the weight is left. Solve for any share: set 1/(1 + (S − 1)x) equal
    to p."""
    return 1 + math.exp(b * math.sqrt(d) - b**2 / 2)


@DROWNING.mistake
def variance_not_halved(d, b, p):
    """The mean of exp(βz) is exp(β²/2): completing the square leaves half of β²."""
    return 1 + (1 - p) / p * math.exp(b * math.sqrt(d) - b**2)


@DROWNING.mistake
def rounds(d, b, p):
    """Your number is rounded. Return it as it comes out of the formula."""
    return round(audible(d, b, p))


EXERCISES = (STABLE, LOG, OVERFLOW, BACKWARD, ENTROPY, MASKED, STREAM, DROWNING)
