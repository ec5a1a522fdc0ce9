"""Exercises of the chapter on rotary positions."""

from __future__ import annotations

import math

import sympy
import torch

from course.grading.exercise import Exercise
from course.grading.inputs import draw


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


def rotated(x, positions, base):
    return turn(x, angles_of(positions, x.shape[-1], base))


def rotation_cases():
    (x,) = draw((2, 3, 5, 8), requires_grad=True)
    (y,) = draw((4, 6), seed=1, requires_grad=True)
    return [(x, torch.tensor([0, 1, 2, 9, 40]), 10_000.0), (y, torch.tensor([7, 3, 0, 100]), 50.0)]


ROTATION = Exercise(1, kind="implement", reference=rotated, gradients=True, cases=rotation_cases)


@ROTATION.mistake
def pairs_of_neighbours(x, m, base):
    """You paired neighbours, channels 2l and 2l + 1. Here pair l consists of channels l and l + d/2."""
    return turn_neighbours(x, angles_of(m, x.shape[-1], base))


@ROTATION.mistake
def reads_neighbours_writes_halves(x, positions, base):
    """You read pairs of neighbours, 2l and 2l + 1, and wrote them as halves. Here pair l consists of channels
    l and l + d/2, in the input as in the output."""
    angles = angles_of(positions, x.shape[-1], base)
    return torch.cat(turn_neighbours(x, angles).unflatten(-1, (-1, 2)).unbind(-1), dim=-1)


@ROTATION.mistake
def turns_backwards(x, m, base):
    """You turn the other way. Such scores see only distances, too, but with the sign exchanged: (a, b) must
    become (a cos − b sin, b cos + a sin)."""
    return turn(x, -angles_of(m, x.shape[-1], base))


@ROTATION.mistake
def no_sign(x, positions, base):
    """You exchange the halves without the minus sign. That is no rotation: the length changes."""
    angles = angles_of(positions, x.shape[-1], base)
    cos, sin = (torch.cat([y, y], -1).to(x.dtype) for y in (angles.cos(), angles.sin()))
    return x * cos + torch.cat(x.chunk(2, -1)[::-1], -1) * sin


@ROTATION.mistake
def exponent_without_two(x, m, base):
    """Your frequencies fall half as fast as they should: the exponent is −2l/d, since l counts pairs."""
    return turn(x, angles_of(m, x.shape[-1], base, exponent=1.0))


@ROTATION.mistake
def divides_by_half_the_width(x, m, base):
    """Your frequencies fall twice as fast as they should: the exponent is −2l/d, not −2l/(d/2)."""
    return turn(x, angles_of(m, x.shape[-1], base, exponent=4.0))


@ROTATION.mistake
def speed_for_each_channel(x, positions, base):
    """You made a frequency for each channel, so the two of a pair turn by different angles. There are d/2
    frequencies: arange(0, d, 2)."""
    d = x.shape[-1]
    angles = positions[:, None] * base ** (-torch.arange(d, dtype=torch.float64) / d)
    a, b = x.chunk(2, dim=-1)
    return x * angles.cos().to(x.dtype) + torch.cat([-b, a], -1) * angles.sin().to(x.dtype)


@ROTATION.mistake
def mixes_the_layouts(x, positions, base):
    """Your partners are halves, but your angles are repeated for neighbours (repeat_interleave). The two
    channels of a pair get different angles. Use cat([angles, angles])."""
    angles = angles_of(positions, x.shape[-1], base).repeat_interleave(2, -1)
    a, b = x.chunk(2, dim=-1)
    return x * angles.cos().to(x.dtype) + torch.cat([-b, a], -1) * angles.sin().to(x.dtype)


@ROTATION.mistake
def ignores_positions(x, positions, base):
    """You count positions by the place in the tensor. Use the positions that are given: with a cache they do
    not start at zero."""
    return rotated(x, torch.arange(x.shape[-2]), base)


@ROTATION.mistake
def speeds_that_rise(x, positions, base):
    """Your pairs turn faster and faster. The exponent is negative, −2l/d: pair 0 is the fastest."""
    return turn(x, angles_of(positions, x.shape[-1], base, exponent=-2.0))


@ROTATION.mistake
def reads_halves_writes_neighbours(x, positions, base):
    """You turn the right pairs, but write their members side by side. Put them back where they came from:
    first members in the first half (cat, not stack)."""
    return torch.stack(rotated(x, positions, base).chunk(2, -1), dim=-1).flatten(-2)


@ROTATION.mistake
def uses_the_new_a(x, positions, base):
    """You overwrite a before you compute b. Both new members are made of the old ones."""
    angles = angles_of(positions, x.shape[-1], base)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    a = a * cos - b * sin
    return torch.cat([a, b * cos + a * sin], dim=-1)


@ROTATION.mistake
def mirror(x, positions, base):
    """Your second line has a minus sign, too. That is a mirror, not a turn: even at position 0 it changes b
    to −b."""
    angles = angles_of(positions, x.shape[-1], base)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin - b * cos], dim=-1)


@ROTATION.mistake
def counts_pairs_from_one(x, positions, base):
    """You count pairs from 1. They count from 0, so the first one turns by one radian a position."""
    d = x.shape[-1]
    pairs = torch.arange(1, d // 2 + 1, dtype=torch.float64)
    return turn(x, positions[:, None] * base ** (-2 * pairs / d))


@ROTATION.mistake
def ignores_the_base(x, m, base):
    """You use the base 10000 whatever is asked for. The base is an argument."""
    return turn(x, angles_of(m, x.shape[-1]))


# 2: attention with a cache


def with_cache(
    q,
    k,
    v,
    keys,
    values,
    start=None,
    q_start=None,
    step=1,
    again=False,
    turn_keys=True,
    turn_values=False,
    aligned=True,
    masked=True,
):
    """The right answer, and by its options the wrong ones."""
    new, d = q.shape
    start = len(keys) if start is None else start
    here = step * torch.arange(new)
    q = turn(q, angles_of(here + (start if q_start is None else q_start), d))
    k = turn(k, angles_of(here + start, d)) if turn_keys else k
    v = turn(v, angles_of(here + start, d)) if turn_values else v
    keys, values = torch.cat([keys, k]), torch.cat([values, v])
    if again:
        keys = torch.cat([turn(keys[:-new], angles_of(torch.arange(len(keys) - new), d)), k])
    last = torch.arange(new) + (len(keys) - new if aligned else 0)
    hidden = (torch.arange(len(keys))[None] > last[:, None]) & masked
    scores = (q @ keys.T / math.sqrt(d)).masked_fill(hidden, -torch.inf)
    return torch.softmax(scores, -1) @ values


def cache_cases():
    cases = []
    # With seed 8 each new token that must not see a later one would give it a weight that shows.
    for seed, new, cached, d in ((0, 1, 5, 8), (8, 3, 4, 6)):
        q, k, v, old, values = draw((new, d), (new, d), (new, d), (cached, d), (cached, d), seed=seed)
        cases.append((2 * q, 2 * k, v, turn(2 * old, angles_of(torch.arange(cached), d)), values))
    return cases


CACHE = Exercise(
    2,
    kind="find the bug",
    reference=lambda q, k, v, keys, values: with_cache(q, k, v, keys, values),
    cases=cache_cases,
)


@CACHE.mistake
def forgets_the_offset(*case):
    """The bug is still there: your new tokens start at position 0, but the cache holds tokens before them.
    Start at len(keys)."""
    return with_cache(*case, start=0)


@CACHE.mistake
def offset_for_keys_only(*case):
    """Your new keys are right, but the queries start at position 0. A query and the key of the same token
    have the same position."""
    return with_cache(*case, q_start=0)


@CACHE.mistake
def off_by_one(*case):
    """You start one position too far. Positions count from zero: after c cached tokens comes position c."""
    return with_cache(*case, start=len(case[3]) + 1)


@CACHE.mistake
def turns_cached_keys_again(*case):
    """You turn all keys, the cached ones too. They were turned before they were stored."""
    return with_cache(*case, again=True)


@CACHE.mistake
def turns_values(*case):
    """You turn the values as well. Only queries and keys carry positions."""
    return with_cache(*case, turn_values=True)


@CACHE.mistake
def mask_at_the_upper_left(*case):
    """Your causal mask is aligned at the first key: new token 0 sees only key 0. Every new token sees the
    whole cache."""
    return with_cache(*case, aligned=False)


@CACHE.mistake
def no_mask(*case):
    """Your new tokens see each other without a mask. A token sees the new tokens up to itself only."""
    return with_cache(*case, masked=False)


@CACHE.mistake
def offset_for_queries_only(*case):
    """Your new queries are right, but their keys start at position 0. A query and the key of the same token
    have the same position."""
    return with_cache(*case, start=0, q_start=len(case[3]))


@CACHE.mistake
def one_short(*case):
    """You start at the position of the last cached token. After c tokens, at 0 to c − 1, comes position c."""
    return with_cache(*case, start=len(case[3]) - 1)


@CACHE.mistake
def counts_the_new_ones(*case):
    """You start after the new tokens: was the cache already extended when you took its length? The first new
    token stands at the old length."""
    return with_cache(*case, start=len(case[3]) + len(case[0]))


@CACHE.mistake
def one_position_for_all(*case):
    """All your new tokens stand at the same position. The first is at len(keys), the others follow."""
    return with_cache(*case, step=0)


@CACHE.mistake
def new_keys_unturned(*case):
    """You turn the queries, but not the new keys. They come unturned, unlike the cached ones."""
    return with_cache(*case, turn_keys=False)


# 3: weights from neighbours to halves


def converted(weight, n_heads):
    heads = weight.reshape(n_heads, -1, 2, weight.shape[1])
    return heads.transpose(1, 2).reshape(weight.shape)


CONVERSION = Exercise(
    3,
    kind="implement",
    reference=converted,
    cases=lambda: [(draw((24, 6))[0], 3), (draw((16, 10), seed=1)[0], 2)],
)


@CONVERSION.mistake
def across_heads(weight, n_heads):
    """You sort the rows of the whole matrix, across the heads. Each head has pairs of its own: sort within
    blocks of d_head rows."""
    return converted(weight, 1)


@CONVERSION.mistake
def inverse(weight, n_heads):
    """That is the way back, from halves to neighbours. The first half of your head must hold its even
    rows."""
    heads = weight.reshape(n_heads, 2, -1, weight.shape[1])
    return heads.transpose(1, 2).reshape(weight.shape)


@CONVERSION.mistake
def permutes_the_inputs(weight, n_heads):
    """You permute the columns. A Linear layer stores the transpose: its rows are the outputs, which are the
    channels that are turned."""
    return torch.cat([weight[:, 0::2], weight[:, 1::2]], 1)


@CONVERSION.mistake
def unchanged(weight, n_heads):
    """These are the weights as they came. Shapes and lengths are right, and the scores are wrong."""
    return weight.clone()


@CONVERSION.mistake
def odd_rows_first(weight, n_heads):
    """You put the odd rows first. The first member of each pair, an even row, goes to the first half."""
    heads = weight.reshape(n_heads, -1, 2, weight.shape[1])
    return heads.flip(2).transpose(1, 2).reshape(weight.shape)


@CONVERSION.mistake
def heads_as_the_fast_axis(weight, n_heads):
    """You took every n_heads-th row for a head. A head is a block of d_head neighbouring rows: the first axis
    of the reshape is n_heads."""
    return weight.reshape(-1, n_heads, weight.shape[1]).transpose(0, 1).reshape(weight.shape)


# 4: the base for a given longest wavelength

N, D = sympy.symbols("N d", positive=True)

BASE = Exercise(4, kind="derive", reference=(N / (2 * sympy.pi)) ** (D / (D - 2)))

BASE.mistake(
    "last-pair-at-the-end",
    N / (2 * sympy.pi),
    "You took l = d/2 for the last pair. Pairs count from 0, so the last is d/2 − 1.",
)
BASE.mistake(
    "forgets-the-turn",
    N ** (D / (D - 2)),
    "You set 1/θ equal to N. A full turn has 2π radians: the wavelength is 2π/θ.",
)
BASE.mistake(
    "exponent-upside-down",
    (N / (2 * sympy.pi)) ** ((D - 2) / D),
    "Your exponent is upside down. To solve y = b^((d−2)/d) for b, raise both sides to d/(d−2).",
)
BASE.mistake(
    "exponent-without-two",
    (N / (2 * sympy.pi)) ** (2 * D / (D - 2)),
    "Your frequencies are b^(−l/d). The exponent is −2l/d, since l counts pairs.",
)
BASE.mistake(
    "turn-upside-down",
    (2 * sympy.pi * N) ** (D / (D - 2)),
    "You multiply by 2π. Solve 2π b^((d−2)/d) = N: the 2π divides.",
)
BASE.mistake(
    "turn-outside-the-power",
    N ** (D / (D - 2)) / (2 * sympy.pi),
    "You divide by 2π after the power. Undo the steps in reverse order: first the factor 2π, then the power.",
)
BASE.mistake(
    "last-channel",
    (N / (2 * sympy.pi)) ** (D / (D - 1)),
    "Your last exponent is (d−1)/d. The last pair has l = d/2 − 1, so 2l/d = (d−2)/d.",
)
BASE.mistake(
    "negative-exponent",
    (N / (2 * sympy.pi)) ** (-D / (D - 2)),
    "Your base is below 1. The wavelength is 2π/θ, so the minus sign of the exponent goes away.",
)


# 5: pairs that make no full turn


def unfinished(d, base, length):
    return sum(2 * math.pi * base ** (2 * pair / d) > length for pair in range(d // 2))


UNFINISHED = Exercise(
    5,
    kind="predict",
    reference=unfinished,
    cases=lambda: [(128, 10_000.0, 4096), (64, 100.0, 64), (128, 500_000.0, 8192), (80, 10_000.0, 2048)],
    rtol=0,
    atol=0.5,
)


@UNFINISHED.mistake
def forgets_the_turn(d, base, length):
    """You compare 1/θ with the length. One radian is not a turn: the wavelength is 2π/θ."""
    return sum(base ** (2 * pair / d) > length for pair in range(d // 2))


@UNFINISHED.mistake
def counts_the_finished(d, base, length):
    """You count the pairs that do make a full turn."""
    return d // 2 - unfinished(d, base, length)


@UNFINISHED.mistake
def counts_channels(d, base, length):
    """You count channels. Two of them make a pair."""
    return 2 * unfinished(d, base, length)


@UNFINISHED.mistake
def exponent_without_two_(d, base, length):
    """Your frequencies are b^(−l/d), so the slowest pair reaches only the root of the base."""
    return sum(2 * math.pi * base ** (pair / d) > length for pair in range(d // 2))


@UNFINISHED.mistake
def counts_pairs_from_one_(d, base, length):
    """You count one pair too many: l goes from 0 to d/2 − 1, not from 1 to d/2."""
    return sum(2 * math.pi * base ** (2 * pair / d) > length for pair in range(1, d // 2 + 1))


@UNFINISHED.mistake
def pairs_for_all_channels(d, base, length):
    """You let l run up to d − 1. There are d/2 pairs."""
    return sum(2 * math.pi * base ** (2 * pair / d) > length for pair in range(d))


@UNFINISHED.mistake
def half_a_turn(d, base, length):
    """You ask for half a turn. A full one has 2π radians."""
    return sum(math.pi * base ** (2 * pair / d) > length for pair in range(d // 2))


@UNFINISHED.mistake
def ignores_the_base_(d, base, length):
    """You use the base 10000 whatever is asked for. The base is an argument."""
    return unfinished(d, 10_000.0, length)


# 6: a table in half precision


def table(n, d, dtype):
    angles = angles_of(torch.arange(n), d)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def run_table(answer, n, d, dtype):
    cos, sin = answer(n, d, dtype)
    return {"cos": cos.double(), "sin": sin.double(), "dtypes": f"{cos.dtype}, {sin.dtype}"}


TABLE = Exercise(
    6,
    kind="find the bug",
    reference=table,
    run=run_table,
    cases=lambda: [(700, 8, torch.bfloat16), (4000, 6, torch.float16)],
    rtol=0,
    atol=1e-2,
)


@TABLE.mistake
def everything_in_low_precision(n, d, dtype):
    """The bug is still there: positions, frequencies and angles are all rounded before the cosine."""
    frequencies = angles_of(torch.ones(1), d)[0].to(dtype)
    angles = torch.arange(n).to(dtype)[:, None] * frequencies
    return angles.cos(), angles.sin()


@TABLE.mistake
def positions_in_low_precision(n, d, dtype):
    """Your positions are rounded: bfloat16 has no odd numbers above 256."""
    angles = angles_of(torch.arange(n).to(dtype).double(), d)
    return angles.cos().to(dtype), angles.sin().to(dtype)


@TABLE.mistake
def frequencies_in_low_precision(n, d, dtype):
    """Your frequencies are rounded, and the position multiplies their error."""
    frequencies = angles_of(torch.ones(1), d)[0].to(dtype).double()
    angles = torch.arange(n)[:, None] * frequencies
    return angles.cos().to(dtype), angles.sin().to(dtype)


@TABLE.mistake
def angles_in_low_precision(n, d, dtype):
    """You round the angles before the cosine. An angle of 500 radians is rounded to a multiple of 2 or so;
    round the cosine instead."""
    angles = angles_of(torch.arange(n), d).to(dtype)
    return angles.cos(), angles.sin()


@TABLE.mistake
def converts_too_late(n, d, dtype):
    """You convert positions and frequencies after they were made in low precision. What was rounded stays
    rounded: make them in float32 or float64."""
    frequencies = 10_000.0 ** (-torch.arange(0, d, 2, dtype=dtype) / d)
    angles = torch.arange(n, dtype=dtype).float()[:, None] * frequencies.float()
    return angles.cos().to(dtype), angles.sin().to(dtype)


@TABLE.mistake
def rounds_the_remainder(n, d, dtype):
    """You take full turns away first, a good idea, and then round the angle. From 4 on a bfloat16 is off by
    up to 1/64, and the cosine with it: round only the cosine."""
    angles = angles_of(torch.arange(n), d).remainder(2 * math.pi).to(dtype)
    return angles.cos(), angles.sin()


@TABLE.mistake
def sine_first(n, d, dtype):
    """You return the sines first. The cosines come first."""
    return table(n, d, dtype)[::-1]


@TABLE.mistake
def table_for_all_channels(n, d, dtype):
    """Your table has a column for each channel. Asked for is one for each pair, shape (n, d/2)."""
    return tuple(part.repeat(1, 2) for part in table(n, d, dtype))


@TABLE.mistake
def never_rounds(n, d, dtype):
    """Your numbers are right, but the table must have the dtype that was asked for."""
    return table(n, d, torch.float32)


# 7: YaRN's frequencies


def yarn(theta, factor, length, slow, fast):
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(0, 1)
    return kept * theta + (1 - kept) * theta / factor


YARN = Exercise(
    7,
    kind="implement",
    reference=yarn,
    cases=lambda: [
        (angles_of(torch.ones(1), 64)[0], 8.0, 2048, 1.0, 32.0),
        (angles_of(torch.ones(1), 32, 100.0)[0], 4.0, 64, 0.5, 8.0),
    ],
    rtol=1e-5,
    atol=1e-9,
)


@YARN.mistake
def radians_for_turns(theta, factor, length, slow, fast):
    """You compare radians with the limits, which are turns: divide Lθ by 2π."""
    return yarn(theta, factor, 2 * math.pi * length, slow, fast)


@YARN.mistake
def ramp_upside_down(theta, factor, length, slow, fast):
    """You slow the fast pairs and leave the slow ones. The slow ones meet new angles."""
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(0, 1)
    return (1 - kept) * theta + kept * theta / factor


@YARN.mistake
def no_clamp(theta, factor, length, slow, fast):
    """Your ramp goes on beyond its ends: fast pairs get even faster. Clamp it to [0, 1]."""
    kept = (length * theta / (2 * math.pi) - slow) / (fast - slow)
    return kept * theta + (1 - kept) * theta / factor


@YARN.mistake
def clamped_above_only(theta, factor, length, slow, fast):
    """Your weight goes below 0 for pairs with few turns: they get slower than by interpolation. Clamp it at
    both ends."""
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(max=1)
    return kept * theta + (1 - kept) * theta / factor


@YARN.mistake
def clamped_below_only(theta, factor, length, slow, fast):
    """Your weight goes above 1 for pairs with many turns: they get faster than they were. Clamp it at both
    ends."""
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(min=0)
    return kept * theta + (1 - kept) * theta / factor


@YARN.mistake
def averages_wavelengths(theta, factor, length, slow, fast):
    """Between the limits you average the wavelengths. YaRN averages the frequencies, θ and θ/κ."""
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(0, 1)
    return theta / (kept + (1 - kept) * factor)


@YARN.mistake
def step_for_ramp(theta, factor, length, slow, fast):
    """You switch at the lower limit. Between the two limits there is a linear ramp."""
    return torch.where(length * theta / (2 * math.pi) > slow, theta, theta / factor)


@YARN.mistake
def new_length(theta, factor, length, slow, fast):
    """You count the turns in the new length. What matters is which angles were seen in training."""
    return yarn(theta, factor, factor * length, slow, fast)


@YARN.mistake
def ramp_over_the_index(theta, factor, length, slow, fast):
    """Your ramp is linear in the index of the pair, as in common implementations. Asked for is the paper's,
    linear in the number of turns."""
    turns = length * theta / (2 * math.pi)
    kept = (turns.log() - math.log(slow)) / (math.log(fast) - math.log(slow))
    kept = kept.clamp(0, 1)
    return kept * theta + (1 - kept) * theta / factor


@YARN.mistake
def averages_exponents(theta, factor, length, slow, fast):
    """Between the limits you take a geometric mean. YaRN adds: γθ + (1 − γ)θ/κ."""
    kept = ((length * theta / (2 * math.pi) - slow) / (fast - slow)).clamp(0, 1)
    return theta * factor ** (kept - 1)


@YARN.mistake
def ramp_from_zero(theta, factor, length, slow, fast):
    """Your ramp starts at 0 turns. It starts at slow: subtract it above and below the line."""
    return yarn(theta, factor, length, 0.0, fast)


@YARN.mistake
def interpolates_all(theta, factor, length, slow, fast):
    """You slow all pairs: that is position interpolation. Those with at least fast turns stay as they are."""
    return theta / factor


@YARN.mistake
def scales_the_frequencies(*case):
    """You multiply the frequencies by YaRN's temperature. It belongs to queries and keys, and is not asked
    for here."""
    return yarn(*case) * (0.1 * math.log(case[1]) + 1)


# 8: a cache that rolls


def moved(keys, dropped):
    kept = keys[dropped:]
    return turn(kept, -angles_of(torch.full((len(kept),), dropped), keys.shape[-1]))


ROLLING = Exercise(
    8, kind="implement", reference=moved, cases=lambda: [(draw((9, 8))[0], 3), (draw((6, 4), seed=1)[0], 5)]
)


@ROLLING.mistake
def only_drops(keys, dropped):
    """You drop the oldest keys and leave the others turned for their old positions. The next query will have
    a smaller position: all its distances would be wrong."""
    return keys[dropped:]


@ROLLING.mistake
def turns_forwards(keys, dropped):
    """You turn the wrong way. The positions become smaller, so turn by −dropped."""
    kept = keys[dropped:]
    return turn(kept, angles_of(torch.full((len(kept),), dropped), keys.shape[-1]))


@ROLLING.mistake
def turns_from_the_start(keys, dropped):
    """You turn the keys for their new positions as if they were unturned. They are turned already: only the
    change of position is missing, and it is the same for all."""
    kept = keys[dropped:]
    return turn(kept, angles_of(torch.arange(len(kept)), keys.shape[-1]))


@ROLLING.mistake
def turns_all_the_way_back(keys, dropped):
    """You undo the whole rotation. That gives keys without positions; they must have the new ones."""
    kept = keys[dropped:]
    return turn(kept, -angles_of(torch.arange(dropped, len(keys)), keys.shape[-1]))


@ROLLING.mistake
def pairs_of_neighbours_(keys, dropped):
    """You turn neighbours. The cache has the layout of the library: channels l and l + d/2."""
    kept = keys[dropped:]
    return turn_neighbours(kept, -angles_of(torch.full((len(kept),), dropped), keys.shape[-1]))


@ROLLING.mistake
def drops_the_newest(keys, dropped):
    """You drop the last keys. The oldest stand first: keep keys[dropped:]."""
    kept = keys[:-dropped]
    return turn(kept, -angles_of(torch.full((len(kept),), dropped), keys.shape[-1]))


@ROLLING.mistake
def turns_by_one(keys, dropped):
    """You turn back by one position. Each key moves up by dropped positions."""
    kept = keys[dropped:]
    return turn(kept, -angles_of(torch.ones(len(kept)), keys.shape[-1]))


@ROLLING.mistake
def turns_back_by_new_positions(keys, dropped):
    """You turn each key back by its new position. All of them move by the same number of positions:
    dropped."""
    kept = keys[dropped:]
    return turn(kept, -angles_of(torch.arange(len(kept)), keys.shape[-1]))


@ROLLING.mistake
def keeps_the_dropped(keys, dropped):
    """You turn the right way, but keep the keys that should be dropped."""
    return turn(keys, -angles_of(torch.full((len(keys),), dropped), keys.shape[-1]))


EXERCISES = (ROTATION, CACHE, CONVERSION, BASE, UNFINISHED, TABLE, YARN, ROLLING)
