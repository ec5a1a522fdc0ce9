"""Exercises of the chapter on the block."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.grading.meter import LargestTensor

# 1: a gated feed-forward network


def gated(x, w_gate, w_in, w_out):
    return (F.silu(x @ w_gate) * (x @ w_in)) @ w_out


GATED = Exercise(
    1,
    kind="implement",
    reference=gated,
    gradients=True,
    cases=lambda: [draw((2, 3, 4), (4, 6), (4, 6), (6, 4), requires_grad=True)],
)


@GATED.mistake
def gates_the_wrong_branch(x, g, w, o):
    """You activate x W₁ and multiply by the bare x W_g. The two are of the same shape, so nothing fails, but
    trained weights stop working: the activation belongs to W_g."""
    return gated(x, w, g, o)


@GATED.mistake
def activates_both(x, g, w, o):
    """You activate both branches. Only the gate is activated; the other one must be able to carry a negative
    number."""
    return (F.silu(x @ g) * F.silu(x @ w)) @ o


@GATED.mistake
def activates_the_product(x, g, w, o):
    """You multiply first and activate the product. The activation acts on the gate alone, before the
    product."""
    return F.silu((x @ g) * (x @ w)) @ o


@GATED.mistake
def forgets_the_activation(x, g, w, o):
    """You forgot the activation of the gate. What is left is bilinear: twice the input gives four times the
    output."""
    return ((x @ g) * (x @ w)) @ o


@GATED.mistake
def sigmoid_for_silu(x, g, w, o):
    """Your gate is σ(z): that is the first of these units, GLU. SwiGLU has SiLU, z σ(z)."""
    return (torch.sigmoid(x @ g) * (x @ w)) @ o


@GATED.mistake
def gelu_for_silu(x, g, w, o):
    """Your activation is GELU: that is GEGLU. SwiGLU has SiLU, z σ(z)."""
    return (F.gelu(x @ g) * (x @ w)) @ o


@GATED.mistake
def relu_for_silu(x, g, w, o):
    """Your activation is ReLU: that is ReGLU. SwiGLU has SiLU, z σ(z)."""
    return (F.relu(x @ g) * (x @ w)) @ o


@GATED.mistake
def activates_the_token(x, g, w, o):
    """You activate the token before you project it. The activation acts on the projection x W_g."""
    return ((F.silu(x) @ g) * (x @ w)) @ o


@GATED.mistake
def splits_the_activation(x, g, w, o):
    """You activate both branches, one with σ and one with SiLU. SiLU is on the gate, and the other branch is
    a bare projection."""
    return (torch.sigmoid(x @ g) * F.silu(x @ w)) @ o


@GATED.mistake
def activates_the_output(x, g, w, o):
    """You activate what leaves W₂. The activation belongs on the gate, before the product."""
    return F.silu(((x @ g) * (x @ w)) @ o)


@GATED.mistake
def adds_the_branches(x, g, w, o):
    """You add the two branches. A gate multiplies, number by number."""
    return (F.silu(x @ g) + x @ w) @ o


@GATED.mistake
def forgets_the_gate(x, g, w, o):
    """You left out the gate: this is the plain network with SiLU, and W_g does nothing."""
    return F.silu(x @ w) @ o


# 2: a layer norm that shipped with faults


def layer_norm(x, gain, shift, eps):
    return F.layer_norm(x, x.shape[-1:], gain, shift, eps)


def norm_cases():
    x, gain, shift = draw((2, 3, 5), (5,), (5,))
    x = 2 * x + torch.tensor([[[3.0]], [[-1.0]]])
    quiet = 1e-3 * draw((1, 2, 5), seed=1)[0]
    return [(x, gain, shift, 1e-5), (quiet, gain, shift, 1e-5), (torch.ones(1, 2, 5), gain, shift, 1e-5)]


SHIPPED = Exercise(2, kind="find the bug", reference=layer_norm, cases=norm_cases)


@SHIPPED.mistake
def both_faults(x, gain, shift, eps):
    """Both faults are still there: std divides by d − 1, and eps is added beside the root instead of inside
    it."""
    mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
    return gain * (x - mean) / (std + eps) + shift


@SHIPPED.mistake
def eps_beside_the_root(x, gain, shift, eps):
    """The mean square is right now. But eps is added to the standard deviation: it belongs to the variance,
    inside the root. Quiet tokens show the difference."""
    mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True, correction=0)
    return gain * (x - mean) / (std + eps) + shift


@SHIPPED.mistake
def divides_by_one_less(x, gain, shift, eps):
    """eps is in its place now. But your variance divides by d − 1; that of a layer norm divides by d:
    correction=0."""
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True)
    return gain * (x - mean) / (variance + eps).sqrt() + shift


@SHIPPED.mistake
def over_the_tokens(x, gain, shift, eps):
    """You take mean and variance over the tokens, for each channel. Each token is normalised by itself, over
    its channels: the last axis."""
    mean, variance = x.mean(-2, keepdim=True), x.var(-2, keepdim=True, correction=0)
    return gain * (x - mean) / (variance + eps).sqrt() + shift


@SHIPPED.mistake
def over_the_sentence(x, gain, shift, eps):
    """You take one mean and one variance for a whole sentence. Each token has its own."""
    mean = x.mean((-2, -1), keepdim=True)
    variance = x.var((-2, -1), keepdim=True, correction=0)
    return gain * (x - mean) / (variance + eps).sqrt() + shift


@SHIPPED.mistake
def divides_by_the_variance(x, gain, shift, eps):
    """You divide by the variance. Divide by its root, so that the result has variance one."""
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
    return gain * (x - mean) / (variance + eps) + shift


@SHIPPED.mistake
def does_not_centre(x, gain, shift, eps):
    """You left out the mean: that is RMSNorm with a shift."""
    return gain * x / (x.square().mean(-1, keepdim=True) + eps).sqrt() + shift


@SHIPPED.mistake
def size_before_centring(x, gain, shift, eps):
    """You subtract the mean, but divide by the root mean square of what was there before. The variance is the
    mean square of the centred token."""
    size = (x.square().mean(-1, keepdim=True) + eps).sqrt()
    return gain * (x - x.mean(-1, keepdim=True)) / size + shift


@SHIPPED.mistake
def no_eps(x, gain, shift, eps):
    """You left eps out. A constant token has no variance, and is divided by zero; quiet tokens become too
    loud."""
    return layer_norm(x, gain, shift, 0.0)


@SHIPPED.mistake
def sum_for_the_mean(x, gain, shift, eps):
    """You divide by the length of the centred token. The variance is the mean of the squares, not their
    sum."""
    centred = x - x.mean(-1, keepdim=True)
    return gain * centred / (centred.square().sum(-1, keepdim=True) + eps).sqrt() + shift


@SHIPPED.mistake
def correction_turned_round(x, gain, shift, eps):
    """You correct in the wrong direction: var divides by d − 1 already, so to divide by d multiply by (d −
    1)/d. Simpler: correction=0."""
    d = x.shape[-1]
    centred, variance = x - x.mean(-1, keepdim=True), x.var(-1, keepdim=True) * d / (d - 1)
    return gain * centred / (variance + eps).sqrt() + shift


@SHIPPED.mistake
def root_of_the_deviation(x, gain, shift, eps):
    """You take the root of the standard deviation, which is a root already. Inside the root stands the
    variance plus eps."""
    centred, std = x - x.mean(-1, keepdim=True), x.std(-1, keepdim=True, correction=0)
    return gain * centred / (std + eps).sqrt() + shift


@SHIPPED.mistake
def over_the_batch(x, gain, shift, eps):
    """You take one mean and one variance for all tokens of the batch. Each token has its own."""
    return gain * (x - x.mean()) / (x.var(correction=0) + eps).sqrt() + shift


@SHIPPED.mistake
def forgets_the_gain(x, gain, shift, eps):
    """You left out the gain."""
    return layer_norm(x, torch.ones_like(gain), shift, eps)


@SHIPPED.mistake
def forgets_the_shift(x, gain, shift, eps):
    """You left out the shift."""
    return layer_norm(x, gain, torch.zeros_like(shift), eps)


@SHIPPED.mistake
def gain_on_the_shift(x, gain, shift, eps):
    """You add the shift before you multiply by the gain. The gain comes first."""
    return gain * (F.layer_norm(x, x.shape[-1:], eps=eps) + shift)


# 3: the slope of a logistic gate

SLOPE = Exercise(3, kind="derive", reference=math.sqrt(8 / math.pi), rtol=1e-3)

SLOPE.mistake(
    "forgets-the-quarter",
    1 / math.sqrt(2 * math.pi),
    "That is the slope of Φ at zero. The slope of σ(a x) there is a/4: solve for a.",
)
SLOPE.mistake(
    "fitted-constant",
    1.702,
    "1.702 makes the largest error over all x small. Here the slopes at zero shall agree, which "
    "gives another number.",
)
SLOPE.mistake(
    "constant-of-tanh",
    math.sqrt(2 / math.pi),
    "That is the factor inside the tanh of the approximate GELU. tanh has slope 1 at zero and (1 +"
    " tanh u)/2 has slope 1/2; σ has slope 1/4.",
)
SLOPE.mistake(
    "inverse",
    math.sqrt(math.pi / 8),
    "That is 1/a: you divided where you should have multiplied. The slope of σ(a x) is a σ′(a x).",
)
SLOPE.mistake(
    "density-without-root", 2 / math.pi, "The normal density at zero is 1/√(2π): check its normalisation."
)
SLOPE.mistake(
    "density-of-erf",
    4 / math.sqrt(math.pi),
    "1/√π is from the error function. The normal density at zero is 1/√(2π).",
)
SLOPE.mistake(
    "density-is-one",
    4.0,
    "That makes the slope of σ(a x) one. It shall be the slope of Φ at zero: the normal density there.",
)
SLOPE.mistake(
    "multiplies-by-the-quarter",
    1 / (4 * math.sqrt(2 * math.pi)),
    "You multiply the density by 1/4. Solve a/4 = 1/√(2π) for a.",
)
SLOPE.mistake(
    "equal-variances",
    math.pi / math.sqrt(3),
    "That gives the logistic distribution variance one. Here the slopes at zero shall agree.",
)


# 4: the backward pass of RMSNorm


def rms_backward(x, gain, dy, eps):
    s = (x.square().mean(-1, keepdim=True) + eps).sqrt()
    hat, g = x / s, gain * dy
    return (g - hat * (g * hat).mean(-1, keepdim=True)) / s


def rms_parts(x, gain, dy, eps):
    s = (x.square().mean(-1, keepdim=True) + eps).sqrt()
    return s, x / s, gain * dy


def run_metered(answer, x, gain, dy, eps):
    kept = []

    def keep(tensor):  # called only where autograd keeps a tensor for a backward pass
        kept.append(None)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), LargestTensor() as largest:
        out = answer(x, gain, dy, eps)
    return {
        "gradient": out,
        "no tensor is larger than x": largest.size <= x.numel(),
        "without autograd": not kept,
    }


RMS = Exercise(
    4,
    kind="faster",
    reference=rms_backward,
    run=run_metered,
    cases=lambda: [(*draw((2, 3, 16), (16,), (2, 3, 16)), 1e-6), (*draw((4, 8), (8,), (4, 8), seed=1), 0.5)],
)


@RMS.mistake
def forms_the_matrix(x, gain, dy, eps):
    """Your gradient is right, but you made a d × d matrix for each token. Multiply out: the part along x̂
    needs only one number, the mean of g ∘ x̂."""
    s, hat, g = rms_parts(x, gain, dy, eps)
    jacobian = (torch.eye(x.shape[-1]) - hat[..., :, None] * hat[..., None, :] / x.shape[-1]) / s[..., None]
    return (jacobian @ g[..., None])[..., 0]


@RMS.mistake
def by_autograd(x, gain, dy, eps):
    """Your gradient is right, but autograd computed it. Write it down: that is the exercise."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        out = gain * leaf * (leaf.square().mean(-1, keepdim=True) + eps).rsqrt()
        return torch.autograd.grad(out, leaf, dy)[0]


@RMS.mistake
def no_eps_(x, gain, dy, eps):
    """You left eps out of the size. For most tokens that is hardly seen; s must be the size that the forward
    pass divided by."""
    return rms_backward(x, gain, dy, 0.0)


@RMS.mistake
def eps_beside_the_root_(x, gain, dy, eps):
    """You add eps to the root mean square. It is added to the mean square, inside the root."""
    s, g = x.square().mean(-1, keepdim=True).sqrt() + eps, gain * dy
    return (g - x / s * (g * x / s).mean(-1, keepdim=True)) / s


@RMS.mistake
def one_size_short(x, gain, dy, eps):
    """You divide only g by s. The factor 1/s stands before the whole difference."""
    s, hat, g = rms_parts(x, gain, dy, eps)
    return g / s - hat * (g * hat).mean(-1, keepdim=True)


@RMS.mistake
def divided_twice(x, gain, dy, eps):
    """You divide by s once too often."""
    return rms_backward(x, gain, dy, eps) / rms_parts(x, gain, dy, eps)[0]


@RMS.mistake
def wrong_sign(x, gain, dy, eps):
    """You add the part along x̂. It must be taken off: moving along x̂ changes nothing."""
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g + hat * (g * hat).mean(-1, keepdim=True)) / s


@RMS.mistake
def mean_over_all(x, gain, dy, eps):
    """You take one mean for all tokens. Each token has its own, over its channels."""
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g - hat * (g * hat).mean()) / s


@RMS.mistake
def gain_in_one_place(x, gain, dy, eps):
    """You use g in one term and dy in the other. Both have g = γ ∘ dy."""
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g - hat * (dy * hat).mean(-1, keepdim=True)) / s


@RMS.mistake
def projects_by_the_token(x, gain, dy, eps):
    """You take off the whole part along x. With eps in the size, moving along x does change the output a
    little: divide by d s², not by the sum of squares."""
    s, _, g = rms_parts(x, gain, dy, eps)
    return (g - x * (g * x).sum(-1, keepdim=True) / x.square().sum(-1, keepdim=True)) / s


@RMS.mistake
def size_is_constant(x, gain, dy, eps):
    """You treat the size s as a constant. It depends on x as well: a change along x̂ changes nothing, so that
    part must be subtracted."""
    s, _, g = rms_parts(x, gain, dy, eps)
    return g / s


@RMS.mistake
def forgets_the_gain_(x, gain, dy, eps):
    """You left out the gain: what arrives at the normalised token is g = γ ∘ dy."""
    return rms_backward(x, torch.ones_like(gain), dy, eps)


@RMS.mistake
def gain_comes_last(x, gain, dy, eps):
    """You multiply by the gain at the end. Backwards it comes first: γ ∘ dy goes through the
    normalisation."""
    return gain * rms_backward(x, torch.ones_like(gain), dy, eps)


@RMS.mistake
def sum_for_mean(x, gain, dy, eps):
    """You sum g ∘ x̂ over the channels. It is the mean: the mean square has a 1/d."""
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g - hat * (g * hat).sum(-1, keepdim=True)) / s


@RMS.mistake
def token_not_normalised(x, gain, dy, eps):
    """You use x where x̂ = x/s belongs."""
    s, _, g = rms_parts(x, gain, dy, eps)
    return (g - x * (g * x).mean(-1, keepdim=True)) / s


@RMS.mistake
def forgets_the_size(x, gain, dy, eps):
    """You left out the factor 1/s: a larger token gets a smaller gradient."""
    _, hat, g = rms_parts(x, gain, dy, eps)
    return g - hat * (g * hat).mean(-1, keepdim=True)


@RMS.mistake
def centres_as_well(x, gain, dy, eps):
    """You subtract the mean of g: that is the backward pass of LayerNorm. RMSNorm does not centre."""
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g - g.mean(-1, keepdim=True) - hat * (g * hat).mean(-1, keepdim=True)) / s


# 5: how long a gradient is


def squared_length(n, a, b):
    return (a**2 + b**2 / 2) ** n


LENGTH = Exercise(
    5,
    kind="predict",
    reference=squared_length,
    cases=lambda: [(1, 1.0, 1.0), (12, 1.0, 1.0), (12, 0.0, 1.0), (8, 1.0, 0.25), (10, 0.5, 1.0)],
    rtol=1e-5,
    atol=0.0,
)


@LENGTH.mistake
def adds_the_factors(n, a, b):
    """You add the lengths of the two ways. They are uncorrelated, so their squares add: a² + b²/2."""
    return (a + b / math.sqrt(2)) ** (2 * n)


@LENGTH.mistake
def all_neurons_on(n, a, b):
    """You let all neurons through. A ReLU is off for half of them."""
    return (a**2 + b**2) ** n


@LENGTH.mistake
def factors_not_squared(n, a, b):
    """A factor b on the layer multiplies the squared length by b²."""
    return (a + b / 2) ** n


@LENGTH.mistake
def length_not_squared(n, a, b):
    """That is the length. The squared length is asked for."""
    return (a**2 + b**2 / 2) ** (n / 2)


@LENGTH.mistake
def layers_add_up(n, a, b):
    """You add up the layers. The Jacobians are multiplied: the n-th power."""
    return a**2 + n * b**2 / 2


@LENGTH.mistake
def half_twice(n, a, b):
    """One half is enough: the activation halves the mean square, and the two matrices keep it."""
    return (a**2 + b**2 / 4) ** n


@LENGTH.mistake
def keeps_the_cross_term(n, a, b):
    """You kept a product of the two ways. Its mean is zero: the way through changes its sign with the last
    matrix, and the way around does not."""
    return (a**2 + a * b + b**2 / 2) ** n


@LENGTH.mistake
def halves_both_ways(n, a, b):
    """You halve the way around as well. The ReLU is only on the way through."""
    return ((a**2 + b**2) / 2) ** n


@LENGTH.mistake
def b_not_squared(n, a, b):
    """You squared a, but not b."""
    return (a**2 + b / 2) ** n


@LENGTH.mistake
def around_without_a(n, a, b):
    """You left out a: the way around multiplies the squared length by a²."""
    return (1 + b**2 / 2) ** n


@LENGTH.mistake
def times_n(n, a, b):
    """You multiply by n. Each layer multiplies by its factor: the n-th power."""
    return n * (a**2 + b**2 / 2)


@LENGTH.mistake
def power_of_each_way(n, a, b):
    """You let a gradient go around all layers or through all of them. At each layer it does both: add first,
    then take the power."""
    return a ** (2 * n) + (b**2 / 2) ** n


@LENGTH.mistake
def multiplies_the_ways(n, a, b):
    """The way around and the way through are added in a residual connection, not multiplied."""
    return (a**2 * b**2 / 2) ** n


# 6: the block, wired


def wired(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        y = x + attention(norm_1(x))
        return y + feed_forward(norm_2(y))
    y = norm_1(x + attention(x))
    return norm_2(y + feed_forward(y))


def run_wired(answer, x, pre_norm):
    w_1, w_2, w_3, gain_1, gain_2 = draw((4, 4), (4, 4), (4, 4), (4,), (4,), seed=1)
    return answer(
        x,
        lambda x: torch.softmax(x @ w_1 @ x.mT, -1) @ x,
        lambda x: torch.relu(x @ w_2) @ w_3,
        lambda x: F.layer_norm(x, (4,), gain_1),
        lambda x: F.layer_norm(x, (4,), gain_2),
        pre_norm,
    )


WIRED = Exercise(
    6,
    kind="implement",
    reference=wired,
    run=run_wired,
    cases=lambda: [(*draw((2, 3, 4)), True), (*draw((2, 3, 4)), False)],
)


@WIRED.mistake
def normalises_the_stream(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """In pre-norm you add to the normalised stream. Only what the sublayer reads is normalised; what is added
    to must be the stream as it came, or nothing passes the layers unchanged."""
    if not pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    x = norm_1(x)
    y = norm_2(x + attention(x))
    return y + feed_forward(y)


@WIRED.mistake
def normalises_the_answer(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """In post-norm you normalise what the sublayer returns and then add. The sum is normalised: norm(x +
    F(x))."""
    if pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = x + norm_1(attention(x))
    return y + norm_2(feed_forward(y))


@WIRED.mistake
def second_reads_the_input(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """Your feed-forward network reads x. It must read y, what attention has made of it."""
    if pre_norm:
        return x + attention(norm_1(x)) + feed_forward(norm_2(x))
    y = norm_1(x + attention(x))
    return norm_2(y + feed_forward(x))


@WIRED.mistake
def second_skips_attention(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """The second residual connection adds x again instead of y: the answer of attention is lost for the
    stream."""
    if pre_norm:
        return x + feed_forward(norm_2(x + attention(norm_1(x))))
    y = norm_1(x + attention(x))
    return norm_2(x + feed_forward(y))


@WIRED.mistake
def one_norm_for_both(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """You use the first normalisation twice. Each sublayer has a gain and a shift of its own."""
    return wired(x, attention, feed_forward, norm_1, norm_1, pre_norm)


@WIRED.mistake
def no_second_residual(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """The feed-forward network has no residual connection: add y."""
    if pre_norm:
        return feed_forward(norm_2(x + attention(norm_1(x))))
    return norm_2(feed_forward(norm_1(x + attention(x))))


@WIRED.mistake
def feed_forward_first(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """You apply the feed-forward network first. In this block attention comes first."""
    return wired(x, feed_forward, attention, norm_1, norm_2, pre_norm)


@WIRED.mistake
def pre_and_post_exchanged(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """You have exchanged the two forms: pre-norm normalises what the sublayer reads."""
    return wired(x, attention, feed_forward, norm_1, norm_2, not pre_norm)


@WIRED.mistake
def always_pre_norm(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """You wire pre-norm whatever `pre_norm` says: the other form differs in where the norms stand."""
    return wired(x, attention, feed_forward, norm_1, norm_2, True)


@WIRED.mistake
def always_post_norm(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """You wire post-norm whatever `pre_norm` says: the other form differs in where the norms stand."""
    return wired(x, attention, feed_forward, norm_1, norm_2, False)


@WIRED.mistake
def no_first_residual(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """Attention has no residual connection: add x."""
    if pre_norm:
        y = attention(norm_1(x))
        return y + feed_forward(norm_2(y))
    y = norm_1(attention(x))
    return norm_2(y + feed_forward(y))


@WIRED.mistake
def no_residual_at_all(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """There is no residual connection. Each sublayer adds to what it got."""
    if pre_norm:
        return feed_forward(norm_2(attention(norm_1(x))))
    return norm_2(feed_forward(norm_1(attention(x))))


@WIRED.mistake
def norms_exchanged(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """You have exchanged the normalisations: the first belongs to attention."""
    return wired(x, attention, feed_forward, norm_2, norm_1, pre_norm)


@WIRED.mistake
def normalises_the_answer_in_pre_norm(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """In pre-norm you normalise what the sublayer returns. Normalise what it reads: x + F(norm(x))."""
    if not pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = x + norm_1(attention(x))
    return y + norm_2(feed_forward(y))


@WIRED.mistake
def both_places_in_post_norm(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """In post-norm you normalise before and after. The sublayer reads the stream as it is; only the sum is
    normalised."""
    if pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = norm_1(x + attention(norm_1(x)))
    return norm_2(y + feed_forward(norm_2(y)))


@WIRED.mistake
def last_norm_missing(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """In post-norm the second sum is normalised as well: norm₂(y + F(y))."""
    if pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = norm_1(x + attention(x))
    return y + feed_forward(y)


@WIRED.mistake
def second_norm_missing(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """In pre-norm the feed-forward network reads norm₂(y), not y."""
    if not pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = x + attention(norm_1(x))
    return y + feed_forward(y)


@WIRED.mistake
def normalises_the_end(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    """In pre-norm you normalise the result of the block. The final normalisation stands once, after the last
    block of the stack."""
    if not pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    return norm_2(wired(x, attention, feed_forward, norm_1, norm_2, pre_norm))


# 7: fold the normalisation into the next layer


def fold(gain, shift, weight, bias):
    return weight * gain, weight @ shift + bias


FOLD = Exercise(
    7,
    kind="faster",
    reference=fold,
    cases=lambda: [draw((4,), (4,), (4, 4), (4,)), draw((3,), (3,), (3, 3), (3,), seed=1)],
)


@FOLD.mistake
def gain_on_the_outputs(gain, shift, weight, bias):
    """You multiply the rows of the weight by the gain. The stored weight is (out, in), and the gain belongs
    to the inputs: the columns."""
    return (weight * gain[:, None], weight @ shift + bias)


@FOLD.mistake
def forgets_the_shift_(gain, shift, weight, bias):
    """You dropped the shift. It goes through the layer and becomes part of the bias."""
    return (weight * gain, bias)


@FOLD.mistake
def shift_with_gain(gain, shift, weight, bias):
    """You send the shift through the folded weight. It is added after the gain, so it meets the old
    weight."""
    return (weight * gain, (weight * gain) @ shift + bias)


@FOLD.mistake
def bias_with_gain(gain, shift, weight, bias):
    """You scale the bias of the layer. It is added after everything and stays as it is."""
    return (weight * gain, weight @ shift + bias * gain)


@FOLD.mistake
def shift_through_the_transpose(gain, shift, weight, bias):
    """You send the shift through the transposed weight. It is stored as (out, in): the layer computes x @
    weight.T, so the shift becomes weight @ shift."""
    return (weight * gain, shift @ weight + bias)


@FOLD.mistake
def adds_the_bare_shift(gain, shift, weight, bias):
    """You add the shift to the bias. On its way there it goes through the weight."""
    return (weight * gain, bias + shift)


@FOLD.mistake
def forgets_the_old_bias(gain, shift, weight, bias):
    """You lost the old bias of the layer: add it."""
    return (weight * gain, weight @ shift)


@FOLD.mistake
def divides_by_the_gain(gain, shift, weight, bias):
    """You divide by the gain. That would undo it; the folded layer must apply it."""
    return (weight / gain, weight @ shift + bias)


@FOLD.mistake
def forgets_the_gain__(gain, shift, weight, bias):
    """The weight is unchanged: multiply its columns by the gain."""
    return (weight, weight @ shift + bias)


# 8: the width of a gated network


def gated_width(d_model, multiple):
    return multiple * -(-8 * d_model // (3 * multiple))


WIDTH = Exercise(
    8,
    kind="predict",
    reference=gated_width,
    cases=lambda: [(4096, 256), (5120, 256), (512, 64), (96, 8), (100, 1), (50, 1)],
)


@WIDTH.mistake
def width_of_the_plain_one(d, m):
    """That is the width of a network with two matrices. With three, take two thirds of it."""
    return m * -(-4 * d // m)


@WIDTH.mistake
def half_of_it(d, m):
    """You halved the width. Three matrices instead of two ask for two thirds."""
    return m * -(-2 * d // m)


@WIDTH.mistake
def two_thirds_of_the_model(d, m):
    """You took two thirds of d_model. The plain network is 4 d_model wide."""
    return m * -(-2 * d // (3 * m))


@WIDTH.mistake
def rounds_down(d, m):
    """You round down. The width is rounded up to a multiple."""
    return m * (8 * d // (3 * m))


@WIDTH.mistake
def rounds_to_the_nearest(d, m):
    """You round to the nearest multiple. It is rounded up."""
    return m * round(8 * d / 3 / m)


@WIDTH.mistake
def does_not_round(d, m):
    """You do not round to a multiple of the second argument."""
    return math.ceil(8 * d / 3)


@WIDTH.mistake
def cuts_before_rounding(d, m):
    """You cut the fraction off before you round up to a multiple. With a multiple of 1 that rounds down:
    divide by 3 · multiple at once."""
    return m * -(-(8 * d // 3) // m)


@WIDTH.mistake
def forgets_to_multiply(d, m):
    """That is how many multiples fit in. The width is that number times the multiple."""
    return -(-8 * d // (3 * m))


@WIDTH.mistake
def three_halves(d, m):
    """You made the network wider. Three matrices instead of two ask for two thirds of the width."""
    return m * -(-6 * d // m)


@WIDTH.mistake
def adds_a_multiple(d, m):
    """You add a multiple even where the width is one already."""
    return m * (8 * d // (3 * m) + 1)


EXERCISES = (GATED, SHIPPED, SLOPE, RMS, LENGTH, WIRED, FOLD, WIDTH)
