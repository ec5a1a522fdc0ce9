"""Exercises of the chapter on CPU kernels."""

from __future__ import annotations

import sympy
import torch

from course.attention import attend, log_sum_exp, scaled_dot_product
from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.kernels.cpu.apart import run_apart


def in_cpp(signature, body, arguments, helpers=""):
    """What the arrays hold after a C++ function with this body was called in a process of its own."""
    if not isinstance(body, str):
        raise TypeError(f"the answer is to be a string of C++, but it is of type {type(body).__name__}")
    includes = "".join(
        f"#include <{name}>\n" for name in ("algorithm", "cmath", "cstring", "limits", "vector")
    )
    head = f'{includes}{helpers}\nextern "C" void {signature} {{\n#line 1 "your code"\n'
    return run_apart(f"{head}{body}\n}}\n", signature.partition("(")[0], arguments)


def blank(*shape):
    return torch.full(shape, torch.nan)


# 1: attention in C++

ATTEND = (
    "attend(const float* q, const float* k, const float* v, float* o,"
    " long n_query, long n_key, long d_k, long d_v, float scale, bool causal)"
)


def run_attend(body, q, k, v, causal):
    out = blank(len(q), v.shape[1])
    sizes = (len(q), len(k), q.shape[1], v.shape[1], q.shape[1] ** -0.5, causal)
    return in_cpp(ATTEND, body, [q, k, v, out, *sizes])[3]


ATTEND_BODY = """
for (long i = 0; i < n_query; i++) {
    float* out = o + i * d_v;
    std::fill_n(out, d_v, 0.0f);
    long end = causal ? std::max(0L, i + 1 + n_key - n_query) : n_key;
    float largest = -INFINITY, total = 0;
    for (long j = 0; j < end; j++) {
        float score = 0;
        for (long l = 0; l < d_k; l++) score += q[i * d_k + l] * k[j * d_k + l];
        score *= scale;
        float now = std::max(largest, score);
        float shrink = std::exp(largest - now), weight = std::exp(score - now);
        total = total * shrink + weight;
        for (long c = 0; c < d_v; c++) out[c] = out[c] * shrink + weight * v[j * d_v + c];
        largest = now;
    }
    for (long c = 0; c < d_v && total > 0; c++) out[c] /= total;
}
"""


def changed(body, *edits):
    """The body with some of its text replaced; each piece must be there."""
    for old, new in edits:
        assert old in body, old
        body = body.replace(old, new)
    return body


def far_below():
    """Queries and keys whose scores are all far below zero."""
    q, k, v = draw((2, 3), (4, 3), (4, 2), seed=3)
    return 20 * q.abs() + 10, -20 * k.abs() - 10, v, False


ATTENTION = Exercise(
    1,
    kind="implement",
    reference=ATTEND_BODY,
    run=run_attend,
    cases=lambda: [
        (*draw((3, 4), (5, 4), (5, 6)), False),
        (*draw((3, 4), (5, 4), (5, 6), seed=1), True),
        (*draw((5, 4), (3, 4), (3, 2), seed=2), True),
        (*(x * size for x, size in zip(draw((2, 3), (4, 3), (4, 2)), (30, 30, 1), strict=True)), False),
        far_below(),
    ],
)

ATTENTION.mistake(
    "no-largest",
    changed(ATTEND_BODY, ("std::max(largest, score)", "0"), ("std::exp(largest - now)", "1")),
    "It is right for small scores, but you take exponentials of the scores as they are: beyond 88 "
    "they overflow in float, and infinity over infinity is NaN. Subtract the largest score.",
)
ATTENTION.mistake(
    "starts-at-zero",
    changed(ATTEND_BODY, ("largest = -INFINITY", "largest = 0")),
    "Your largest score starts at 0, which is larger than all scores of a query that are below 0: if "
    "they are far below, every weight becomes 0. Start with -INFINITY.",
)
ATTENTION.mistake(
    "causal-at-the-upper-left",
    changed(ATTEND_BODY, ("std::max(0L, i + 1 + n_key - n_query)", "std::min(n_key, i + 1)")),
    "Your causal mask is aligned at the first key. The last query sees the last key: query i sees "
    "the keys j with j <= i + n_key - n_query.",
)
ATTENTION.mistake(
    "causal-without-itself",
    changed(ATTEND_BODY, ("i + 1 + n_key - n_query", "i + n_key - n_query")),
    "Your causal mask hides each query's own position: the last key that it sees is i + n_key - "
    "n_query, that one included.",
)
ATTENTION.mistake(
    "no-scale",
    changed(ATTEND_BODY, ("score *= scale;", "")),
    "Your scores lack the scale: multiply each dot product by `scale`.",
)
ATTENTION.mistake(
    "output-does-not-shrink",
    changed(ATTEND_BODY, ("out[c] * shrink + weight", "out[c] + weight")),
    "When a larger score comes, the sum of the weights shrinks, but your output does not: what was"
    " added to it before was divided by another number.",
)
ATTENTION.mistake(
    "sum-does-not-shrink",
    changed(ATTEND_BODY, ("total * shrink + weight", "total + weight")),
    "When a larger score comes, your output shrinks, but the sum of the weights does not. Both "
    "were computed with the old largest score.",
)
ATTENTION.mistake(
    "divides-by-nothing",
    changed(ATTEND_BODY, (" && total > 0", "")),
    "A query that sees no key has the sum 0, and 0/0 is NaN. Its output is zero: divide only where"
    " there is something to divide by.",
)
ATTENTION.mistake(
    "does-not-divide",
    changed(ATTEND_BODY, ("out[c] /= total", "out[c] /= 1")),
    "Your outputs are sums, not averages: divide by the sum of the weights after the last key.",
)


# 2: what a tile of registers costs


def tile_cycles(rows, vectors):
    return max(rows * vectors / 2, (rows + vectors) / 2, 4)


TILE = Exercise(
    2,
    kind="predict",
    reference=tile_cycles,
    cases=lambda: [(1, 1), (1, 4), (2, 4), (6, 4), (1, 12), (1, 13), (12, 2)],
)


@TILE.mistake
def no_loads(rows, vectors):
    """You left out the loads. Each step loads `vectors` vectors and `rows` numbers, and two loads start in a
    cycle: a long, flat tile waits for them."""
    return max(rows * vectors / 2, 4)


@TILE.mistake
def no_latency(rows, vectors):
    """You left out the latency. The next multiply-add on the same sum must wait until the last one is ready,
    four cycles later."""
    return max(rows * vectors / 2, (rows + vectors) / 2)


@TILE.mistake
def adds_instead_of_overlapping(rows, vectors):
    """You added the three times. Loads, arithmetic and waiting go on at once: the longest of them decides."""
    return rows * vectors / 2 + (rows + vectors) / 2 + 4


@TILE.mistake
def cuts_half_cycles(rows, vectors):
    """You cut half cycles off. Over many steps the halves add up: use / and not //."""
    return max(rows * vectors // 2, (rows + vectors) // 2, 4)


@TILE.mistake
def one_at_a_time(rows, vectors):
    """You let one multiply-add and one load start per cycle. This processor starts two of each."""
    return max(rows * vectors, rows + vectors, 4)


@TILE.mistake
def loads_every_pair(rows, vectors):
    """You load both factors for each multiply-add. In a tile, a loaded vector serves all rows, and a number
    all vectors: rows + vectors loads."""
    return max(rows * vectors / 2, 2 * rows * vectors / 2, 4)


# 3: the best tile


def tiles_within(used, worth, registers):
    """The tile that is worth most among those that use at most so many registers."""
    fitting = [(r, n) for r in range(1, registers) for n in range(1, registers) if used(r, n) <= registers]
    return max(fitting, key=lambda tile: worth(*tile))


def needed(rows, vectors):
    return rows * vectors + vectors + 1


def reuse(rows, vectors):
    return rows * vectors / (rows + vectors)


BEST = Exercise(
    3,
    kind="faster",
    reference=lambda registers: tiles_within(needed, reuse, registers),
    cases=lambda: [(32,), (16,), (48,), (64,)],
)


@BEST.mistake
def only_the_sums(registers):
    """Your tile fills all registers with sums. The vectors of the row of B need one each, and the number of A
    one more; otherwise sums move out to memory and back in every step."""
    return tiles_within(lambda r, n: r * n, reuse, registers)


@BEST.mistake
def most_sums(registers):
    """You chose the tile with the most sums. Count what a load serves: multiply-adds over loads, R·N / (R +
    N), which wants both sides long."""
    return tiles_within(needed, lambda r, n: r * n, registers)


@BEST.mistake
def fewest_loads(registers):
    """You chose the tile with the fewest loads, which does next to no arithmetic with them. Weigh loads
    against multiply-adds: R·N / (R + N)."""
    return tiles_within(needed, lambda r, n: -(r + n), registers)


@BEST.mistake
def wide_for_tall(registers):
    """Rows and vectors are exchanged: the answer is (R, N), rows of A first. A row of A needs no register
    beyond its sums, a vector of B does."""
    return tiles_within(needed, reuse, registers)[::-1]


@BEST.mistake
def forgets_the_number(registers):
    """You left no register for the number of A that is spread over a whole vector."""
    return tiles_within(lambda r, n: r * n + n, reuse, registers)


@BEST.mistake
def holds_all_rows(registers):
    """You keep a register for each row of A. One is enough: a number is loaded, used for its N sums, and
    replaced by the next."""
    return tiles_within(lambda r, n: r * n + r + n, reuse, registers)


# 4: the exponential, out of its bits

EXP2 = "exp2_all(const float* x, float* y, long n)"
BITS = """
static const float C[6] = {1, 0.693146978f, 0.240222421f, 0.0555073374f, 0.00967151281f, 0.00132647272f};
static int bits_of(float x) { int n; std::memcpy(&n, &x, 4); return n; }
static float float_of(int n) { float x; std::memcpy(&x, &n, 4); return x; }
"""
EXP2_BODY = """
for (long i = 0; i < n; i++) {
    if (x[i] < -126) { y[i] = 0; continue; }
    int whole = (int)(x[i] - 0.5f);
    float f = x[i] - whole, p = C[5];
    for (int l = 4; l >= 0; l--) p = p * f + C[l];
    y[i] = float_of(bits_of(p) + (whole << 23));
}
"""


def run_exp2(body, x):
    return in_cpp(EXP2, body, [x, blank(len(x)), len(x)], BITS)[1]


POWERS = Exercise(
    4,
    kind="implement",
    reference=EXP2_BODY,
    run=run_exp2,
    cases=lambda: [
        (torch.tensor([0.0, -1.0, -2.0, -10.0]),),
        (-torch.linspace(0, 4, 41),),
        (torch.tensor([-20.3, -100.7, -125.9]),),
        (torch.tensor([-127.5, -200.0, -1e9, -torch.inf]),),
    ],
    rtol=1e-6,
    atol=0,
)

POWERS.mistake(
    "fraction-too-long",
    changed(EXP2_BODY, ("(int)(x[i] - 0.5f)", "(int)x[i]")),
    "Your fraction runs from -1 to 0. The polynomial was fitted to [-1/2, 1/2], and beyond it is "
    "off by more than float's last digits: round to the nearest whole number.",
)
POWERS.mistake(
    "rounds-down",
    changed(EXP2_BODY, ("(int)(x[i] - 0.5f)", "(int)std::floor(x[i])")),
    "Your fraction runs from 0 to 1: you round down. The polynomial was fitted to [-1/2, 1/2]: round "
    "to the nearest whole number.",
)
POWERS.mistake(
    "half-with-the-wrong-sign",
    changed(EXP2_BODY, ("x[i] - 0.5f", "x[i] + 0.5f")),
    "You add the half before the cut. That rounds numbers above zero; (int) cuts towards zero, so "
    "below zero the half is subtracted.",
)
POWERS.mistake(
    "exponent-alone-as-a-float",
    changed(EXP2_BODY, ("float_of(bits_of(p) + (whole << 23))", "p * float_of(whole << 23)")),
    "float_of(n << 23) is not 2^n: the stored exponent is n + 127. Add n << 23 to the bits of p, "
    "whose exponent holds the 127 already.",
)
POWERS.mistake(
    "bias-twice",
    changed(EXP2_BODY, ("(whole << 23)", "((whole + 127) << 23)")),
    "You add 127 to an exponent that holds it already: the bits of p are those of a float. Add n << "
    "23 alone.",
)
POWERS.mistake(
    "base-e",
    "for (long i = 0; i < n; i++) y[i] = x[i] < -126 ? 0 : std::exp(x[i]);",
    "You computed e^x; 2^x is asked for.",
)
POWERS.mistake(
    "no-end-below",
    changed(EXP2_BODY, ("if (x[i] < -126) { y[i] = 0; continue; }", "")),
    "Below -126 the exponent has no room left, and your bits run over into the sign: the result "
    "must be 0 there, and for minus infinity, the score of a masked key.",
)
POWERS.mistake(
    "mantissa-of-22",
    changed(EXP2_BODY, ("<< 23", "<< 22")),
    "You add to the fraction's bits: the exponent of a float starts at bit 23.",
)
POWERS.mistake(
    "multiplies-by-the-whole-part",
    changed(EXP2_BODY, ("float_of(bits_of(p) + (whole << 23))", "p * whole")),
    "You multiply by n where 2 to the power n is meant. Adding n to the exponent bits multiplies by 2^n.",
)
POWERS.mistake(
    "polynomial-of-x",
    changed(EXP2_BODY, ("x[i] - whole", "x[i]")),
    "You put x into the polynomial. It is good on [-1/2, 1/2] only: put in the fraction x - n.",
)
POWERS.mistake(
    "coefficients-from-the-other-end",
    changed(EXP2_BODY, ("p = C[5]", "p = C[0]"), ("l = 4; l >= 0; l--", "l = 1; l <= 5; l++")),
    "Horner's scheme starts from the coefficient of the highest power, C[5], and ends with C[0].",
)


# 5: two bugs in a block

ROW = "attend_row(const float* q, const float* k, const float* v, float* o, long n_key, long d_k, long d_v)"
ROW_BODY = """
const long B = 4;
float largest = -INFINITY, total = 0, weight[B];
std::fill_n(o, d_v, 0.0f);
for (long j0 = 0; j0 < n_key; j0 += B) {
    long n = std::min(B, n_key - j0);
    float now = largest;
    for (long j = 0; j < n; j++) {
        weight[j] = 0;
        for (long l = 0; l < d_k; l++) weight[j] += q[l] * k[(j0 + j) * d_k + l];
        now = std::max(now, weight[j]);
    }
    float shrink = std::exp(largest - now);
    total *= shrink;
    for (long c = 0; c < d_v; c++) o[c] *= shrink;
    for (long j = 0; j < n; j++) {
        weight[j] = std::exp(weight[j] - now);
        total += weight[j];
        for (long c = 0; c < d_v; c++) o[c] += weight[j] * v[(j0 + j) * d_v + c];
    }
    largest = now;
}
for (long c = 0; c < d_v; c++) o[c] /= total;
"""
SHRINKS = ("    for (long c = 0; c < d_v; c++) o[c] *= shrink;\n", "")
TAIL = ("std::min(B, n_key - j0)", "B")


def run_row(body, q, k, v):
    return in_cpp(ROW, body, [q, k, v, blank(v.shape[1]), len(k), len(q), v.shape[1]])[3]


def late_peak(seed):
    """A query whose largest score comes in the second block of keys."""
    q, k, v = draw((3,), (8, 3), (8, 2), seed=seed)
    k[5] = 2 * q
    return q, k, v


BLOCKS = Exercise(
    5,
    kind="find the bug",
    reference=ROW_BODY,
    run=run_row,
    cases=lambda: [draw((3,), (4, 3), (4, 2)), late_peak(1), draw((4,), (7, 4), (7, 3), seed=2)],
)

BLOCKS.mistake(
    "both-still-there",
    changed(ROW_BODY, SHRINKS, TAIL),
    "Both bugs are still there. Try eight keys, the largest score among the last four; then seven keys.",
)
BLOCKS.mistake(
    "tail-still-there",
    changed(ROW_BODY, TAIL),
    "One bug is left: with seven keys and blocks of four, the last block reads a key that does not"
    " exist. Whatever lies there becomes part of the output.",
)
BLOCKS.mistake(
    "output-still-wrong",
    changed(ROW_BODY, SHRINKS),
    "One bug is left: where a later block holds a larger score, the sum shrinks and the output does not.",
)
BLOCKS.mistake(
    "drops-the-tail",
    changed(ROW_BODY, TAIL, ("j0 < n_key", "j0 + B <= n_key")),
    "You leave out the last block if it is not full: with seven keys, three are forgotten. Make "
    "that block shorter.",
)
BLOCKS.mistake(
    "shrinks-after-adding",
    changed(ROW_BODY, SHRINKS, ("    largest = now;", SHRINKS[0] + "    largest = now;")),
    "Your output shrinks after the values of the block were added, so these shrink too. Only what "
    "was added under the old largest score has to: shrink first, then add.",
)
BLOCKS.mistake(
    "shrinks-twice",
    changed(ROW_BODY, ("o[c] *= shrink", "o[c] *= shrink * shrink")),
    "The output shrinks twice for each new block. Once is enough: it is a sum of weights times values.",
)
BLOCKS.mistake(
    "shrinks-the-wrong-way",
    changed(ROW_BODY, ("o[c] *= shrink", "if (shrink > 0) o[c] /= shrink")),
    "You divide by the factor. What was added before is too large by now: multiply by exp(old - "
    "new), which is at most 1.",
)


# 6: threads that wait

P = sympy.Symbol("p", positive=True)

SPLIT = Exercise(6, kind="derive", reference=P**2 / (2 * P - 1))

SPLIT.mistake(
    "equal-shares",
    P,
    "That holds if every thread has the same work. With a causal mask the last queries see the "
    "most keys, and the last thread has them all.",
)
SPLIT.mistake(
    "the-first-thread",
    P**2,
    "That is the speed of the thread that ends first. The result is there when the last one ends.",
)
SPLIT.mistake(
    "all-but-the-last",
    P**2 / (P - 1) ** 2,
    "((p-1)/p)² is the share of all threads before the last one. The last thread has the rest, and "
    "all wait for it.",
)
SPLIT.mistake(
    "twice-the-mean",
    P / 2,
    "You gave the last thread twice the mean work. Only the very last query has twice the mean; "
    "the share of the thread is 1 - ((p-1)/p)².",
)
SPLIT.mistake(
    "share-upside-down",
    (2 * P - 1) / P**2,
    "That is the share of the work that the last thread does. The speed-up is one over it.",
)
SPLIT.mistake(
    "work-grows-linearly",
    P * (P + 1) / (2 * P),
    "You took the work of thread t as proportional to t. It is proportional to t² - (t-1)² = 2t - "
    "1, the difference of two triangles.",
)


# 7: the backward pass in C++

BACKWARD = (
    "backward(const float* q, const float* k, const float* v, const float* o, const float* lse,"
    " const float* grad, float* dq, float* dk, float* dv,"
    " long n_query, long n_key, long d_k, long d_v, float scale)"
)
BACKWARD_BODY = """
std::fill_n(dq, n_query * d_k, 0.0f);
std::fill_n(dk, n_key * d_k, 0.0f);
std::fill_n(dv, n_key * d_v, 0.0f);
for (long i = 0; i < n_query; i++) {
    float mean = 0;
    for (long c = 0; c < d_v; c++) mean += grad[i * d_v + c] * o[i * d_v + c];
    for (long j = 0; j < n_key; j++) {
        float score = 0, dweight = 0;
        for (long l = 0; l < d_k; l++) score += q[i * d_k + l] * k[j * d_k + l];
        for (long c = 0; c < d_v; c++) dweight += grad[i * d_v + c] * v[j * d_v + c];
        float weight = std::exp(score * scale - lse[i]);
        float dscore = weight * (dweight - mean);
        for (long c = 0; c < d_v; c++) dv[j * d_v + c] += weight * grad[i * d_v + c];
        for (long l = 0; l < d_k; l++) dq[i * d_k + l] += scale * dscore * k[j * d_k + l];
        for (long l = 0; l < d_k; l++) dk[j * d_k + l] += scale * dscore * q[i * d_k + l];
    }
}
"""


def run_backward(body, q, k, v, grad):
    scale = q.shape[1] ** -0.5
    out, lse = attend(q, k, v), log_sum_exp(scaled_dot_product(q, k))
    made = [torch.full_like(x, torch.nan) for x in (q, k, v)]
    sizes = (len(q), len(k), q.shape[1], v.shape[1], scale)
    after = in_cpp(BACKWARD, body, [q, k, v, out, lse, grad, *made, *sizes])
    return dict(zip(("dq", "dk", "dv"), after[6:], strict=True))


GRADIENTS = Exercise(
    7,
    kind="implement",
    reference=BACKWARD_BODY,
    run=run_backward,
    cases=lambda: [draw((3, 4), (5, 4), (5, 6), (3, 6)), draw((4, 2), (2, 2), (2, 3), (4, 3), seed=1)],
)

GRADIENTS.mistake(
    "no-mean",
    changed(BACKWARD_BODY, ("dweight - mean", "dweight")),
    "dv is right. In dq and dk the mean is missing: a score pushes its own weight up and all "
    "others of the row down, so the gradient is weight · (dweight − D_i).",
)
GRADIENTS.mistake(
    "no-scale",
    changed(BACKWARD_BODY, ("scale * dscore", "dscore")),
    "dv is right; dq and dk lack the scale, by which the dot products were multiplied.",
)
GRADIENTS.mistake(
    "no-zero-first",
    changed(
        BACKWARD_BODY,
        ("std::fill_n(dk, n_key * d_k, 0.0f);\n", ""),
        ("std::fill_n(dv, n_key * d_v, 0.0f);\n", ""),
    ),
    "dk and dv are added to, but nobody set them to zero: what the memory held before is in your sums.",
)
GRADIENTS.mistake(
    "nothing-zero-first",
    "\n".join(line for line in BACKWARD_BODY.splitlines() if "fill_n" not in line),
    "All three gradients are added to, but nobody set them to zero: what the memory held before is in"
    " your sums.",
)
GRADIENTS.mistake(
    "score-without-scale",
    changed(BACKWARD_BODY, ("score * scale - lse[i]", "score - lse[i]")),
    "Your weights come from scores without the scale, while the log-sum-exp was taken of scaled "
    "ones: exp(scale · q_i · k_j - lse_i).",
)
GRADIENTS.mistake(
    "scale-on-one-side",
    changed(BACKWARD_BODY, ("dk[j * d_k + l] += scale * dscore", "dk[j * d_k + l] += dscore")),
    "dq is right; dk lacks the scale. The score is scale · q_i · k_j: both derivatives have it.",
)
GRADIENTS.mistake(
    "queries-for-keys",
    changed(
        BACKWARD_BODY,
        ("dscore * k[j", "dscore * Q[i"),
        ("dscore * q[i", "dscore * k[j"),
        ("Q[i", "q[i"),
    ),
    "dv is right; in dq and dk queries and keys are exchanged. The derivative of q_i · k_j by q_i is "
    "k_j, and by k_j it is q_i.",
)
GRADIENTS.mistake(
    "overwrites",
    changed(BACKWARD_BODY, ("dk[j * d_k + l] +=", "dk[j * d_k + l] ="), ("] += weight", "] = weight")),
    "dk and dv hold what the last query gave. A key is seen by all queries: their gradients add up.",
)
GRADIENTS.mistake(
    "weights-without-normalizer",
    changed(BACKWARD_BODY, ("score * scale - lse[i]", "score * scale")),
    "Your weights are exponentials without their normalizer. exp(score - lse) is the weight "
    "itself: the log-sum-exp is the logarithm of the sum.",
)
GRADIENTS.mistake(
    "mean-over-the-keys",
    changed(BACKWARD_BODY, ("mean += grad[i * d_v + c] * o[i * d_v + c]", "mean += grad[i * d_v + c]")),
    "D_i is the dot product of the gradient with the output, do_i · o_i, not the sum of the gradient.",
)


EXERCISES = (ATTENTION, TILE, BEST, POWERS, BLOCKS, SPLIT, GRADIENTS)
