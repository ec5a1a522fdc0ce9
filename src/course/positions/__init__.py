"""Positions: what tells attention the order of the tokens."""

from course.positions.alibi import alibi, alibi_slopes
from course.positions.extension import (
    interpolated_frequencies,
    ntk_frequencies,
    yarn_frequencies,
    yarn_scale,
)
from course.positions.learned import LearnedPositions
from course.positions.relative import offsets, relative_attend, skew
from course.positions.rotary import (
    halves_to_interleaved,
    interleaved_to_halves,
    rotary_angles,
    rotary_frequencies,
    rotate,
)
from course.positions.sinusoidal import sinusoidal
from course.positions.t5 import RelativeBias, t5_buckets

__all__ = [
    "LearnedPositions",
    "RelativeBias",
    "alibi",
    "alibi_slopes",
    "halves_to_interleaved",
    "interleaved_to_halves",
    "interpolated_frequencies",
    "ntk_frequencies",
    "offsets",
    "relative_attend",
    "rotary_angles",
    "rotary_frequencies",
    "rotate",
    "sinusoidal",
    "skew",
    "t5_buckets",
    "yarn_frequencies",
    "yarn_scale",
]
