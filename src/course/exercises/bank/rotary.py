"""Exercises of the chapter on rotary positions."""

from __future__ import annotations

import math

import sympy
import torch

from course.exercises.exercise import Exercise, Mistake
from course.exercises.inputs import draw


def angles_of(positions, d, base=10_000.0, exponent=2.0):
    frequencies = base ** (-exponent * torch.arange(d // 2, dtype=torch.float64) / d)
    return positions[:, None] * frequencies


def turn(x, angles):
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def turn_neighbours(x, angles):
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], dim=-1).flatten(-2)


# 1: the rotation


def rotated_from_neighbours_to_halves(x, positions, base):
    angles = angles_of(positions, x.shape[-1], base)
    return torch.cat(turn_neighbours(x, angles).unflatten(-1, (-1, 2)).unbind(-1), dim=-1)


def rotated(x, positions, base):
    return turn(x, angles_of(positions, x.shape[-1], base))


def rotated_without_sign(x, positions, base):
    angles = angles_of(positions, x.shape[-1], base)
    cos, sin = (torch.cat([y, y], -1).to(x.dtype) for y in (angles.cos(), angles.sin()))
    return x * cos + torch.cat(x.chunk(2, -1)[::-1], -1) * sin


def rotated_with_spread_angles(x, positions, base):
    angles = angles_of(positions, x.shape[-1], base).repeat_interleave(2, -1)
    a, b = x.chunk(2, dim=-1)
    return x * angles.cos().to(x.dtype) + torch.cat([-b, a], -1) * angles.sin().to(x.dtype)


def rotated_by_place_in_the_tensor(x, positions, base):
    return rotated(x, torch.arange(x.shape[-2]), base)


def rotation_cases():
    (x,) = draw((2, 3, 5, 8), requires_grad=True)
    (y,) = draw((4, 6), seed=1, requires_grad=True)
    return [(x, torch.tensor([0, 1, 2, 9, 40]), 10_000.0), (y, torch.tensor([7, 3, 0, 100]), 50.0)]


ROTATION = Exercise(
    number=1,
    kind="implement",
    reference=rotated,
    gradients=True,
    cases=rotation_cases,
    mistakes=(
        Mistake(
            "pairs-of-neighbours",
            lambda x, m, base: turn_neighbours(x, angles_of(m, x.shape[-1], base)),
            "You paired neighbours, channels 2l and 2l + 1. Here pair l consists of channels l and l + d/2.",
        ),
        Mistake(
            "reads-neighbours-writes-halves",
            rotated_from_neighbours_to_halves,
            "You read pairs of neighbours, 2l and 2l + 1, and wrote them as halves. Here pair l consists of "
            "channels l and l + d/2, in the input as in the output.",
        ),
        Mistake(
            "turns-backwards",
            lambda x, m, base: turn(x, -angles_of(m, x.shape[-1], base)),
            "You turn the other way. Such scores see only distances, too, but with the sign exchanged: "
            "(a, b) must become (a cos − b sin, b cos + a sin).",
        ),
        Mistake(
            "no-sign",
            rotated_without_sign,
            "You exchange the halves without the minus sign. That is no rotation: the length changes.",
        ),
        Mistake(
            "exponent-without-two",
            lambda x, m, base: turn(x, angles_of(m, x.shape[-1], base, exponent=1.0)),
            "Your frequencies fall half as fast as they should: the exponent is −2l/d, since l counts pairs.",
        ),
        Mistake(
            "mixes-the-layouts",
            rotated_with_spread_angles,
            "Your partners are halves, but your angles are repeated for neighbours (repeat_interleave). The "
            "two channels of a pair get different angles. Use cat([angles, angles]).",
        ),
        Mistake(
            "ignores-positions",
            rotated_by_place_in_the_tensor,
            "You count positions by the place in the tensor. Use the positions that are given: with a cache "
            "they do not start at zero.",
        ),
    ),
)


# 2: attention with a cache


def with_cache(q, k, v, keys, values, start=None, q_start=None, again=False, turn_values=False, aligned=True):
    """The right answer, and by its options the wrong ones."""
    new, d = q.shape
    start = len(keys) if start is None else start
    here = torch.arange(new)
    q = turn(q, angles_of(here + (start if q_start is None else q_start), d))
    k = turn(k, angles_of(here + start, d))
    v = turn(v, angles_of(here + start, d)) if turn_values else v
    keys, values = torch.cat([keys, k]), torch.cat([values, v])
    if again:
        keys = torch.cat([turn(keys[:-new], angles_of(torch.arange(len(keys) - new), d)), k])
    last = here + (len(keys) - new if aligned else 0)
    hidden = torch.arange(len(keys))[None] > last[:, None]
    scores = (q @ keys.T / math.sqrt(d)).masked_fill(hidden, -torch.inf)
    return torch.softmax(scores, -1) @ values


def cache_cases():
    cases = []
    for seed, (new, cached, d) in enumerate(((1, 5, 8), (3, 4, 6))):
        q, k, v, old, values = draw((new, d), (new, d), (new, d), (cached, d), (cached, d), seed=seed)
        cases.append((2 * q, 2 * k, v, turn(2 * old, angles_of(torch.arange(cached), d)), values))
    return cases


CACHE = Exercise(
    number=2,
    kind="find the bug",
    reference=lambda q, k, v, keys, values: with_cache(q, k, v, keys, values),
    cases=cache_cases,
    mistakes=(
        Mistake(
            "forgets-the-offset",
            lambda *case: with_cache(*case, start=0),
            "The bug is still there: your new tokens start at position 0, but the cache holds tokens before "
            "them. Start at len(keys).",
        ),
        Mistake(
            "offset-for-keys-only",
            lambda *case: with_cache(*case, q_start=0),
            "Your new keys are right, but the queries start at position 0. A query and the key of the same "
            "token have the same position.",
        ),
        Mistake(
            "off-by-one",
            lambda *case: with_cache(*case, start=len(case[3]) + 1),
            "You start one position too far. Positions count from zero: after c cached tokens comes "
            "position c.",
        ),
        Mistake(
            "turns-cached-keys-again",
            lambda *case: with_cache(*case, again=True),
            "You turn all keys, the cached ones too. They were turned before they were stored.",
        ),
        Mistake(
            "turns-values",
            lambda *case: with_cache(*case, turn_values=True),
            "You turn the values as well. Only queries and keys carry positions.",
        ),
        Mistake(
            "mask-at-the-upper-left",
            lambda *case: with_cache(*case, aligned=False),
            "Your causal mask is aligned at the first key: new token 0 sees only key 0. Every new token sees "
            "the whole cache.",
        ),
    ),
)


# 3: weights from neighbours to halves


def converted(weight, n_heads):
    heads = weight.reshape(n_heads, -1, 2, weight.shape[1])
    return heads.transpose(1, 2).reshape(weight.shape)


def converted_back(weight, n_heads):
    heads = weight.reshape(n_heads, 2, -1, weight.shape[1])
    return heads.transpose(1, 2).reshape(weight.shape)


def converted_columns(weight, n_heads):
    return torch.cat([weight[:, 0::2], weight[:, 1::2]], 1)


CONVERSION = Exercise(
    number=3,
    kind="implement",
    reference=converted,
    cases=lambda: [(draw((24, 6))[0], 3), (draw((16, 10), seed=1)[0], 2)],
    mistakes=(
        Mistake(
            "across-heads",
            lambda weight, n_heads: converted(weight, 1),
            "You sort the rows of the whole matrix, across the heads. Each head has pairs of its own: sort "
            "within blocks of d_head rows.",
        ),
        Mistake(
            "inverse",
            converted_back,
            "That is the way back, from halves to neighbours. The first half of your head must hold its even "
            "rows.",
        ),
        Mistake(
            "permutes-the-inputs",
            converted_columns,
            "You permute the columns. A Linear layer stores the transpose: its rows are the outputs, which "
            "are the channels that are turned.",
        ),
        Mistake(
            "unchanged",
            lambda weight, n_heads: weight.clone(),
            "These are the weights as they came. Shapes and lengths are right, and the scores are wrong.",
        ),
    ),
)


# 4: the base for a given longest wavelength

N, D = sympy.symbols("N d", positive=True)

BASE = Exercise(
    number=4,
    kind="derive",
    reference=(N / (2 * sympy.pi)) ** (D / (D - 2)),
    mistakes=(
        Mistake(
            "last-pair-at-the-end",
            N / (2 * sympy.pi),
            "You took l = d/2 for the last pair. Pairs count from 0, so the last is d/2 − 1.",
        ),
        Mistake(
            "forgets-the-turn",
            N ** (D / (D - 2)),
            "You set 1/θ equal to N. A full turn has 2π radians: the wavelength is 2π/θ.",
        ),
        Mistake(
            "exponent-upside-down",
            (N / (2 * sympy.pi)) ** ((D - 2) / D),
            "Your exponent is upside down. To solve y = b^((d−2)/d) for b, raise both sides to d/(d−2).",
        ),
        Mistake(
            "exponent-without-two",
            (N / (2 * sympy.pi)) ** (2 * D / (D - 2)),
            "Your frequencies are b^(−l/d). The exponent is −2l/d, since l counts pairs.",
        ),
    ),
)


# 5: pairs that make no full turn


def unfinished(d, base, length):
    return sum(2 * math.pi * base ** (2 * pair / d) > length for pair in range(d // 2))


UNFINISHED = Exercise(
    number=5,
    kind="predict",
    reference=unfinished,
    cases=lambda: [(128, 10_000.0, 4096), (64, 100.0, 64), (128, 500_000.0, 8192), (80, 10_000.0, 2048)],
    rtol=0,
    atol=0.5,
    mistakes=(
        Mistake(
            "forgets-the-turn",
            lambda d, base, length: sum(base ** (2 * pair / d) > length for pair in range(d // 2)),
            "You compare 1/θ with the length. One radian is not a turn: the wavelength is 2π/θ.",
        ),
        Mistake(
            "counts-the-finished",
            lambda d, base, length: d // 2 - unfinished(d, base, length),
            "You count the pairs that do make a full turn.",
        ),
        Mistake(
            "counts-channels",
            lambda d, base, length: 2 * unfinished(d, base, length),
            "You count channels. Two of them make a pair.",
        ),
        Mistake(
            "exponent-without-two",
            lambda d, base, length: sum(2 * math.pi * base ** (pair / d) > length for pair in range(d // 2)),
            "Your frequencies are b^(−l/d), so the slowest pair reaches only the root of the base.",
        ),
    ),
)


# 6: a table in half precision


def table(n, d, dtype):
    angles = angles_of(torch.arange(n), d)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def table_of_low_positions(n, d, dtype):
    angles = angles_of(torch.arange(n).to(dtype).double(), d)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def table_of_low_frequencies(n, d, dtype):
    frequencies = angles_of(torch.ones(1), d)[0].to(dtype).double()
    angles = torch.arange(n)[:, None] * frequencies
    return angles.cos().to(dtype), angles.sin().to(dtype)


def table_of_low_angles(n, d, dtype):
    angles = angles_of(torch.arange(n), d).to(dtype)
    return angles.cos(), angles.sin()


def table_all_low(n, d, dtype):
    frequencies = angles_of(torch.ones(1), d)[0].to(dtype)
    angles = torch.arange(n).to(dtype)[:, None] * frequencies
    return angles.cos(), angles.sin()


def run_table(answer, *case):
    cos, sin = answer(*case)
    return {"cos": cos.double(), "sin": sin.double(), "dtypes": f"{cos.dtype}, {sin.dtype}"}


TABLE = Exercise(
    number=6,
    kind="find the bug",
    reference=table,
    run=run_table,
    cases=lambda: [(700, 8, torch.bfloat16), (4000, 6, torch.float16)],
    rtol=0,
    atol=1e-2,
    mistakes=(
        Mistake(
            "everything-in-low-precision",
            table_all_low,
            "The bug is still there: positions, frequencies and angles are all rounded before the cosine.",
        ),
        Mistake(
            "positions-in-low-precision",
            table_of_low_positions,
            "Your positions are rounded: bfloat16 has no odd numbers above 256.",
        ),
        Mistake(
            "frequencies-in-low-precision",
            table_of_low_frequencies,
            "Your frequencies are rounded, and the position multiplies their error.",
        ),
        Mistake(
            "angles-in-low-precision",
            table_of_low_angles,
            "You round the angles before the cosine. An angle of 500 radians is rounded to a multiple of 2 "
            "or so; round the cosine instead.",
        ),
        Mistake(
            "never-rounds",
            lambda n, d, dtype: table(n, d, torch.float32),
            "Your numbers are right, but the table must have the dtype that was asked for.",
        ),
    ),
)


# 7: YaRN's frequencies


def yarn(theta, factor, length, slow, fast):
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(0, 1)
    return kept * theta + (1 - kept) * theta / factor


def yarn_reversed(theta, factor, length, slow, fast):
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(0, 1)
    return (1 - kept) * theta + kept * theta / factor


def yarn_without_clamp(theta, factor, length, slow, fast):
    kept = (length * theta / (2 * math.pi) - slow) / (fast - slow)
    return kept * theta + (1 - kept) * theta / factor


def yarn_by_wavelength(theta, factor, length, slow, fast):
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(0, 1)
    return theta / (kept + (1 - kept) * factor)


def yarn_by_step(theta, factor, length, slow, fast):
    return torch.where(length * theta / (2 * math.pi) > slow, theta, theta / factor)


YARN = Exercise(
    number=7,
    kind="implement",
    reference=yarn,
    cases=lambda: [
        (angles_of(torch.ones(1), 64)[0], 8.0, 2048, 1.0, 32.0),
        (angles_of(torch.ones(1), 32, 100.0)[0], 4.0, 64, 0.5, 8.0),
    ],
    rtol=1e-5,
    atol=1e-9,
    mistakes=(
        Mistake(
            "radians-for-turns",
            lambda theta, factor, length, slow, fast: yarn(theta, factor, 2 * math.pi * length, slow, fast),
            "You compare radians with the limits, which are turns: divide Lθ by 2π.",
        ),
        Mistake(
            "ramp-upside-down",
            yarn_reversed,
            "You slow the fast pairs and leave the slow ones. The slow ones meet new angles.",
        ),
        Mistake(
            "no-clamp",
            yarn_without_clamp,
            "Your ramp goes on beyond its ends: fast pairs get even faster. Clamp it to [0, 1].",
        ),
        Mistake(
            "averages-wavelengths",
            yarn_by_wavelength,
            "Between the limits you average the wavelengths. YaRN averages the frequencies, θ and θ/κ.",
        ),
        Mistake(
            "step-for-ramp",
            yarn_by_step,
            "You switch at the lower limit. Between the two limits there is a linear ramp.",
        ),
        Mistake(
            "new-length",
            lambda theta, factor, length, slow, fast: yarn(theta, factor, factor * length, slow, fast),
            "You count the turns in the new length. What matters is which angles were seen in training.",
        ),
    ),
)


# 8: a cache that rolls


def moved(keys, dropped):
    kept = keys[dropped:]
    return turn(kept, -angles_of(torch.full((len(kept),), dropped), keys.shape[-1]))


def moved_forwards(keys, dropped):
    kept = keys[dropped:]
    return turn(kept, angles_of(torch.full((len(kept),), dropped), keys.shape[-1]))


def moved_by_new_positions(keys, dropped):
    kept = keys[dropped:]
    return turn(kept, angles_of(torch.arange(len(kept)), keys.shape[-1]))


def moved_by_old_positions(keys, dropped):
    kept = keys[dropped:]
    return turn(kept, -angles_of(torch.arange(dropped, len(keys)), keys.shape[-1]))


def moved_neighbours(keys, dropped):
    kept = keys[dropped:]
    return turn_neighbours(kept, -angles_of(torch.full((len(kept),), dropped), keys.shape[-1]))


ROLLING = Exercise(
    number=8,
    kind="implement",
    reference=moved,
    cases=lambda: [(draw((9, 8))[0], 3), (draw((6, 4), seed=1)[0], 5)],
    mistakes=(
        Mistake(
            "only-drops",
            lambda keys, dropped: keys[dropped:],
            "You drop the oldest keys and leave the others turned for their old positions. The next query "
            "will have a smaller position: all its distances would be wrong.",
        ),
        Mistake(
            "turns-forwards",
            moved_forwards,
            "You turn the wrong way. The positions become smaller, so turn by −dropped.",
        ),
        Mistake(
            "turns-from-the-start",
            moved_by_new_positions,
            "You turn the keys for their new positions as if they were unturned. They are turned already: "
            "only the change of position is missing, and it is the same for all.",
        ),
        Mistake(
            "turns-all-the-way-back",
            moved_by_old_positions,
            "You undo the whole rotation. That gives keys without positions; they must have the new ones.",
        ),
        Mistake(
            "pairs-of-neighbours",
            moved_neighbours,
            "You turn neighbours. The cache has the layout of the library: channels l and l + d/2.",
        ),
    ),
)

EXERCISES = (ROTATION, CACHE, CONVERSION, BASE, UNFINISHED, TABLE, YARN, ROLLING)
