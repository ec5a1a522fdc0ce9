"""Exercises of the chapter on the block."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from course.grading.exercise import Exercise, Mistake
from course.grading.inputs import draw
from course.grading.meter import LargestTensor

# 1: a gated feed-forward network


def gated(x, w_gate, w_in, w_out):
    return (F.silu(x @ w_gate) * (x @ w_in)) @ w_out


GATED = Exercise(
    number=1,
    kind="implement",
    reference=gated,
    gradients=True,
    cases=lambda: [draw((2, 3, 4), (4, 6), (4, 6), (6, 4), requires_grad=True)],
    mistakes=(
        Mistake(
            "gates-the-wrong-branch",
            lambda x, g, w, o: gated(x, w, g, o),
            "You activate x W₁ and multiply by the bare x W_g. The two are of the same shape, so nothing "
            "fails, but trained weights stop working: the activation belongs to W_g.",
        ),
        Mistake(
            "activates-both",
            lambda x, g, w, o: (F.silu(x @ g) * F.silu(x @ w)) @ o,
            "You activate both branches. Only the gate is activated; the other one must be able to carry a"
            " negative number.",
        ),
        Mistake(
            "activates-the-product",
            lambda x, g, w, o: F.silu((x @ g) * (x @ w)) @ o,
            "You multiply first and activate the product. The activation acts on the gate alone, before "
            "the product.",
        ),
        Mistake(
            "forgets-the-activation",
            lambda x, g, w, o: ((x @ g) * (x @ w)) @ o,
            "You forgot the activation of the gate. What is left is bilinear: twice the input gives four "
            "times the output.",
        ),
        Mistake(
            "sigmoid-for-silu",
            lambda x, g, w, o: (torch.sigmoid(x @ g) * (x @ w)) @ o,
            "Your gate is σ(z): that is the first of these units, GLU. SwiGLU has SiLU, z σ(z).",
        ),
        Mistake(
            "gelu-for-silu",
            lambda x, g, w, o: (F.gelu(x @ g) * (x @ w)) @ o,
            "Your activation is GELU: that is GEGLU. SwiGLU has SiLU, z σ(z).",
        ),
        Mistake(
            "relu-for-silu",
            lambda x, g, w, o: (F.relu(x @ g) * (x @ w)) @ o,
            "Your activation is ReLU: that is ReGLU. SwiGLU has SiLU, z σ(z).",
        ),
        Mistake(
            "activates-the-token",
            lambda x, g, w, o: ((F.silu(x) @ g) * (x @ w)) @ o,
            "You activate the token before you project it. The activation acts on the projection x W_g.",
        ),
        Mistake(
            "splits-the-activation",
            lambda x, g, w, o: (torch.sigmoid(x @ g) * F.silu(x @ w)) @ o,
            "You activate both branches, one with σ and one with SiLU. SiLU is on the gate, and the other "
            "branch is a bare projection.",
        ),
        Mistake(
            "activates-the-output",
            lambda x, g, w, o: F.silu(((x @ g) * (x @ w)) @ o),
            "You activate what leaves W₂. The activation belongs on the gate, before the product.",
        ),
        Mistake(
            "adds-the-branches",
            lambda x, g, w, o: (F.silu(x @ g) + x @ w) @ o,
            "You add the two branches. A gate multiplies, number by number.",
        ),
        Mistake(
            "forgets-the-gate",
            lambda x, g, w, o: F.silu(x @ w) @ o,
            "You left out the gate: this is the plain network with SiLU, and W_g does nothing.",
        ),
    ),
)


# 2: a layer norm that shipped with faults


def layer_norm(x, gain, shift, eps):
    return F.layer_norm(x, x.shape[-1:], gain, shift, eps)


def shipped(x, gain, shift, eps):
    mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
    return gain * (x - mean) / (std + eps) + shift


def eps_beside_the_root(x, gain, shift, eps):
    mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True, correction=0)
    return gain * (x - mean) / (std + eps) + shift


def divides_by_one_less(x, gain, shift, eps):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True)
    return gain * (x - mean) / (variance + eps).sqrt() + shift


def over_the_tokens(x, gain, shift, eps):
    mean, variance = x.mean(-2, keepdim=True), x.var(-2, keepdim=True, correction=0)
    return gain * (x - mean) / (variance + eps).sqrt() + shift


def over_the_sentence(x, gain, shift, eps):
    mean = x.mean((-2, -1), keepdim=True)
    variance = x.var((-2, -1), keepdim=True, correction=0)
    return gain * (x - mean) / (variance + eps).sqrt() + shift


def by_the_variance(x, gain, shift, eps):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
    return gain * (x - mean) / (variance + eps) + shift


def by_the_root_mean_square(x, gain, shift, eps):
    return gain * x / (x.square().mean(-1, keepdim=True) + eps).sqrt() + shift


def by_the_raw_mean_square(x, gain, shift, eps):
    size = (x.square().mean(-1, keepdim=True) + eps).sqrt()
    return gain * (x - x.mean(-1, keepdim=True)) / size + shift


def without_eps(x, gain, shift, eps):
    return layer_norm(x, gain, shift, 0.0)


def sum_for_the_mean(x, gain, shift, eps):
    centred = x - x.mean(-1, keepdim=True)
    return gain * centred / (centred.square().sum(-1, keepdim=True) + eps).sqrt() + shift


def correction_turned_round(x, gain, shift, eps):
    d = x.shape[-1]
    centred, variance = x - x.mean(-1, keepdim=True), x.var(-1, keepdim=True) * d / (d - 1)
    return gain * centred / (variance + eps).sqrt() + shift


def eps_under_the_deviation(x, gain, shift, eps):
    centred, std = x - x.mean(-1, keepdim=True), x.std(-1, keepdim=True, correction=0)
    return gain * centred / (std + eps).sqrt() + shift


def over_everything(x, gain, shift, eps):
    return gain * (x - x.mean()) / (x.var(correction=0) + eps).sqrt() + shift


def norm_cases():
    x, gain, shift = draw((2, 3, 5), (5,), (5,))
    x = 2 * x + torch.tensor([[[3.0]], [[-1.0]]])
    quiet = 1e-3 * draw((1, 2, 5), seed=1)[0]
    return [(x, gain, shift, 1e-5), (quiet, gain, shift, 1e-5), (torch.ones(1, 2, 5), gain, shift, 1e-5)]


SHIPPED = Exercise(
    number=2,
    kind="find the bug",
    reference=layer_norm,
    cases=norm_cases,
    mistakes=(
        Mistake(
            "both-faults",
            shipped,
            "Both faults are still there: std divides by d − 1, and eps is added beside the root instead "
            "of inside it.",
        ),
        Mistake(
            "eps-beside-the-root",
            eps_beside_the_root,
            "The mean square is right now. But eps is added to the standard deviation: it belongs to the "
            "variance, inside the root. Quiet tokens show the difference.",
        ),
        Mistake(
            "divides-by-one-less",
            divides_by_one_less,
            "eps is in its place now. But your variance divides by d − 1; that of a layer norm divides by "
            "d: correction=0.",
        ),
        Mistake(
            "over-the-tokens",
            over_the_tokens,
            "You take mean and variance over the tokens, for each channel. Each token is normalised by "
            "itself, over its channels: the last axis.",
        ),
        Mistake(
            "over-the-sentence",
            over_the_sentence,
            "You take one mean and one variance for a whole sentence. Each token has its own.",
        ),
        Mistake(
            "divides-by-the-variance",
            by_the_variance,
            "You divide by the variance. Divide by its root, so that the result has variance one.",
        ),
        Mistake(
            "does-not-centre",
            by_the_root_mean_square,
            "You left out the mean: that is RMSNorm with a shift.",
        ),
        Mistake(
            "size-before-centring",
            by_the_raw_mean_square,
            "You subtract the mean, but divide by the root mean square of what was there before. The "
            "variance is the mean square of the centred token.",
        ),
        Mistake(
            "no-eps",
            without_eps,
            "You left eps out. A constant token has no variance, and is divided by zero; quiet tokens become "
            "too loud.",
        ),
        Mistake(
            "sum-for-the-mean",
            sum_for_the_mean,
            "You divide by the length of the centred token. The variance is the mean of the squares, not "
            "their sum.",
        ),
        Mistake(
            "correction-turned-round",
            correction_turned_round,
            "You correct in the wrong direction: var divides by d − 1 already, so to divide by d multiply by "
            "(d − 1)/d. Simpler: correction=0.",
        ),
        Mistake(
            "root-of-the-deviation",
            eps_under_the_deviation,
            "You take the root of the standard deviation, which is a root already. Inside the root stands "
            "the variance plus eps.",
        ),
        Mistake(
            "over-the-batch",
            over_everything,
            "You take one mean and one variance for all tokens of the batch. Each token has its own.",
        ),
        Mistake(
            "forgets-the-gain",
            lambda x, gain, shift, eps: layer_norm(x, torch.ones_like(gain), shift, eps),
            "You left out the gain.",
        ),
        Mistake(
            "forgets-the-shift",
            lambda x, gain, shift, eps: layer_norm(x, gain, torch.zeros_like(shift), eps),
            "You left out the shift.",
        ),
        Mistake(
            "gain-on-the-shift",
            lambda x, gain, shift, eps: gain * (F.layer_norm(x, x.shape[-1:], eps=eps) + shift),
            "You add the shift before you multiply by the gain. The gain comes first.",
        ),
    ),
)


# 3: the slope of a logistic gate

SLOPE = Exercise(
    number=3,
    kind="derive",
    reference=math.sqrt(8 / math.pi),
    mistakes=(
        Mistake(
            "forgets-the-quarter",
            1 / math.sqrt(2 * math.pi),
            "That is the slope of Φ at zero. The slope of σ(a x) there is a/4: solve for a.",
        ),
        Mistake(
            "fitted-constant",
            1.702,
            "1.702 makes the largest error over all x small. Here the slopes at zero shall agree, which "
            "gives another number.",
        ),
        Mistake(
            "constant-of-tanh",
            math.sqrt(2 / math.pi),
            "That is the factor inside the tanh of the approximate GELU. tanh has slope 1 at zero and (1 +"
            " tanh u)/2 has slope 1/2; σ has slope 1/4.",
        ),
        Mistake(
            "inverse",
            math.sqrt(math.pi / 8),
            "That is 1/a: you divided where you should have multiplied. The slope of σ(a x) is a σ′(a x).",
        ),
        Mistake(
            "density-without-root",
            2 / math.pi,
            "The normal density at zero is 1/√(2π): check its normalisation.",
        ),
        Mistake(
            "density-of-erf",
            4 / math.sqrt(math.pi),
            "1/√π is from the error function. The normal density at zero is 1/√(2π).",
        ),
        Mistake(
            "density-is-one",
            4.0,
            "That makes the slope of σ(a x) one. It shall be the slope of Φ at zero: the normal density "
            "there.",
        ),
        Mistake(
            "multiplies-by-the-quarter",
            1 / (4 * math.sqrt(2 * math.pi)),
            "You multiply the density by 1/4. Solve a/4 = 1/√(2π) for a.",
        ),
        Mistake(
            "equal-variances",
            math.pi / math.sqrt(3),
            "That gives the logistic distribution variance one. Here the slopes at zero shall agree.",
        ),
    ),
    rtol=1e-3,
)


# 4: the backward pass of RMSNorm


def rms_backward(x, gain, dy, eps):
    s = (x.square().mean(-1, keepdim=True) + eps).sqrt()
    hat, g = x / s, gain * dy
    return (g - hat * (g * hat).mean(-1, keepdim=True)) / s


def rms_parts(x, gain, dy, eps):
    s = (x.square().mean(-1, keepdim=True) + eps).sqrt()
    return s, x / s, gain * dy


def rms_constant_size(x, gain, dy, eps):
    s, _, g = rms_parts(x, gain, dy, eps)
    return g / s


def rms_gain_forgotten(x, gain, dy, eps):
    return rms_backward(x, torch.ones_like(gain), dy, eps)


def rms_gain_last(x, gain, dy, eps):
    return gain * rms_backward(x, torch.ones_like(gain), dy, eps)


def rms_sum_for_mean(x, gain, dy, eps):
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g - hat * (g * hat).sum(-1, keepdim=True)) / s


def rms_raw_token(x, gain, dy, eps):
    s, _, g = rms_parts(x, gain, dy, eps)
    return (g - x * (g * x).mean(-1, keepdim=True)) / s


def rms_not_divided(x, gain, dy, eps):
    _, hat, g = rms_parts(x, gain, dy, eps)
    return g - hat * (g * hat).mean(-1, keepdim=True)


def rms_also_centred(x, gain, dy, eps):
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g - g.mean(-1, keepdim=True) - hat * (g * hat).mean(-1, keepdim=True)) / s


def rms_by_matrix(x, gain, dy, eps):
    s, hat, g = rms_parts(x, gain, dy, eps)
    jacobian = (torch.eye(x.shape[-1]) - hat[..., :, None] * hat[..., None, :] / x.shape[-1]) / s[..., None]
    return (jacobian @ g[..., None])[..., 0]


def rms_without_eps(x, gain, dy, eps):
    return rms_backward(x, gain, dy, 0.0)


def rms_eps_beside_the_root(x, gain, dy, eps):
    s, g = x.square().mean(-1, keepdim=True).sqrt() + eps, gain * dy
    return (g - x / s * (g * x / s).mean(-1, keepdim=True)) / s


def rms_one_size_short(x, gain, dy, eps):
    s, hat, g = rms_parts(x, gain, dy, eps)
    return g / s - hat * (g * hat).mean(-1, keepdim=True)


def rms_divided_twice(x, gain, dy, eps):
    return rms_backward(x, gain, dy, eps) / rms_parts(x, gain, dy, eps)[0]


def rms_wrong_sign(x, gain, dy, eps):
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g + hat * (g * hat).mean(-1, keepdim=True)) / s


def rms_mean_over_all(x, gain, dy, eps):
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g - hat * (g * hat).mean()) / s


def rms_gain_in_one_place(x, gain, dy, eps):
    s, hat, g = rms_parts(x, gain, dy, eps)
    return (g - hat * (dy * hat).mean(-1, keepdim=True)) / s


def rms_unit_projection(x, gain, dy, eps):
    s, _, g = rms_parts(x, gain, dy, eps)
    return (g - x * (g * x).sum(-1, keepdim=True) / x.square().sum(-1, keepdim=True)) / s


def rms_by_autograd(x, gain, dy, eps):
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        out = gain * leaf * (leaf.square().mean(-1, keepdim=True) + eps).rsqrt()
        return torch.autograd.grad(out, leaf, dy)[0]


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
    number=4,
    kind="faster",
    reference=rms_backward,
    run=run_metered,
    cases=lambda: [(*draw((2, 3, 16), (16,), (2, 3, 16)), 1e-6), (*draw((4, 8), (8,), (4, 8), seed=1), 0.5)],
    mistakes=(
        Mistake(
            "forms-the-matrix",
            rms_by_matrix,
            "Your gradient is right, but you made a d × d matrix for each token. Multiply out: the part "
            "along x̂ needs only one number, the mean of g ∘ x̂.",
        ),
        Mistake(
            "by-autograd",
            rms_by_autograd,
            "Your gradient is right, but autograd computed it. Write it down: that is the exercise.",
        ),
        Mistake(
            "no-eps",
            rms_without_eps,
            "You left eps out of the size. For most tokens that is hardly seen; s must be the size that the "
            "forward pass divided by.",
        ),
        Mistake(
            "eps-beside-the-root",
            rms_eps_beside_the_root,
            "You add eps to the root mean square. It is added to the mean square, inside the root.",
        ),
        Mistake(
            "one-size-short",
            rms_one_size_short,
            "You divide only g by s. The factor 1/s stands before the whole difference.",
        ),
        Mistake(
            "divided-twice",
            rms_divided_twice,
            "You divide by s once too often.",
        ),
        Mistake(
            "wrong-sign",
            rms_wrong_sign,
            "You add the part along x̂. It must be taken off: moving along x̂ changes nothing.",
        ),
        Mistake(
            "mean-over-all",
            rms_mean_over_all,
            "You take one mean for all tokens. Each token has its own, over its channels.",
        ),
        Mistake(
            "gain-in-one-place",
            rms_gain_in_one_place,
            "You use g in one term and dy in the other. Both have g = γ ∘ dy.",
        ),
        Mistake(
            "projects-by-the-token",
            rms_unit_projection,
            "You take off the whole part along x. With eps in the size, moving along x does change the "
            "output a little: divide by d s², not by the sum of squares.",
        ),
        Mistake(
            "size-is-constant",
            rms_constant_size,
            "You treat the size s as a constant. It depends on x as well: a change along x̂ changes "
            "nothing, so that part must be subtracted.",
        ),
        Mistake(
            "forgets-the-gain",
            rms_gain_forgotten,
            "You left out the gain: what arrives at the normalised token is g = γ ∘ dy.",
        ),
        Mistake(
            "gain-comes-last",
            rms_gain_last,
            "You multiply by the gain at the end. Backwards it comes first: γ ∘ dy goes through the "
            "normalisation.",
        ),
        Mistake(
            "sum-for-mean",
            rms_sum_for_mean,
            "You sum g ∘ x̂ over the channels. It is the mean: the mean square has a 1/d.",
        ),
        Mistake(
            "token-not-normalised",
            rms_raw_token,
            "You use x where x̂ = x/s belongs.",
        ),
        Mistake(
            "forgets-the-size",
            rms_not_divided,
            "You left out the factor 1/s: a larger token gets a smaller gradient.",
        ),
        Mistake(
            "centres-as-well",
            rms_also_centred,
            "You subtract the mean of g: that is the backward pass of LayerNorm. RMSNorm does not centre.",
        ),
    ),
)


# 5: how long a gradient is


def squared_length(n, a, b):
    return (a**2 + b**2 / 2) ** n


LENGTH = Exercise(
    number=5,
    kind="predict",
    reference=squared_length,
    cases=lambda: [(1, 1.0, 1.0), (12, 1.0, 1.0), (12, 0.0, 1.0), (8, 1.0, 0.25), (10, 0.5, 1.0)],
    mistakes=(
        Mistake(
            "adds-the-factors",
            lambda n, a, b: (a + b / math.sqrt(2)) ** (2 * n),
            "You add the lengths of the two ways. They are uncorrelated, so their squares add: a² + b²/2.",
        ),
        Mistake(
            "all-neurons-on",
            lambda n, a, b: (a**2 + b**2) ** n,
            "You let all neurons through. A ReLU is off for half of them.",
        ),
        Mistake(
            "factors-not-squared",
            lambda n, a, b: (a + b / 2) ** n,
            "A factor b on the layer multiplies the squared length by b².",
        ),
        Mistake(
            "length-not-squared",
            lambda n, a, b: (a**2 + b**2 / 2) ** (n / 2),
            "That is the length. The squared length is asked for.",
        ),
        Mistake(
            "layers-add-up",
            lambda n, a, b: a**2 + n * b**2 / 2,
            "You add up the layers. The Jacobians are multiplied: the n-th power.",
        ),
        Mistake(
            "half-twice",
            lambda n, a, b: (a**2 + b**2 / 4) ** n,
            "One half is enough: the activation halves the mean square, and the two matrices keep it.",
        ),
        Mistake(
            "keeps-the-cross-term",
            lambda n, a, b: (a**2 + a * b + b**2 / 2) ** n,
            "You kept a product of the two ways. Its mean is zero: the way through changes its sign with the "
            "last matrix, and the way around does not.",
        ),
        Mistake(
            "halves-both-ways",
            lambda n, a, b: ((a**2 + b**2) / 2) ** n,
            "You halve the way around as well. The ReLU is only on the way through.",
        ),
        Mistake(
            "b-not-squared",
            lambda n, a, b: (a**2 + b / 2) ** n,
            "You squared a, but not b.",
        ),
        Mistake(
            "around-without-a",
            lambda n, a, b: (1 + b**2 / 2) ** n,
            "You left out a: the way around multiplies the squared length by a².",
        ),
        Mistake(
            "times-n",
            lambda n, a, b: n * (a**2 + b**2 / 2),
            "You multiply by n. Each layer multiplies by its factor: the n-th power.",
        ),
        Mistake(
            "power-of-each-way",
            lambda n, a, b: a ** (2 * n) + (b**2 / 2) ** n,
            "You let a gradient go around all layers or through all of them. At each layer it does both: add "
            "first, then take the power.",
        ),
        Mistake(
            "multiplies-the-ways",
            lambda n, a, b: (a**2 * b**2 / 2) ** n,
            "The way around and the way through are added in a residual connection, not multiplied.",
        ),
    ),
    rtol=1e-5,
    atol=0.0,
)


# 6: the block, wired


def wired(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        y = x + attention(norm_1(x))
        return y + feed_forward(norm_2(y))
    y = norm_1(x + attention(x))
    return norm_2(y + feed_forward(y))


def stream_is_normalised(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if not pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    x = norm_1(x)
    y = norm_2(x + attention(x))
    return y + feed_forward(y)


def norm_of_the_answer(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = x + norm_1(attention(x))
    return y + norm_2(feed_forward(y))


def second_reads_the_input(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        return x + attention(norm_1(x)) + feed_forward(norm_2(x))
    y = norm_1(x + attention(x))
    return norm_2(y + feed_forward(x))


def second_skips_attention(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        return x + feed_forward(norm_2(x + attention(norm_1(x))))
    y = norm_1(x + attention(x))
    return norm_2(x + feed_forward(y))


def one_norm_for_both(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    return wired(x, attention, feed_forward, norm_1, norm_1, pre_norm)


def without_second_residual(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        return feed_forward(norm_2(x + attention(norm_1(x))))
    return norm_2(feed_forward(norm_1(x + attention(x))))


def feed_forward_first(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    return wired(x, feed_forward, attention, norm_1, norm_2, pre_norm)


def turned_round(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    return wired(x, attention, feed_forward, norm_1, norm_2, not pre_norm)


def normed_twice(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if not pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    return norm_2(wired(x, attention, feed_forward, norm_1, norm_2, pre_norm))


def always_pre(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    return wired(x, attention, feed_forward, norm_1, norm_2, True)


def always_post(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    return wired(x, attention, feed_forward, norm_1, norm_2, False)


def without_first_residual(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        y = attention(norm_1(x))
        return y + feed_forward(norm_2(y))
    y = norm_1(attention(x))
    return norm_2(y + feed_forward(y))


def without_residuals(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        return feed_forward(norm_2(attention(norm_1(x))))
    return norm_2(feed_forward(norm_1(attention(x))))


def norms_exchanged(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    return wired(x, attention, feed_forward, norm_2, norm_1, pre_norm)


def norm_of_the_answer_in_pre_norm(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if not pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = x + norm_1(attention(x))
    return y + norm_2(feed_forward(y))


def both_norms_in_post_norm(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = norm_1(x + attention(norm_1(x)))
    return norm_2(y + feed_forward(norm_2(y)))


def last_norm_missing(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = norm_1(x + attention(x))
    return y + feed_forward(y)


def second_norm_missing(x, attention, feed_forward, norm_1, norm_2, pre_norm):
    if not pre_norm:
        return wired(x, attention, feed_forward, norm_1, norm_2, pre_norm)
    y = x + attention(norm_1(x))
    return y + feed_forward(y)


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
    number=6,
    kind="implement",
    reference=wired,
    run=run_wired,
    cases=lambda: [(*draw((2, 3, 4)), True), (*draw((2, 3, 4)), False)],
    mistakes=(
        Mistake(
            "normalises-the-stream",
            stream_is_normalised,
            "In pre-norm you add to the normalised stream. Only what the sublayer reads is normalised; "
            "what is added to must be the stream as it came, or nothing passes the layers unchanged.",
        ),
        Mistake(
            "normalises-the-answer",
            norm_of_the_answer,
            "In post-norm you normalise what the sublayer returns and then add. The sum is normalised: "
            "norm(x + F(x)).",
        ),
        Mistake(
            "second-reads-the-input",
            second_reads_the_input,
            "Your feed-forward network reads x. It must read y, what attention has made of it.",
        ),
        Mistake(
            "second-skips-attention",
            second_skips_attention,
            "The second residual connection adds x again instead of y: the answer of attention is lost for"
            " the stream.",
        ),
        Mistake(
            "one-norm-for-both",
            one_norm_for_both,
            "You use the first normalisation twice. Each sublayer has a gain and a shift of its own.",
        ),
        Mistake(
            "no-second-residual",
            without_second_residual,
            "The feed-forward network has no residual connection: add y.",
        ),
        Mistake(
            "feed-forward-first",
            feed_forward_first,
            "You apply the feed-forward network first. In this block attention comes first.",
        ),
        Mistake(
            "pre-and-post-exchanged",
            turned_round,
            "You have exchanged the two forms: pre-norm normalises what the sublayer reads.",
        ),
        Mistake(
            "always-pre-norm",
            always_pre,
            "You wire pre-norm whatever `pre_norm` says: the other form differs in where the norms stand.",
        ),
        Mistake(
            "always-post-norm",
            always_post,
            "You wire post-norm whatever `pre_norm` says: the other form differs in where the norms stand.",
        ),
        Mistake(
            "no-first-residual",
            without_first_residual,
            "Attention has no residual connection: add x.",
        ),
        Mistake(
            "no-residual-at-all",
            without_residuals,
            "There is no residual connection. Each sublayer adds to what it got.",
        ),
        Mistake(
            "norms-exchanged",
            norms_exchanged,
            "You have exchanged the normalisations: the first belongs to attention.",
        ),
        Mistake(
            "normalises-the-answer-in-pre-norm",
            norm_of_the_answer_in_pre_norm,
            "In pre-norm you normalise what the sublayer returns. Normalise what it reads: x + F(norm(x)).",
        ),
        Mistake(
            "both-places-in-post-norm",
            both_norms_in_post_norm,
            "In post-norm you normalise before and after. The sublayer reads the stream as it is; only the "
            "sum is normalised.",
        ),
        Mistake(
            "last-norm-missing",
            last_norm_missing,
            "In post-norm the second sum is normalised as well: norm₂(y + F(y)).",
        ),
        Mistake(
            "second-norm-missing",
            second_norm_missing,
            "In pre-norm the feed-forward network reads norm₂(y), not y.",
        ),
        Mistake(
            "normalises-the-end",
            normed_twice,
            "In pre-norm you normalise the result of the block. The final normalisation stands once, after"
            " the last block of the stack.",
        ),
    ),
)


# 7: fold the normalisation into the next layer


def fold(gain, shift, weight, bias):
    return weight * gain, weight @ shift + bias


FOLD = Exercise(
    number=7,
    kind="faster",
    reference=fold,
    cases=lambda: [draw((4,), (4,), (4, 4), (4,)), draw((3,), (3,), (3, 3), (3,), seed=1)],
    mistakes=(
        Mistake(
            "gain-on-the-outputs",
            lambda gain, shift, weight, bias: (weight * gain[:, None], weight @ shift + bias),
            "You multiply the rows of the weight by the gain. The stored weight is (out, in), and the gain"
            " belongs to the inputs: the columns.",
        ),
        Mistake(
            "forgets-the-shift",
            lambda gain, shift, weight, bias: (weight * gain, bias),
            "You dropped the shift. It goes through the layer and becomes part of the bias.",
        ),
        Mistake(
            "shift-with-gain",
            lambda gain, shift, weight, bias: (weight * gain, (weight * gain) @ shift + bias),
            "You send the shift through the folded weight. It is added after the gain, so it meets the old"
            " weight.",
        ),
        Mistake(
            "bias-with-gain",
            lambda gain, shift, weight, bias: (weight * gain, weight @ shift + bias * gain),
            "You scale the bias of the layer. It is added after everything and stays as it is.",
        ),
        Mistake(
            "shift-through-the-transpose",
            lambda gain, shift, weight, bias: (weight * gain, shift @ weight + bias),
            "You send the shift through the transposed weight. It is stored as (out, in): the layer computes "
            "x @ weight.T, so the shift becomes weight @ shift.",
        ),
        Mistake(
            "adds-the-bare-shift",
            lambda gain, shift, weight, bias: (weight * gain, bias + shift),
            "You add the shift to the bias. On its way there it goes through the weight.",
        ),
        Mistake(
            "forgets-the-old-bias",
            lambda gain, shift, weight, bias: (weight * gain, weight @ shift),
            "You lost the old bias of the layer: add it.",
        ),
        Mistake(
            "divides-by-the-gain",
            lambda gain, shift, weight, bias: (weight / gain, weight @ shift + bias),
            "You divide by the gain. That would undo it; the folded layer must apply it.",
        ),
        Mistake(
            "forgets-the-gain",
            lambda gain, shift, weight, bias: (weight, weight @ shift + bias),
            "The weight is unchanged: multiply its columns by the gain.",
        ),
    ),
)


# 8: the width of a gated network


def gated_width(d_model, multiple):
    return multiple * -(-8 * d_model // (3 * multiple))


WIDTH = Exercise(
    number=8,
    kind="predict",
    reference=gated_width,
    cases=lambda: [(4096, 256), (5120, 256), (512, 64), (96, 8), (100, 1), (50, 1)],
    mistakes=(
        Mistake(
            "width-of-the-plain-one",
            lambda d, m: m * -(-4 * d // m),
            "That is the width of a network with two matrices. With three, take two thirds of it.",
        ),
        Mistake(
            "half-of-it",
            lambda d, m: m * -(-2 * d // m),
            "You halved the width. Three matrices instead of two ask for two thirds.",
        ),
        Mistake(
            "two-thirds-of-the-model",
            lambda d, m: m * -(-2 * d // (3 * m)),
            "You took two thirds of d_model. The plain network is 4 d_model wide.",
        ),
        Mistake(
            "rounds-down",
            lambda d, m: m * (8 * d // (3 * m)),
            "You round down. The width is rounded up to a multiple.",
        ),
        Mistake(
            "rounds-to-the-nearest",
            lambda d, m: m * round(8 * d / 3 / m),
            "You round to the nearest multiple. It is rounded up.",
        ),
        Mistake(
            "does-not-round",
            lambda d, m: math.ceil(8 * d / 3),
            "You do not round to a multiple of the second argument.",
        ),
        Mistake(
            "cuts-before-rounding",
            lambda d, m: m * -(-(8 * d // 3) // m),
            "You cut the fraction off before you round up to a multiple. With a multiple of 1 that rounds "
            "down: divide by 3 · multiple at once.",
        ),
        Mistake(
            "forgets-to-multiply",
            lambda d, m: -(-8 * d // (3 * m)),
            "That is how many multiples fit in. The width is that number times the multiple.",
        ),
        Mistake(
            "three-halves",
            lambda d, m: m * -(-6 * d // m),
            "You made the network wider. Three matrices instead of two ask for two thirds of the width.",
        ),
        Mistake(
            "adds-a-multiple",
            lambda d, m: m * (8 * d // (3 * m) + 1),
            "You add a multiple even where the width is one already.",
        ),
    ),
)

EXERCISES = (GATED, SHIPPED, SLOPE, RMS, LENGTH, WIRED, FOLD, WIDTH)
