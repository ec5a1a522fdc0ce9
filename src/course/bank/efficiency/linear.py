"""Exercises of the chapter on linear attention."""

from __future__ import annotations

import sympy
import torch

from course.attention import elu_plus_one
from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.grading.meter import LargestTensor

# 1: linear attention from features, without a matrix of weights


def linear(q, k, v):
    return q @ (k.T @ v) / (q @ k.sum(0))[:, None]


def run_without_weights(answer, q, k, v):
    with LargestTensor() as largest:
        out = answer(q, k, v)
    return {"output": out, "no matrix of weights is made": largest.size < len(q) * len(k)}


def positive(*shapes, seed=0):
    return tuple(0.1 + x.abs() for x in draw(*shapes, seed=seed))


def feature_cases():
    values = draw((40, 3), (50, 2), seed=2)
    return [
        (*positive((30, 4), (40, 4)), values[0]),
        (*positive((60, 5), (50, 5), seed=1), values[1]),
    ]


LINEAR = Exercise(1, kind="implement", reference=linear, run=run_without_weights, cases=feature_cases)


@LINEAR.mistake
def matrix_of_weights(q, k, v):
    """The output is right, but you made a matrix with an entry for each query and key. Bracket the other way:
    keys with values first."""
    weights = q @ k.T
    return weights @ v / weights.sum(1, keepdim=True)


@LINEAR.mistake
def no_total(q, k, v):
    """The weights of a row do not sum to one. Divide each output by the dot product of its query with the sum
    of all keys."""
    return q @ (k.T @ v)


@LINEAR.mistake
def mean_over_keys(q, k, v):
    """You divided by the number of keys. The weights of a row sum to q·Σk, which differs from query to
    query."""
    return q @ (k.T @ v) / len(k)


@LINEAR.mistake
def one_total_for_all(q, k, v):
    """You divided all rows by one number, the sum over all queries. Each query has a total of its own."""
    return q @ (k.T @ v) / (k @ q.sum(0)).sum()


@LINEAR.mistake
def features_normalised(q, k, v):
    """You normalised the features of queries and of keys, each for itself. That is a method of its own, but
    its weights are not κ divided by the sum of κ over the keys."""
    return (q / q.sum(1, keepdim=True)) @ ((k / k.sum(0)).T @ v)


@LINEAR.mistake
def features_twice(q, k, v):
    """You applied the feature map once more. q and k are features already."""
    return linear(elu_plus_one(q), elu_plus_one(k), v)


@LINEAR.mistake
def divided_before_reading(q, k, v):
    """You divided the memory, row by row, before the query read it. A quotient of two sums is not the sum of
    the quotients: read both sums with the query, then divide."""
    return q @ (k.T @ v / k.sum(0)[:, None])


# 2: when the state is the smaller one

D_PSI, D_K, D_V = sympy.symbols("d_psi d_k d_v", positive=True)

CROSSING = Exercise(2, kind="derive", reference=2 * D_PSI * (D_V + 1) / (D_K + D_V))

CROSSING.mistake(
    "same-precision",
    D_PSI * (D_V + 1) / (D_K + D_V),
    "That counts numbers. Count bytes: one of the state has four, one of the cache two.",
)
CROSSING.mistake(
    "precisions-swapped",
    D_PSI * (D_V + 1) / (2 * (D_K + D_V)),
    "You gave four bytes to the cache and two to the state. It is the other way round: the state "
    "is a long sum and needs the wider format.",
)
CROSSING.mistake(
    "no-total",
    2 * D_PSI * D_V / (D_K + D_V),
    "You left out z, the sum of the features of the keys: d_psi numbers more.",
)
CROSSING.mistake(
    "only-keys", 2 * D_PSI * (D_V + 1) / D_K, "The cache holds a key and a value for each token."
)
CROSSING.mistake(
    "upside-down",
    (D_K + D_V) / (2 * D_PSI * (D_V + 1)),
    "That is one over the answer. The cache of S tokens grows with S; solve for the S at which "
    "both are equal.",
)
CROSSING.mistake(
    "state-only-in-bytes",
    4 * D_PSI * (D_V + 1) / (D_K + D_V),
    "You counted the state in bytes and the cache in numbers. A number of the cache has two bytes.",
)
CROSSING.mistake(
    "total-is-one-number",
    2 * (D_PSI * D_V + 1) / (D_K + D_V),
    "You counted z as one number. It is a vector of d_psi numbers: a column of the memory.",
)


# 3: one step of decoding, with decay


def step(q, k, v, memory, total, alpha):
    memory = alpha * memory + torch.outer(k, v)
    total = alpha * total + k
    return q @ memory / (q @ total), memory, total


def step_cases():
    tensors = positive((4,), (4,), (2,), (4, 2), (4,))
    return [(*tensors, 0.9), (*positive((3,), (3,), (5,), (3, 5), (3,), seed=1), 0.5)]


STEP = Exercise(3, kind="implement", reference=step, cases=step_cases)


@STEP.mistake
def reads_before_writing(q, k, v, memory, total, alpha):
    """You read before the token is written. A token attends to itself, too: write first."""
    out = q @ memory / (q @ total)
    return out, alpha * memory + torch.outer(k, v), alpha * total + k


@STEP.mistake
def decays_what_is_new(q, k, v, memory, total, alpha):
    """You multiplied after writing, so the new pair fades before anybody has read it. Only what was there
    before is multiplied by alpha."""
    memory = alpha * (memory + torch.outer(k, v))
    total = alpha * (total + k)
    return q @ memory / (q @ total), memory, total


@STEP.mistake
def total_not_decayed(q, k, v, memory, total, alpha):
    """The memory fades and the total does not, so the weights no longer sum to one. Both are sums over the
    same keys with the same decays."""
    memory = alpha * memory + torch.outer(k, v)
    total = total + k
    return q @ memory / (q @ total), memory, total


@STEP.mistake
def memory_not_decayed(q, k, v, memory, total, alpha):
    """The total fades and the memory does not, so the weights no longer sum to one. Both are sums over the
    same keys with the same decays."""
    memory = memory + torch.outer(k, v)
    total = alpha * total + k
    return q @ memory / (q @ total), memory, total


@STEP.mistake
def fades_the_new(q, k, v, memory, total, alpha):
    """You multiplied the new pair by alpha and left the old ones as they were. It is the old ones that
    fade."""
    memory = memory + alpha * torch.outer(k, v)
    total = total + alpha * k
    return q @ memory / (q @ total), memory, total


@STEP.mistake
def old_total(q, k, v, memory, total, alpha):
    """You divided by the total from before this token. The memory that is read holds the token, so the total
    must hold it, too."""
    _, memory, new = step(q, k, v, memory, total, alpha)
    return q @ memory / (q @ total), memory, new


@STEP.mistake
def moving_average(q, k, v, memory, total, alpha):
    """Your output is right, but you multiplied what is new by 1 − alpha. The factor cancels in the division;
    the state you return is not that of the recurrence, though."""
    memory = alpha * memory + (1 - alpha) * torch.outer(k, v)
    total = alpha * total + (1 - alpha) * k
    return q @ memory / (q @ total), memory, total


@STEP.mistake
def no_decay(q, k, v, memory, total, alpha):
    """Nothing is forgotten: alpha does not occur in your result."""
    return step(q, k, v, memory, total, 1.0)


@STEP.mistake
def no_total_(q, k, v, memory, total, alpha):
    """The output is not divided by the total q·z."""
    _, memory, total = step(q, k, v, memory, total, alpha)
    return q @ memory, memory, total


# 4: chunks that read too late


def in_chunks(q, k, v, size, *, diagonal=0, write_first=False, carry=True, inside=True, sign=1):
    memory, outputs = torch.zeros(k.shape[1], v.shape[1]), []
    for Q, K, V in zip(q.split(size), k.split(size), v.split(size), strict=True):
        if write_first:
            memory = memory + K.T @ V
        weights = Q @ K.T if diagonal is None else (Q @ K.T).tril(diagonal)
        outputs.append(Q @ memory + (sign * weights @ V if inside else 0))
        if not write_first:
            memory = (memory if carry else 0) + K.T @ V
    return torch.cat(outputs)


def chunks(q, k, v, size):
    return in_chunks(q, k, v, size)


CHUNKS = Exercise(
    4,
    kind="find the bug",
    reference=chunks,
    cases=lambda: [(*draw((11, 4), (11, 4), (11, 2)), 3), (*draw((6, 2), (6, 2), (6, 3), seed=1), 2)],
)


@CHUNKS.mistake
def writes_before_reading(*x):
    """The bug is still there: the chunk is written to the memory before its own queries read it. They find
    each pair of the chunk twice, and those that come after them as well."""
    return in_chunks(*x, write_first=True)


@CHUNKS.mistake
def never_inside(*x):
    """Queries see only the chunks before their own. The tokens of the chunk itself, up to the query, are
    missing."""
    return in_chunks(*x, inside=False)


@CHUNKS.mistake
def not_its_own_key(*x):
    """The mask inside the chunk is one diagonal too low: a token attends to itself, too."""
    return in_chunks(*x, diagonal=-1)


@CHUNKS.mistake
def no_mask_inside(*x):
    """Nothing is counted twice, but each query sees all of its chunk, also the tokens after it. Read the
    memory from before the chunk, and mask the product inside."""
    return in_chunks(*x, diagonal=None)


@CHUNKS.mistake
def writes_first_without_the_diagonal(*x):
    """Taking the diagonal away inside frees each token of one of its two readings of itself. Its earlier
    neighbours in the chunk still count twice, and later ones once. Write after reading."""
    return in_chunks(*x, write_first=True, diagonal=-1)


@CHUNKS.mistake
def subtracts_the_past(*x):
    """You took off what is counted twice once too often: what remains of the chunk is the tokens after the
    query, not those up to it."""
    return in_chunks(*x, write_first=True, sign=-1)


@CHUNKS.mistake
def divided(q, k, v, size):
    """This chunked form has no division: return the sums themselves."""
    weights = (q @ k.T).tril()
    return weights @ v / weights.sum(1, keepdim=True)


@CHUNKS.mistake
def only_the_last_chunk(*x):
    """The memory holds the last chunk only. Add to it, do not replace it."""
    return in_chunks(*x, carry=False)


# 5: how many random features

D, EPSILON = sympy.symbols("d epsilon", positive=True)

FEATURES = Exercise(5, kind="derive", reference=(sympy.exp(4 * sympy.sqrt(D)) - 1) / EPSILON**2)

FEATURES.mistake(
    "unrelated-pair",
    (sympy.exp(2 * sympy.sqrt(D)) - 1) / EPSILON**2,
    "That is for a query and a key that are orthogonal. Here they are equal, so x + y = 2x, and "
    "its squared length is four times that of x.",
)
FEATURES.mistake(
    "one-vector",
    (sympy.exp(sympy.sqrt(D)) - 1) / EPSILON**2,
    "You took |x|² = √d for |x + y|². The two are equal, so x + y = 2x, and the square is four times "
    "as large.",
)
FEATURES.mistake(
    "root-of-the-variance",
    sympy.sqrt(sympy.exp(4 * sympy.sqrt(D)) - 1) / EPSILON,
    "That is the root of the answer. (e^(4√d) − 1)/m is the square of the relative error: set it "
    "equal to ε² and solve for m.",
)
FEATURES.mistake(
    "widths-not-scaled",
    (sympy.exp(4 * D) - 1) / EPSILON**2,
    "You took the features of q itself. x is q divided by the fourth root of d, so |x|² = d/√d = √d.",
)
FEATURES.mistake(
    "error-not-squared",
    (sympy.exp(4 * sympy.sqrt(D)) - 1) / EPSILON,
    "The variance is the square of the standard deviation: the relative variance must be ε².",
)
FEATURES.mistake(
    "second-moment",
    sympy.exp(4 * sympy.sqrt(D)) / EPSILON**2,
    "That is the second moment. The variance is that less the square of the mean, which takes off 1.",
)
FEATURES.mistake(
    "not-relative",
    sympy.exp(2 * sympy.sqrt(D)) * (sympy.exp(4 * sympy.sqrt(D)) - 1) / EPSILON**2,
    "That makes the standard deviation itself ε. Asked is ε times the exponential, so divide the "
    "variance by exp(2 x·y).",
)


# 6: noise when old pairs fade


def noise(n, d, alpha):
    return sum(alpha ** (2 * age) for age in range(1, n)) / d


NOISE = Exercise(
    6,
    kind="predict",
    reference=noise,
    cases=lambda: [(2, 16, 0.5), (10, 32, 0.9), (50, 64, 0.99), (20, 8, 1.0)],
)


@NOISE.mistake
def factor_not_squared(n, d, alpha):
    """Noise is a sum of squares: a pair that has faded by alpha^s contributes alpha^(2s)."""
    return sum(alpha**age for age in range(1, n)) / d


@NOISE.mistake
def counts_the_signal(n, d, alpha):
    """You counted the newest pair itself. It is the signal: the noise comes from the n − 1 others."""
    return sum(alpha ** (2 * age) for age in range(n)) / d


@NOISE.mistake
def no_decay_(n, d, alpha):
    """That is the noise of a plain sum. Old pairs have faded: by alpha for each write since."""
    return (n - 1) / d


@NOISE.mistake
def decays_the_newest(n, d, alpha):
    """You let the pair before the newest be as strong as the newest. It was multiplied by alpha once, when
    the newest was written."""
    return sum(alpha ** (2 * age) for age in range(n - 1)) / d


@NOISE.mistake
def one_term_too_many(n, d, alpha):
    """You have one term too many: of n pairs the newest is the signal, so n − 1 make noise, and the oldest is
    n − 1 writes old."""
    return sum(alpha ** (2 * age) for age in range(1, n + 1)) / d


@NOISE.mistake
def root(n, d, alpha):
    """That is the root of the mean square. Asked is the mean square itself."""
    return noise(n, d, alpha) ** 0.5


@NOISE.mistake
def squared_after_adding(n, d, alpha):
    """You added first and squared then. The mixed terms have mean zero: add the squares."""
    return sum(alpha**age for age in range(1, n)) ** 2 / d


@NOISE.mistake
def no_width(n, d, alpha):
    """You left out how alike two random keys are: the mean square of their dot product is 1/d."""
    return sum(alpha ** (2 * age) for age in range(1, n))


@NOISE.mistake
def endless(n, d, alpha):
    """That is the limit for endlessly many writes. There are n, so the sum has n − 1 terms."""
    return alpha**2 / (1 - alpha**2) / d if alpha < 1 else (n - 1) / d


# 7: the delta rule, a chunk at once


def delta(
    q,
    k,
    v,
    eta,
    memory,
    *,
    diagonal=-1,
    rates=True,
    columns=False,
    sign=1,
    start=True,
    wanted_rate=True,
    reads=0,
    written=None,
):
    rate = eta[:, None]
    inside = eta if columns else rate if rates else 1
    matrix = torch.eye(len(k)) + sign * inside * (k @ k.T).tril(diagonal)
    wanted = v - k @ memory if start else v
    u = torch.linalg.solve(matrix, rate * wanted if wanted_rate else wanted)
    return q @ memory + (q @ k.T).tril(reads) @ u, memory + k.T @ (u if written is None else v)


def delta_chunk(q, k, v, eta, memory):
    return delta(q, k, v, eta, memory)


def delta_cases():
    def case(n, d, d_v, seed):
        q, k, v, eta, memory = draw((n, d), (n, d), (n, d_v), (n,), (d, d_v), seed=seed)
        return q, torch.nn.functional.normalize(k, dim=1), v, eta.sigmoid(), memory

    return [case(5, 4, 2, 0), case(9, 3, 4, 1)]


DELTA = Exercise(7, kind="implement", reference=delta_chunk, cases=delta_cases)


@DELTA.mistake
def plain_sum(q, k, v, eta, memory):
    """You wrote the values. The delta rule writes errors: the value less what the memory holds for its
    key."""
    u = eta[:, None] * v
    return q @ memory + (q @ k.T).tril() @ u, memory + k.T @ u


@DELTA.mistake
def errors_at_the_start(q, k, v, eta, memory):
    """Your errors are relative to the memory at the start of the chunk. Each token must also see what the
    tokens before it in the chunk have written: that is what the linear system is for."""
    u = eta[:, None] * (v - k @ memory)
    return q @ memory + (q @ k.T).tril() @ u, memory + k.T @ u


@DELTA.mistake
def memory_forgotten(*x):
    """Your errors do not see the memory that the chunk starts with. On the right-hand side stands V − K F."""
    return delta(*x, start=False)


@DELTA.mistake
def own_key_in_the_system(*x):
    """Your system has the diagonal of K Kᵀ in it. A token reads before it writes, so only earlier tokens
    stand in its row."""
    return delta(*x, diagonal=0)


@DELTA.mistake
def later_tokens_in_the_system(*x):
    """Your system has all of K Kᵀ in it, so errors depend on tokens that come later. Keep what is below the
    diagonal."""
    return delta(*x, diagonal=len(x[1]))


@DELTA.mistake
def rate_on_one_side(*x):
    """eta stands on the right-hand side only. What earlier tokens have changed is part of the error, so it is
    multiplied by eta, too."""
    return delta(*x, rates=False)


@DELTA.mistake
def rate_on_the_columns(*x):
    """diag(eta) stands to the left of K Kᵀ, so it multiplies rows: eta[:, None], not eta alone."""
    return delta(*x, columns=True)


@DELTA.mistake
def reads_the_end(*x):
    """Your queries read the memory as it is after the whole chunk. Query i finds what was written up to token
    i: mask Q Kᵀ."""
    return delta(*x, reads=len(x[1]))


@DELTA.mistake
def reads_values(q, k, v, eta, memory):
    """The memory that you return is right, but the queries read V inside the chunk. What was written there
    are the corrected values U."""
    return q @ memory + (q @ k.T).tril() @ v, delta(q, k, v, eta, memory)[1]


@DELTA.mistake
def rate_not_in_what_is_wanted(*x):
    """eta is missing on the right-hand side: the whole equation is multiplied by it."""
    return delta(*x, wanted_rate=False)


@DELTA.mistake
def wrong_sign(*x):
    """What earlier tokens have written is taken from the error, and in the system it stands on the left, with
    u: I plus, not minus."""
    return delta(*x, sign=-1)


@DELTA.mistake
def fades_everything(q, k, v, eta, memory):
    """You multiplied all of the memory by 1 − eta. Only what the key reads is corrected; directions
    orthogonal to it stay as they are."""
    rows = []
    for i in range(len(k)):
        memory = (1 - eta[i]) * memory + eta[i] * torch.outer(k[i], v[i])
        rows.append(q[i] @ memory)
    return torch.stack(rows), memory


@DELTA.mistake
def reads_before_writing_(*x):
    """A query does not find what its own token has written. Reading includes the diagonal, the system does
    not."""
    return delta(*x, reads=-1)


@DELTA.mistake
def values_into_the_memory(*x):
    """The outputs are right, but the memory that you return was given the values, not the errors."""
    return delta(*x, written="values")


EXERCISES = (LINEAR, CROSSING, STEP, CHUNKS, FEATURES, NOISE, DELTA)
