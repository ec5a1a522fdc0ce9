"""Exercises of the chapter on scoring functions."""

from __future__ import annotations

import sympy
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from course.attention import additive, negative_squared_distance
from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.grading.meter import LargestTensor


def additive_cases(**options):
    return [
        draw((3, 4), (5, 2), (4, 6), (2, 6), (6,), **options),
        draw((4, 3), (2, 3), (3, 5), (3, 5), (5,), seed=1, **options),
    ]


# 1: additive scores without a loop


ADDITIVE = Exercise(
    1, kind="implement", reference=additive, gradients=True, cases=lambda: additive_cases(requires_grad=True)
)


@ADDITIVE.mistake
def no_tanh(q, k, w_q, w_k, w):
    """The tanh is missing. Without it the score is a part of the query plus a part of the key, and softmax
    cancels the first: all queries would get the same weights."""
    return ((q @ w_q)[:, None] + (k @ w_k)[None]) @ w


@ADDITIVE.mistake
def tanh_of_each_part(q, k, w_q, w_k, w):
    """You take the tanh of the query's part and of the key's part, then add. So the two never meet inside the
    bend; add first, then take one tanh of the sum."""
    return (torch.tanh(q @ w_q)[:, None] + torch.tanh(k @ w_k)[None]) @ w


@ADDITIVE.mistake
def keys_first(q, k, w_q, w_k, w):
    """Your scores have a row for each key. Give the queries the first axis, (T, 1, d), and the keys the
    second, (1, S, d)."""
    return torch.tanh((k @ w_k)[:, None] + (q @ w_q)[None]) @ w


@ADDITIVE.mistake
def tanh_after_w(q, k, w_q, w_k, w):
    """You take the tanh of the score, after the product with w. It belongs between the two layers: tanh of
    the hidden vector, then the product."""
    return torch.tanh(((q @ w_q)[:, None] + (k @ w_k)[None]) @ w)


@ADDITIVE.mistake
def multiplies_the_parts(q, k, w_q, w_k, w):
    """You multiply the two projections entry by entry. Additive attention adds them."""
    return torch.tanh((q @ w_q)[:, None] * (k @ w_k)[None]) @ w


@ADDITIVE.mistake
def returns_weights(q, k, w_q, w_k, w):
    """You return weights: a softmax too many. Scores are asked for."""
    return torch.softmax(additive(q, k, w_q, w_k, w), dim=-1)


# 2: a bilinear score as two projections


def run_factors(factors, weight):
    w_q, w_k = factors(weight)
    fit = w_q.shape[-1] == w_k.shape[-1]
    return {
        "the shape of w_q": tuple(w_q.shape),
        "the shape of w_k": tuple(w_k.shape),
        "w_q @ w_k.T": w_q @ w_k.T if fit else None,
    }


def product(*shapes, scale=1.0, seed=0):
    a, b = draw(*shapes, seed=seed)
    return (scale * a @ b,)


def decompose(weight):
    u, sigma, vt = torch.linalg.svd(weight, full_matrices=False)
    return u, sigma, vt, int((sigma > 1e-5 * sigma[0]).sum())


def factors(weight):
    u, sigma, vt, rank = decompose(weight)
    return u[:, :rank] * sigma[:rank], vt[:rank].T


FACTORS = Exercise(
    2,
    kind="implement",
    reference=factors,
    run=run_factors,
    atol=1e-4,
    cases=lambda: [
        product((6, 2), (2, 5)),
        product((4, 1), (1, 6), seed=1, scale=0.001),
        product((7, 4), (4, 6), seed=2, scale=100.0),
    ],
)


@FACTORS.mistake
def forgets_the_singular_values(weight):
    """The product of your factors has all singular values equal to one: the matrix in the middle is missing.
    Multiply the columns of one factor by it, or those of both by its root."""
    u, _, vt, rank = decompose(weight)
    return u[:, :rank], vt[:rank].T


@FACTORS.mistake
def singular_values_twice(weight):
    """Both of your factors carry the singular values, so they enter squared. Give them to one factor, or
    their roots to both."""
    u, sigma, vt, rank = decompose(weight)
    return u[:, :rank] * sigma[:rank], vt[:rank].T * sigma[:rank]


@FACTORS.mistake
def full_width(weight):
    """Your product is right, but the factors keep columns whose singular value is zero. Keep as many as the
    rank."""
    u, sigma, vt, _ = decompose(weight)
    return u * sigma, vt.T


@FACTORS.mistake
def columns_of_vt(weight):
    """The second factor holds columns of what torch.linalg.svd returns last. That is the transpose already:
    its rows are the singular vectors. Take rows, then transpose."""
    u, sigma, vt, rank = decompose(weight)
    return u[:, :rank] * sigma[:rank], vt[:, :rank]


@FACTORS.mistake
def root_on_one_side(weight):
    """Only one of your factors carries the root of the singular values, so their product has the roots. Both
    need it, or one needs the whole."""
    u, sigma, vt, rank = decompose(weight)
    return u[:, :rank] * sigma[:rank].sqrt(), vt[:rank].T


@FACTORS.mistake
def fixed_threshold(weight):
    """Your factors are right for small matrices. For one with entries a hundred times as large you keep
    columns that are rounding errors: compare with 1e-5 of the largest singular value."""
    u, sigma, vt, _ = decompose(weight)
    rank = int((sigma > 1e-5).sum())
    return u[:, :rank] * sigma[:rank], vt[:rank].T


@FACTORS.mistake
def rows_of_vt(weight):
    """Your second factor lies on its side: (r, d_k). Its rows are the singular vectors; w_k has them as
    columns, (d_k, r). Transpose."""
    u, sigma, vt, rank = decompose(weight)
    return u[:, :rank] * sigma[:rank], vt[:rank]


@FACTORS.mistake
def swaps_the_two(weight):
    """You return the two in the wrong order. W has d_q rows, so w_q is made of columns of U."""
    w_q, w_k = factors(weight)
    return w_k, w_q


# 3: the temperature of a Gaussian kernel

ALPHA, BETA, SIGMA = sympy.symbols("alpha beta sigma", positive=True)

TEMPERATURE = Exercise(3, kind="derive", reference=SIGMA**2 / (ALPHA * BETA))

TEMPERATURE.mistake(
    "forgets-the-two",
    2 * SIGMA**2 / (ALPHA * BETA),
    "A factor of two is left: the square of the distance holds the dot product twice, which "
    "cancels the 2 of 2σ².",
)
TEMPERATURE.mistake(
    "upside-down",
    ALPHA * BETA / SIGMA**2,
    "That is what the cosine is multiplied by. A temperature is what it is divided by.",
)
TEMPERATURE.mistake(
    "sigma-not-squared",
    SIGMA / (ALPHA * BETA),
    "The distance is squared, so the width of the kernel is squared as well.",
)
TEMPERATURE.mistake(
    "forgets-the-lengths",
    SIGMA**2,
    "You used q·k = cos(q, k). The dot product is the cosine times both lengths.",
)
TEMPERATURE.mistake(
    "length-of-the-keys-only",
    SIGMA**2 / BETA**2,
    "You divided by the square of the keys' length. One of the two factors is the length of the query.",
)
TEMPERATURE.mistake(
    "divides-by-half",
    SIGMA**2 / (2 * ALPHA * BETA),
    "A factor of two is too much: −‖q − k‖²/2σ² holds +2 q·k/2σ², which is q·k/σ².",
)
TEMPERATURE.mistake(
    "upside-down-without-the-two",
    ALPHA * BETA / (2 * SIGMA**2),
    "Two things: that is what the cosine would be multiplied by, and a temperature divides; and the "
    "square of the distance holds the dot product twice, which cancels the 2 of 2σ².",
)
TEMPERATURE.mistake(
    "lengths-on-top",
    ALPHA * BETA * SIGMA**2,
    "The lengths are on the wrong side. The scores are αβ cos(q, k)/σ²: what multiplies the cosine "
    "divides the temperature.",
)
TEMPERATURE.mistake(
    "only-the-width",
    1 / SIGMA**2,
    "That is what the dot product is multiplied by. A temperature divides, and what it divides is "
    "the cosine: the dot product without both lengths.",
)


# 4: pairs in the wrong order


def pairs_in_order(q, k, w_1, w):
    pairs = torch.cat([q.repeat_interleave(len(k), dim=0), k.repeat(len(q), 1)], dim=-1)
    return (torch.tanh(pairs @ w_1) @ w).view(len(q), len(k))


PAIRS = Exercise(
    4,
    kind="find the bug",
    reference=pairs_in_order,
    cases=lambda: [
        draw((3, 4), (5, 4), (8, 6), (6,)),
        draw((4, 2), (4, 2), (4, 3), (3,), seed=1),
        draw((2, 3), (5, 3), (6, 4), (4,), seed=2),
    ],
)


@PAIRS.mistake
def as_given(q, k, w_1, w):
    """This is still the order of the given code: its rows run through all queries for the first key, then for
    the second. view(T, S) expects all keys for the first query first."""
    pairs = torch.cat([q.repeat(len(k), 1), k.repeat_interleave(len(q), dim=0)], dim=-1)
    return (torch.tanh(pairs @ w_1) @ w).view(len(q), len(k))


@PAIRS.mistake
def view_by_keys(q, k, w_1, w):
    """Your numbers are right, but a row belongs to a key. The scores must be (T, S): transpose, or change the
    order of the pairs."""
    return as_given(q, k, w_1, w).view(len(k), len(q))


@PAIRS.mistake
def repeats_both(q, k, w_1, w):
    """You repeat both lists in the same rhythm, so that query and key advance together. Many pairs come twice
    or more, others never."""
    pairs = torch.cat([q.repeat(len(k), 1), k.repeat(len(q), 1)], dim=-1)
    return (torch.tanh(pairs @ w_1) @ w).view(len(q), len(k))


@PAIRS.mistake
def interleaves_both(q, k, w_1, w):
    """Both lists hold each vector several times in a row, so that query and key advance together. Only the
    queries may stand still while the keys run."""
    pairs = [q.repeat_interleave(len(k), dim=0), k.repeat_interleave(len(q), dim=0)]
    return (torch.tanh(torch.cat(pairs, dim=-1) @ w_1) @ w).view(len(q), len(k))


@PAIRS.mistake
def key_before_query(q, k, w_1, w):
    """The pairs have the right order, but the key stands before the query: the upper block of w_1 belongs to
    the query."""
    pairs = torch.cat([k.repeat(len(q), 1), q.repeat_interleave(len(k), dim=0)], dim=-1)
    return (torch.tanh(pairs @ w_1) @ w).view(len(q), len(k))


@PAIRS.mistake
def swaps_the_halves(q, k, w_1, w):
    """You put the key before the query. That spoils what was right, as the upper block of w_1 belongs to the
    query, and leaves the order of the rows as it was: all queries for the first key first."""
    pairs = torch.cat([k.repeat_interleave(len(q), dim=0), q.repeat(len(k), 1)], dim=-1)
    return (torch.tanh(pairs @ w_1) @ w).view(len(q), len(k))


# 5: the bytes of the joined form


def bytes_of_joined(n_query, n_key, d, d_hidden):
    return 4 * n_query * n_key * (2 * d + 2 * d_hidden + 1)


JOINED_BYTES = Exercise(
    5,
    kind="predict",
    reference=bytes_of_joined,
    cases=lambda: [(3, 5, 4, 6), (100, 200, 64, 32), (1, 7, 2, 9)],
)


@JOINED_BYTES.mistake
def numbers_not_bytes(n_query, n_key, d, d_hidden):
    """That is how many numbers are written. A number in float32 has four bytes."""
    return n_query * n_key * (2 * d + 2 * d_hidden + 1)


@JOINED_BYTES.mistake
def forgets_the_pairs(n_query, n_key, d, d_hidden):
    """You did not count the joined vectors. expand writes nothing, but torch.cat copies 2d numbers for each
    pair."""
    return 4 * n_query * n_key * (2 * d_hidden + 1)


@JOINED_BYTES.mistake
def one_vector_of_the_pair(n_query, n_key, d, d_hidden):
    """A joined vector holds the query and the key: 2d numbers, not d."""
    return 4 * n_query * n_key * (d + 2 * d_hidden + 1)


@JOINED_BYTES.mistake
def forgets_the_tanh(n_query, n_key, d, d_hidden):
    """You counted one hidden tensor. The product with w_1 makes one, its tanh makes another."""
    return 4 * n_query * n_key * (2 * d + d_hidden + 1)


@JOINED_BYTES.mistake
def counts_the_copies(n_query, n_key, d, d_hidden):
    """You counted what repeat and repeat_interleave copy before they are joined. The question leaves that
    out: expand joins without it."""
    return 4 * n_query * n_key * (4 * d + 2 * d_hidden + 1)


@JOINED_BYTES.mistake
def counts_the_inputs(n_query, n_key, d, d_hidden):
    """You counted queries and keys as well. They are read; asked for is what the code writes."""
    return 4 * (n_query * n_key * (2 * d + 2 * d_hidden + 1) + (n_query + n_key) * d)


@JOINED_BYTES.mistake
def forgets_the_scores(n_query, n_key, d, d_hidden):
    """The scores themselves are missing: one number for each pair."""
    return 4 * n_query * n_key * (2 * d + 2 * d_hidden)


@JOINED_BYTES.mistake
def the_split_form(n_query, n_key, d, d_hidden):
    """That is the chapter's form, which projects each token once. The question is about the form that joins
    the vectors of each pair first."""
    return 4 * ((n_query + n_key) * d_hidden + 2 * n_query * n_key * d_hidden + n_query * n_key)


# 6: additive scores in slices


def run_lean(scores, q, k, w_q, w_k, w, n_rows):
    (n_query, d_q), (n_key, d_k), d_hidden = q.shape, k.shape, len(w)
    limit = max(n_rows * n_key * d_hidden, n_query * n_key, n_query * d_hidden, n_key * d_hidden)
    products = 2 * d_hidden * (n_query * d_q + n_key * d_k + n_query * n_key)
    with LargestTensor() as largest, FlopCounterMode(display=False) as flops:
        out = scores(q, k, w_q, w_k, w, n_rows)
    return {
        "output": out,
        "no tensor larger than a slice": largest.size <= limit,
        "each token projected once": flops.get_total_flops() <= products,
    }


def additive_in_slices(q, k, w_q, w_k, w, n_rows):
    from_q, from_k = q @ w_q, k @ w_k
    return torch.cat([torch.tanh(rows[:, None] + from_k) @ w for rows in from_q.split(n_rows)])


LEAN = Exercise(
    6,
    kind="faster",
    reference=additive_in_slices,
    run=run_lean,
    cases=lambda: [
        (*draw((30, 40), (20, 30), (40, 8), (30, 8), (8,)), 7),
        (*draw((50, 20), (90, 20), (20, 8), (20, 8), (8,), seed=1), 4),
    ],
)


@LEAN.mistake
def whole_hidden_tensor(q, k, w_q, w_k, w, n_rows):
    """Your scores are right, but the hidden tensor of all T·S·d_hid numbers was made on the way. Cut the
    queries before you add, not the hidden vectors after it."""
    hidden = torch.tanh((q @ w_q)[:, None] + k @ w_k)
    return torch.cat([rows @ w for rows in hidden.split(n_rows)])


@LEAN.mistake
def projects_the_keys_again(q, k, w_q, w_k, w, n_rows):
    """Your scores are right, and no tensor is too large, but the keys are projected anew for each slice. They
    do not depend on the query: project them once, before the loop."""
    return torch.cat([torch.tanh((rows @ w_q)[:, None] + k @ w_k) @ w for rows in q.split(n_rows)])


@LEAN.mistake
def drops_the_rest(q, k, w_q, w_k, w, n_rows):
    """The last queries are missing: T need not be a multiple of the slice. split(n_rows) keeps the shorter
    last slice."""
    whole = len(q) // n_rows * n_rows
    return additive_in_slices(q[:whole], k, w_q, w_k, w, n_rows)


@LEAN.mistake
def wrong_end_of_the_slice(q, k, w_q, w_k, w, n_rows):
    """Only the first slice is there: a slice that starts at i ends at i + n_rows, not at n_rows, and the
    others came out empty."""
    from_q, from_k = q @ w_q, k @ w_k
    slices = [from_q[i:n_rows] for i in range(0, len(q), n_rows)]
    return torch.cat([torch.tanh(rows[:, None] + from_k) @ w for rows in slices])


@LEAN.mistake
def joins_each_pair(q, k, w_q, w_k, w, n_rows):
    """Your scores are right, but you join the vectors of each pair and project the pairs. That takes T·S
    products where T + S will do, and a tensor of pairs."""
    w_1 = torch.cat([w_q, w_k])
    return torch.cat([pairs_in_order(rows, k, w_1, w) for rows in q.split(n_rows)])


@LEAN.mistake
def cuts_the_keys(q, k, w_q, w_k, w, n_rows):
    """Your scores are right, but you cut the keys: all queries meet n_rows keys at a time. Asked for is the
    reverse, n_rows queries that meet all the keys."""
    return additive_in_slices(k, q, w_k, w_q, w, n_rows).T


@LEAN.mistake
def number_of_slices(q, k, w_q, w_k, w, n_rows):
    """Your scores are right, but you make n_rows slices. n_rows is how many queries a slice may hold:
    split(n_rows), not chunk(n_rows)."""
    from_q, from_k = q @ w_q, k @ w_k
    return torch.cat([torch.tanh(rows[:, None] + from_k) @ w for rows in from_q.chunk(n_rows)])


@LEAN.mistake
def transposed(q, k, w_q, w_k, w, n_rows):
    """Your scores have a row for each key. Join the slices one below the other, without a transpose."""
    from_q, from_k = q @ w_q, k @ w_k
    slices = [torch.tanh(rows[:, None] + from_k) @ w for rows in from_q.split(n_rows)]
    return torch.cat([piece.T for piece in slices], dim=1)


# 7: distance attention by a fused kernel


class FusedCalls(TorchFunctionMode):
    """Counts the calls of torch's fused attention."""

    def __enter__(self):
        self.count = 0
        return super().__enter__()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += function is F.scaled_dot_product_attention
        return function(*args, **(kwargs or {}))


def run_fused(attention, q, k, v, sigma):
    with FusedCalls() as fused:
        out = attention(q, k, v, sigma)
    return {"output": out, "one fused call": fused.count == 1}


def longer(q, k, q_end, k_end):
    return torch.cat([q, q_end], dim=-1), torch.cat([k, k_end], dim=-1)


def fused_distance(q, k, v, sigma):
    ends = torch.ones_like(q[..., :1]), -k.square().sum(-1, keepdim=True) / 2
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / sigma**2)


FUSED = Exercise(
    7,
    kind="faster",
    reference=fused_distance,
    run=run_fused,
    gradients=True,
    cases=lambda: [
        (*draw((2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6), requires_grad=True), 0.7),
        (*draw((1, 2, 4, 2), (1, 2, 3, 2), (1, 2, 3, 5), seed=1, requires_grad=True), 1.5),
    ],
)


@FUSED.mistake
def by_hand(q, k, v, sigma):
    """Your output is right, but it was made without torch's fused attention. Find queries and keys, one entry
    longer, whose dot products give the same weights."""
    return torch.softmax(negative_squared_distance(q, k, 1 / (2 * sigma**2)), dim=-1) @ v


@FUSED.mistake
def default_scale(q, k, v, sigma):
    """The fused call divides by the root of the width unless told otherwise, here even of the longer width.
    Give it the scale that belongs to sigma."""
    ends = torch.ones_like(q[..., :1]), -k.square().sum(-1, keepdim=True) / 2
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v)


@FUSED.mistake
def forgets_the_half(q, k, v, sigma):
    """The last entry of the key is minus its squared length, without the half. In −‖q − k‖²/2 the half stays
    with the squares and cancels for the dot product."""
    ends = torch.ones_like(q[..., :1]), -k.square().sum(-1, keepdim=True)
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / sigma**2)


@FUSED.mistake
def wrong_sign(q, k, v, sigma):
    """You add the squared length instead of subtracting it: long keys, which win already under the dot
    product, win even more."""
    ends = torch.ones_like(q[..., :1]), k.square().sum(-1, keepdim=True) / 2
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / sigma**2)


@FUSED.mistake
def length_of_the_query(q, k, v, sigma):
    """What you compute is the plain dot product with the right scale: the squared lengths of the keys do not
    get in. (Those of the queries have no effect, as they are the same along the whole row.)"""
    ends = -q.square().sum(-1, keepdim=True) / 2, torch.ones_like(k[..., :1])
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / sigma**2)


@FUSED.mistake
def length_not_squared(q, k, v, sigma):
    """The last entry of the key is its length; it must be the square of the length."""
    ends = torch.ones_like(q[..., :1]), -k.norm(dim=-1, keepdim=True) / 2
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / sigma**2)


@FUSED.mistake
def sigma_in_the_entry_too(q, k, v, sigma):
    """σ enters twice for the squared length: your entry divides by σ² and the scale does, too. The scale
    multiplies the whole dot product, that entry included."""
    ends = torch.ones_like(q[..., :1]), -k.square().sum(-1, keepdim=True) / (2 * sigma**2)
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / sigma**2)


@FUSED.mistake
def forgets_sigma(q, k, v, sigma):
    """With scale 1 this is the kernel of width one, whatever sigma is. Put 1/σ² into the scale."""
    ends = torch.ones_like(q[..., :1]), -k.square().sum(-1, keepdim=True) / 2
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1.0)


@FUSED.mistake
def sigma_not_squared(q, k, v, sigma):
    """You scale by 1/σ. The distance is squared, so its width is, too: 1/σ²."""
    ends = torch.ones_like(q[..., :1]), -k.square().sum(-1, keepdim=True) / 2
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / sigma)


@FUSED.mistake
def cuts_the_gradient(q, k, v, sigma):
    """Your output is right, but the extra entry is cut off from the keys, so their gradient lacks the part
    that goes through their lengths. Leave the detach out."""
    ends = torch.ones_like(q[..., :1]), -k.detach().square().sum(-1, keepdim=True) / 2
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / sigma**2)


@FUSED.mistake
def half_the_scale(q, k, v, sigma):
    """You scale by 1/(2σ²). The half is in the expansion already: −‖q − k‖²/2σ² = (q·k − ‖k‖²/2 − …)/σ²."""
    ends = torch.ones_like(q[..., :1]), -k.square().sum(-1, keepdim=True) / 2
    return F.scaled_dot_product_attention(*longer(q, k, *ends), v, scale=1 / (2 * sigma**2))


EXERCISES = (ADDITIVE, FACTORS, TEMPERATURE, PAIRS, JOINED_BYTES, LEAN, FUSED)
