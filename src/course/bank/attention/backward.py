"""Exercises of the chapter on the backward pass."""

from __future__ import annotations

import math

import numpy as np
import torch

from course.attention import attend, attend_backward, log_sum_exp, softmax_backward
from course.grading.exercise import Exercise, call


def draw(*shapes, seed=0, dtype=torch.float64, requires_grad=False):
    generator = torch.Generator().manual_seed(seed)
    tensors = (torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)
    return tuple(tensor.requires_grad_(requires_grad) for tensor in tensors)


# 1: the gradients of a weighted sum


def sum_gradients(p, v, do):
    return p.T @ do, do @ v.T


OUTPUT = Exercise(
    1,
    kind="implement",
    reference=sum_gradients,
    cases=lambda: [draw((3, 5), (5, 2), (3, 2)), draw((4, 4), (4, 4), (4, 4), seed=1)],
)


@OUTPUT.mistake
def forgets_the_transpose(p, v, do):
    """Your products lack their transposes, so they fit only where all sizes are equal. dV has a row for each
    key: sum over the queries, with P transposed."""
    return (p @ do, do @ v)


@OUTPUT.mistake
def exchanges_the_two(p, v, do):
    """These are the two gradients in the other order: dV, shaped like V, comes first."""
    return (do @ v.T, p.T @ do)


@OUTPUT.mistake
def transposed_weights(p, v, do):
    """Your dP has a row for each key. It is shaped like P, a row for each query: turn the product."""
    return (p.T @ do, v @ do.T)


@OUTPUT.mistake
def means_over_queries(p, v, do):
    """Your dV is divided by the number of queries. The loss is not a mean over queries unless it says so, and
    then dO contains the division already: sum the contributions."""
    return (p.T @ do / len(p), do @ v.T)


@OUTPUT.mistake
def normalises_the_columns(p, v, do):
    """Your columns of P are normalised. Only rows of P sum to one; a value that is looked at more gets a
    larger gradient."""
    return ((p / p.sum(0)).T @ do, do @ v.T)


@OUTPUT.mistake
def goes_on_to_the_scores(p, v, do):
    """Your dV is right, and your second gradient is that of the scores. One step too far: dP stands before
    the softmax is undone."""
    return (p.T @ do, softmax_backward(p, do @ v.T))


@OUTPUT.mistake
def weighs_the_gradient(p, v, do):
    """Your dP carries the factor p. A weight is worth do · v, however large it is; p comes in with the step
    to the scores."""
    return (p.T @ do, p * (do @ v.T))


# 2: through the softmax


SOFTMAX = Exercise(
    2,
    kind="implement",
    reference=softmax_backward,
    cases=lambda: [
        tuple(
            torch.softmax(x, -1) if i == 0 else x
            for i, x in enumerate(draw(shape, shape, seed=seed, dtype=torch.float32))
        )
        for seed, shape in enumerate([(4, 4), (3, 5), (2, 3, 4, 6)])
    ],
)


@SOFTMAX.mistake
def no_row_sum(p, dp):
    """You multiplied p and dp and forgot D: a weight that grows takes from the others of its row. Subtract
    the weighted mean of the row of dp first."""
    return p * dp


@SOFTMAX.mistake
def diagonal_only(p, dp):
    """You used p(1 − p), the diagonal of the Jacobian, as if each weight depended on its own score only. Each
    score moves all weights of its row."""
    return p * (1 - p) * dp


@SOFTMAX.mistake
def plain_mean(p, dp):
    """You subtracted the plain mean of the row. D is the mean weighted by p."""
    return p * (dp - dp.mean(-1, keepdim=True))


@SOFTMAX.mistake
def over_queries(p, dp):
    """Your sum runs over the queries. Softmax works on each row: sum over the keys, dim=-1."""
    return p * (dp - (p * dp).sum(-2, keepdim=True))


@SOFTMAX.mistake
def no_keepdim(p, dp):
    """The sum over a row lost its axis, so D is subtracted along the wrong one. For a square matrix no error
    is raised, only the numbers are wrong: keepdim=True."""
    return p * (dp - (p * dp).sum(-1))


@SOFTMAX.mistake
def forgets_the_weights(p, dp):
    """The factor p in front is missing. A key without weight gets no gradient."""
    return dp - (p * dp).sum(-1, keepdim=True)


@SOFTMAX.mistake
def wrong_sign(p, dp):
    """The sign is turned around: a score rises where dp is above the mean. This is the direction of descent,
    but a gradient points uphill."""
    return p * ((p * dp).sum(-1, keepdim=True) - dp)


@SOFTMAX.mistake
def second_axis(p, dp):
    """For matrices this is right, but with leading axes the keys are not axis 1. Count from the end:
    dim=-1."""
    return p * (dp - (p * dp).sum(1, keepdim=True))


@SOFTMAX.mistake
def sums_the_matrix(p, dp):
    """You subtracted one number for the whole matrix. Each row is a softmax of its own and has its own D: sum
    over the keys only."""
    return p * (dp - (p * dp).sum())


@SOFTMAX.mistake
def unweighted_sum(p, dp):
    """You subtracted the sum of the row of dp. D is a mean: the terms are weighted by p, p * dp."""
    return p * (dp - dp.sum(-1, keepdim=True))


@SOFTMAX.mistake
def mean_of_the_products(p, dp):
    """You took the mean of p * dp. The weights sum to one already, so the weighted mean is the sum of p *
    dp."""
    return p * (dp - (p * dp).mean(-1, keepdim=True))


@SOFTMAX.mistake
def weight_on_one_term(p, dp):
    """D lacks its factor p. Both terms carry it: p * dp − p * D, or p * (dp − D)."""
    return p * dp - (p * dp).sum(-1, keepdim=True)


# 3: the whole backward pass in NumPy


def by_autograd(q, k, v, do, mask):
    leaves = [torch.tensor(x, requires_grad=True) for x in (q, k, v)]
    out = attend(*leaves, mask=torch.tensor(mask))
    gradients = torch.autograd.grad(out, leaves, torch.tensor(do))
    return tuple(gradient.numpy() for gradient in gradients)


def np_weights(q, k, mask, empty=0.0):
    scores = np.where(mask, q @ k.T / math.sqrt(q.shape[1]), -np.inf)
    largest = scores.max(1, keepdims=True)
    exponentials = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    total = exponentials.sum(1, keepdims=True)
    weights = exponentials / np.where(total == 0, 1, total)
    return np.where(mask.any(1, keepdims=True), weights, empty)


def through_softmax(p, dp):
    return p * (dp - (p * dp).sum(1, keepdims=True))


def np_backward(q, k, v, do, mask, *, p=None, of_q=1.0, of_k=1.0, through=through_softmax):
    p, s = np_weights(q, k, mask) if p is None else p, 1 / math.sqrt(q.shape[1])
    de = through(p, do @ v.T)
    return s * of_q * de @ k, s * of_k * de.T @ q, p.T @ do


def np_cases():
    for seed, (n_query, n_key, d_k, d_v) in enumerate([(3, 5, 4, 2), (6, 4, 3, 5)]):
        shapes = (n_query, d_k), (n_key, d_k), (n_key, d_v), (n_query, d_v)
        mask = torch.rand(n_query, n_key, generator=torch.Generator().manual_seed(seed)) < 0.7
        mask[1] = False
        yield (*(x.numpy() for x in draw(*shapes, seed=seed)), mask.numpy())


NUMPY = Exercise(3, kind="implement", reference=by_autograd, cases=lambda: list(np_cases()))


@NUMPY.mistake
def no_scale(*x):
    """dQ and dK lack the factor 1/sqrt(d_k). The scores were scaled on the way forward, so their gradients
    are scaled on the way back."""
    return np_backward(*x, of_q=math.sqrt(x[0].shape[1]), of_k=math.sqrt(x[0].shape[1]))


@NUMPY.mistake
def no_scale_in_dk(*x):
    """dQ is right, dK lacks the factor 1/sqrt(d_k). The derivative of s q·k by k is s q."""
    return np_backward(*x, of_k=math.sqrt(x[0].shape[1]))


@NUMPY.mistake
def no_scale_in_dq(*x):
    """dK is right, dQ lacks the factor 1/sqrt(d_k). If you scaled the queries in place, dK has it from them;
    dQ still needs it."""
    return np_backward(*x, of_q=math.sqrt(x[0].shape[1]))


@NUMPY.mistake
def scale_twice(*x):
    """dQ and dK are scaled twice. The factor belongs to dE or to the products, not to both."""
    return np_backward(*x, of_q=x[0].shape[1] ** -0.5, of_k=x[0].shape[1] ** -0.5)


@NUMPY.mistake
def no_row_sum_(*x):
    """dV is right, but dE is p times dp without D. Subtract the sum over the row of p times dp."""
    return np_backward(*x, through=lambda p, dp: p * dp)


@NUMPY.mistake
def forgets_the_mask(q, k, v, do, mask):
    """Your weights see all keys. Masked scores are minus infinity before the softmax."""
    return np_backward(q, k, v, do, np.ones_like(mask))


@NUMPY.mistake
def masks_after_the_softmax(q, k, v, do, mask):
    """You set weights to zero after the softmax, so the rows no longer sum to one. Mask the scores before
    it."""
    return np_backward(q, k, v, do, mask, p=np_weights(q, k, np.ones_like(mask)) * mask)


@NUMPY.mistake
def inverted_mask(q, k, v, do, mask):
    """Your mask is turned around: true means that the query may attend."""
    return np_backward(q, k, v, do, ~mask)


@NUMPY.mistake
def diagonal_only_(*x):
    """dV is right, but dE uses p(1 − p), the diagonal of the softmax Jacobian. A score moves all weights of
    its row: p * (dp − D)."""
    return np_backward(*x, through=lambda p, dp: p * (1 - p) * dp)


@NUMPY.mistake
def values_first(*x):
    """These are the right gradients in the wrong order: dq, dk, dv."""
    return np_backward(*x)[::-1]


@NUMPY.mistake
def empty_row_uniform(q, k, v, do, mask):
    """A query that may see nothing has weights of zero. In yours it looks at all keys alike, as happens with
    a large negative number in place of minus infinity."""
    return np_backward(q, k, v, do, mask, p=np_weights(q, k, mask, empty=1 / len(k)))


@NUMPY.mistake
def empty_row_nan(q, k, v, do, mask):
    """A query that may see nothing gives NaN: minus infinity less minus infinity, or 0 / 0. Its weights are
    zero; treat such a row before you subtract the maximum and divide by the sum."""
    return np_backward(q, k, v, do, mask, p=np_weights(q, k, mask, empty=np.nan))


# 4: the gradient of the temperature


def temperature_gradient(q, dq, temperature):
    return -(q * dq).sum() / temperature


def as_number(answer, q, dq, temperature):
    """A tensor with one entry counts as the number in it."""
    came = call(answer, q, dq, temperature)
    return came.item() if isinstance(came, torch.Tensor) and came.numel() == 1 else came


TEMPERATURE = Exercise(
    4,
    kind="derive",
    reference=temperature_gradient,
    run=as_number,
    cases=lambda: [(*draw((3, 4), (3, 4)), 2.0), (*draw((5, 2), (5, 2), seed=1), 0.25)],
)


@TEMPERATURE.mistake
def gradient_of_the_scale(q, dq, temperature):
    """That is the derivative with respect to s = 1/τ. One step is left: ds/dτ = −1/τ²."""
    return (q * dq).sum() * temperature


@TEMPERATURE.mistake
def wrong_sign_(q, dq, temperature):
    """The size is right, the sign is not: s = 1/τ falls when τ rises."""
    return (q * dq).sum() / temperature


@TEMPERATURE.mistake
def divides_by_the_square(q, dq, temperature):
    """You divide by τ². In dQ = s·dE·K one factor s = 1/τ is already inside."""
    return -(q * dq).sum() / temperature**2


@TEMPERATURE.mistake
def means_over_entries(q, dq, temperature):
    """You took the mean over the entries. The change of the loss is the inner product, a sum."""
    return -(q * dq).mean() / temperature


@TEMPERATURE.mistake
def sums_the_gradient(q, dq, temperature):
    """You summed dQ alone. A larger s moves the scores by q·k, so the queries must come in: <dQ, Q>."""
    return -dq.sum() / temperature


@TEMPERATURE.mistake
def forgets_the_temperature(q, dq, temperature):
    """The sign and the inner product are right. Count the powers of τ: ds = τ <dQ, Q>, times ds/dτ =
    −1/τ²."""
    return -(q * dq).sum()


@TEMPERATURE.mistake
def one_for_each_query(q, dq, temperature):
    """You return a number for each query. They share one temperature: what is copied forward is summed
    backward."""
    return -(q * dq).sum(-1) / temperature


# 5: a test that catches wrong gradients


class Refused(Exception):
    """An implementation raised."""


@torch.enable_grad()
def torch_backward(q, k, v, do):
    leaves = [x.detach().requires_grad_() for x in (q, k, v)]
    return torch.autograd.grad(attend(*leaves), leaves, do)


def in_blocks(q, k, v, do):
    s = 1 / math.sqrt(q.shape[-1])
    d, ell = (do * attend(q, k, v)).sum(-1, keepdim=True), log_sum_exp(q @ k.T * s)[:, None]
    dq, dk, dv = torch.zeros_like(q), [], []
    for keys, values in zip(k.split(2), v.split(2), strict=True):
        p = torch.exp(q @ keys.T * s - ell)
        de = s * p * (do @ values.T - d)
        dq, dk, dv = dq + de @ keys, [*dk, de.T @ q], [*dv, p.T @ do]
    return dq, torch.cat(dk), torch.cat(dv)


def variant(*, through=softmax_backward, of_k=1.0, root_of=0, overflows=False, turns=True, means=False):
    def backward(q, k, v, do):
        s = 1 / math.sqrt((q, k, v)[root_of].shape[-1])
        scores = q @ k.T * s
        p = scores.exp() / scores.exp().sum(-1, keepdim=True) if overflows else torch.softmax(scores, -1)
        de = through(p, do @ v.T)
        dv = p.T @ do / len(q) if means else p.T @ do
        return s * de @ k, s * of_k * (de.T if turns else de) @ q, dv

    return backward


BACKWARDS = {
    "right, as in the chapter": attend_backward,
    "right, by autograd": torch_backward,
    "right, in blocks of keys": in_blocks,
    "forgets D": variant(through=lambda p, dp: p * dp),
    "uses only the diagonal": variant(through=lambda p, dp: p * (1 - p) * dp),
    "sums D over the wrong axis, without keepdim": variant(through=no_keepdim),
    "does not transpose dE for dK": variant(turns=False),
    "scales dK by 0.9": variant(of_k=0.9),
    "divides dV by the number of queries": variant(means=True),
    "root of the width of the values": variant(root_of=2),
    "exponentials that overflow": variant(overflows=True),
}


def refusing(backward):
    def run(*tensors):
        try:
            return backward(*tensors)
        except Exception as error:
            raise Refused from error

    return run


def run_test_on_all(accepts):
    verdicts = {}
    for name, backward in BACKWARDS.items():
        try:
            verdicts[name] = bool(accepts(refusing(backward)))
        except (Refused, AssertionError):
            verdicts[name] = False
    return verdicts


def agree(came, right, **tolerance):
    return all(torch.allclose(a, b, **tolerance) for a, b in zip(came, right, strict=True))


UNEQUAL = ((3, 4), (5, 4), (5, 2), (3, 2))
SQUARE = ((4, 4), (4, 4), (4, 4), (4, 4))


def compares_with_autograd(backward):
    q, k, v, do = draw(*UNEQUAL)
    inputs = (q, k, v, do), (100 * q, 100 * k, v, do)
    return all(agree(backward(*x), torch_backward(*x)) for x in inputs)


CATCH = Exercise(5, kind="find the bug", reference=compares_with_autograd, run=run_test_on_all)


@CATCH.mistake
def only_the_shapes(backward):
    """Your test looks at shapes only, and most of the broken versions have the right ones. Compare the
    numbers with autograd or with nudging."""
    tensors = draw(*UNEQUAL)
    return all(a.shape == b.shape for a, b in zip(backward(*tensors), tensors, strict=False))


@CATCH.mistake
def square_inputs(backward):
    """On your inputs the values are as wide as the keys, so a scale with the wrong root goes unnoticed. Use
    four different sizes."""
    q, k, v, do = draw(*SQUARE)
    inputs = (q, k, v, do), (100 * q, 100 * k, v, do)
    return all(agree(backward(*x), torch_backward(*x)) for x in inputs)


@CATCH.mistake
def small_scores(backward):
    """The version whose exponentials overflow passes. Either your scores are small: try queries and keys a
    hundred times as large as well. Or your comparison lets NaN through: `error > small` is False for NaN, so
    ask for `error < small`."""
    tensors = draw(*UNEQUAL)
    return agree(backward(*tensors), torch_backward(*tensors))


@CATCH.mistake
def only_large_scores(backward):
    """With large scores the softmax has decided, dE is nearly zero, and mistakes in it vanish. Test ordinary
    scores as well as large ones."""
    q, k, v, do = draw(*UNEQUAL)
    inputs = 100 * q, 100 * k, v, do
    return agree(backward(*inputs), torch_backward(*inputs))


@CATCH.mistake
def accepts_everything(backward):
    """Your test accepts all implementations, right or wrong."""
    return True


@CATCH.mistake
def refuses_everything(backward):
    """Your test refuses all implementations, the right ones too. Does it return True when all gradients
    agree, and is what it compares with right and in float64?"""
    return False


@CATCH.mistake
def only_the_queries(backward):
    """Your test compares dQ alone, and some versions are wrong in dK or dV alone. Compare all three."""
    q, k, v, do = draw(*UNEQUAL)
    inputs = (q, k, v, do), (100 * q, 100 * k, v, do)
    return all(agree(backward(*x)[:1], torch_backward(*x)[:1]) for x in inputs)


@CATCH.mistake
def too_loose(backward):
    """A gradient that is off by a tenth passes your test. In float64 gradients agree to ten digits: use a
    small tolerance."""
    q, k, v, do = draw(*UNEQUAL)
    inputs = (q, k, v, do), (100 * q, 100 * k, v, do)
    return all(agree(backward(*x), torch_backward(*x), rtol=0.2, atol=0.05) for x in inputs)


@CATCH.mistake
def exact_comparison(backward):
    """Your test refuses versions that are right: sums in another order differ in the last digits. Compare
    with a tolerance."""
    q, k, v, do = draw(*UNEQUAL)
    inputs = (q, k, v, do), (100 * q, 100 * k, v, do)
    return all(agree(backward(*x), torch_backward(*x), rtol=0, atol=0) for x in inputs)


# 6: the bytes that a causal layer keeps


def kept(batch, heads, tokens, width):
    return 4 * batch * heads * (tokens**2 + 3 * tokens * width) + tokens**2


BYTES = Exercise(6, kind="predict", reference=kept, cases=lambda: [(2, 3, 5, 4), (8, 12, 512, 64)])


@BYTES.mistake
def forgets_the_mask_(b, h, t, d):
    """All numbers are counted, but not the mask: masked_fill must remember where it filled. One byte for each
    pair."""
    return 4 * b * h * (t**2 + 3 * t * d)


@BYTES.mistake
def a_mask_for_each_head(b, h, t, d):
    """You counted a mask for each head of each sequence. All of them share one tensor of T²."""
    return 4 * b * h * (t**2 + 3 * t * d) + b * h * t**2


@BYTES.mistake
def mask_of_floats(b, h, t, d):
    """You counted four bytes for each entry of the mask. A boolean takes one."""
    return 4 * b * h * (t**2 + 3 * t * d) + 4 * t**2


@BYTES.mistake
def keeps_the_scores(b, h, t, d):
    """You counted the scores beside the weights. No derivative here contains a score: that of softmax is
    written with its output, that of masked_fill with the mask."""
    return 4 * b * h * (2 * t**2 + 3 * t * d) + t**2


@BYTES.mistake
def forgets_the_inputs(b, h, t, d):
    """You counted P and the mask. The products keep their factors, too: Q, K and V."""
    return 4 * b * h * t**2 + t**2


@BYTES.mistake
def keeps_the_output(b, h, t, d):
    """You counted the output as well. The derivative of a product contains its factors, not its result."""
    return 4 * b * h * (t**2 + 4 * t * d) + t**2


@BYTES.mistake
def counts_numbers(b, h, t, d):
    """You counted numbers. A number in float32 takes four bytes; only the mask has one byte per entry."""
    return b * h * (t**2 + 3 * t * d) + t**2


@BYTES.mistake
def only_the_weights(b, h, t, d):
    """You counted P alone. The products keep Q, K and V as well, and masked_fill its mask."""
    return 4 * b * h * t**2


@BYTES.mistake
def half_of_the_weights(b, h, t, d):
    """You counted the weights that are not masked. The zeros are stored, too: P is a full matrix of T²
    numbers."""
    return 4 * b * h * (t * (t + 1) // 2 + 3 * t * d) + t**2


@BYTES.mistake
def scores_and_no_mask(b, h, t, d):
    """You counted the scores beside the weights, and no mask. No derivative here contains a score;
    masked_fill must remember where it filled."""
    return 4 * b * h * (2 * t**2 + 3 * t * d)


# 7: an autograd function that keeps one number per query


class Kept(torch.autograd.graph.saved_tensors_hooks):
    """Adds up the numbers that autograd keeps; what shares memory counts once."""

    def __init__(self):
        self.storages = {}
        super().__init__(self.put_aside, lambda tensor: tensor)

    def __enter__(self):
        super().__enter__()
        return self

    def put_aside(self, tensor):
        self.hold(tensor)
        return tensor

    def hold(self, tensor):
        storage = tensor.untyped_storage()
        self.storages[storage.data_ptr()] = storage.nbytes() // tensor.element_size(), storage

    @property
    def total(self):
        return sum(numbers for numbers, _ in self.storages.values())


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(item)


def run_within_memory(attention, q, k, v):
    with Kept() as kept:
        out = attention(q, k, v)
    for tensor in tensors_in(getattr(out.grad_fn, "__dict__", {})):
        kept.hold(tensor)
    limit = q.numel() + k.numel() + v.numel() + out.numel() + 2 * len(q)
    return {"output": out, "keeps at most inputs, output and two columns": kept.total <= limit}


def function_of(saves, backward):
    class Attention(torch.autograd.Function):
        @staticmethod
        def forward(ctx, q, k, v):
            scores = q @ k.T / math.sqrt(q.shape[-1])
            out = torch.softmax(scores, -1) @ v
            ctx.save_for_backward(*saves(q, k, v, out, scores))
            return out

        @staticmethod
        def backward(ctx, do):
            return backward(ctx, do)

    return Attention.apply


def lean_backward(ctx, do):
    q, k, v, out, ell = ctx.saved_tensors
    s = 1 / math.sqrt(q.shape[-1])
    p = torch.exp(q @ k.T * s - ell[:, None])
    de = s * p * (do @ v.T - (do * out).sum(-1, keepdim=True))
    return de @ k, de.T @ q, p.T @ do


def backward_from_weights(q, k, v, p, do):
    de = softmax_backward(p, do @ v.T) / math.sqrt(q.shape[-1])
    return de @ k, de.T @ q, p.T @ do


def statistics(q, k, v, out, scores):
    return q, k, v, out, torch.logsumexp(scores, -1)


def without_the_row_sum(ctx, do):
    q, k, v, _, ell = ctx.saved_tensors
    s = 1 / math.sqrt(q.shape[-1])
    p = torch.exp(q @ k.T * s - ell[:, None])
    de = s * p * (do @ v.T)
    return de @ k, de.T @ q, p.T @ do


def unscaled_again(ctx, do):
    q, k, v, out, ell = ctx.saved_tensors
    p = torch.exp(q @ k.T - ell[:, None])
    de = p * (do @ v.T - (do * out).sum(-1, keepdim=True)) / math.sqrt(q.shape[-1])
    return de @ k, de.T @ q, p.T @ do


def plain(q, k, v):
    return torch.softmax(q @ k.T / math.sqrt(q.shape[-1]), dim=-1) @ v


def unscaled_gradients(ctx, do):
    dq, dk, dv = lean_backward(ctx, do)
    root = math.sqrt(dq.shape[-1])
    return dq * root, dk * root, dv


LEAN = Exercise(
    7,
    kind="faster",
    reference=function_of(statistics, lean_backward),
    run=run_within_memory,
    gradients=True,
    cases=lambda: [
        draw((30, 4), (40, 4), (40, 3), requires_grad=True),
        draw((20, 2), (50, 2), (50, 5), seed=1, requires_grad=True),
    ],
)

LEAN.mistake(
    "keeps-the-weights",
    function_of(
        lambda q, k, v, out, scores: (q, k, v, torch.softmax(scores, -1)),
        lambda ctx, do: backward_from_weights(*ctx.saved_tensors, do),
    ),
    "Output and gradients are right, but a matrix of T·S numbers is kept. Save the log of the row "
    "sums instead, and compute the weights again.",
)
LEAN.mistake(
    "forgets-d",
    function_of(statistics, without_the_row_sum),
    "The output is right and little is kept, but dE lacks D. It is the row sum of dO times O.",
)
LEAN.mistake(
    "scores-without-scale",
    function_of(statistics, unscaled_again),
    "The weights that you compute again are not those of the forward pass: exp(e − ℓ) needs the "
    "scaled scores.",
)
LEAN.mistake(
    "gradients-without-scale",
    function_of(statistics, unscaled_gradients),
    "Output and dV are right, but dQ and dK lack the factor 1/sqrt(d_k): dQ = s dE K, dK = s dEᵀ Q.",
)


@LEAN.mistake
def no_gradient(q, k, v):
    """Little is kept because nothing is recorded: no gradient reaches the inputs. Write the backward pass of
    a torch.autograd.Function."""
    with torch.no_grad():
        return plain(q, k, v)


EXERCISES = (OUTPUT, SOFTMAX, NUMPY, TEMPERATURE, CATCH, BYTES, LEAN)
