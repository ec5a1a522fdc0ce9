"""Colours that are read on a white page and on a dark one.

A figure has no background of its own. The colours of lines therefore keep a contrast of 3 to both pages and
the colour of text one of 4; colour-blind readers can tell the lines apart. A test computes all of this.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import ListedColormap, to_rgb

BLUE, VERMILLION, TEAL, VIOLET, LAVENDER, WINE = PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e8e",
    "#9628ec",
    "#a57ff0",
    "#a54b5a",
)
INK = "#747c88"
"""Text, ticks and axes: as far from white as from the dark page."""


def luminance(colour: Any) -> float:
    """The relative luminance of a colour, 0 for black to 1 for white (WCAG 2.2)."""
    return float(_linear(np.array(to_rgb(colour))) @ (0.2126, 0.7152, 0.0722))


def contrast(one: Any, other: Any) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _linear(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _srgb(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )


# OKLab (Ottosson, 2020): a space in which equal distances look equally different.
_LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
_LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def oklab(colours: Any) -> np.ndarray:
    """Coordinates in OKLab of an array of sRGB colours, (..., 3)."""
    return np.cbrt(_linear(np.asarray(colours)) @ _LMS.T) @ _LAB.T


def _uniform(*anchors: str, n: int = 256) -> np.ndarray:
    """`n` colours in equal steps along the smooth curve in OKLab that `anchors` span (a Bezier curve)."""
    points = oklab([to_rgb(anchor) for anchor in anchors])
    position = np.linspace(0, 1, 4001)[:, None]
    while len(points) > 1:
        points = [(1 - position) * a + position * b for a, b in pairwise(points)]
    curve = points[0]
    travelled = np.concatenate(
        [[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))]
    )
    even = np.linspace(0, travelled[-1], n)
    lab = np.stack(
        [np.interp(even, travelled, curve[:, axis]) for axis in range(3)], axis=1
    )
    return _srgb((lab @ np.linalg.inv(_LAB).T) ** 3 @ np.linalg.inv(_LMS).T)


def _register(name: str, colours: np.ndarray) -> ListedColormap:
    mpl.colormaps.register(ListedColormap(colours, name), force=True)
    return mpl.colormaps[name]


_BLUES = ("#e9eef3", "#4aa3df", "#152a5e")
_ORANGES = ("#e9eef3", "#f08a4b", "#7a2a00")

WEIGHTS = _register("course-weights", _uniform(*_BLUES))
"""For weights and counts: pale at nothing, deep blue at the most, equal steps looking equal."""

SIGNED = _register(
    "course-signed",
    np.concatenate([_uniform(*_ORANGES, n=128)[::-1], _uniform(*_BLUES, n=128)]),
)
"""For values of both signs: orange below zero, blue above."""
