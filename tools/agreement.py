"""Whether an output agrees with the stored one: numbers are compared as numbers, everything else as text.

Without a stated tolerance a number may differ by one unit in its last printed place: a value that lies
between two roundings falls to either side, as processors round differently. A point of a figure may move by
half a pixel. A cell states more in its metadata, `"course": {"rtol": 1e-3}`, or the notebook for all.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from decimal import Decimal
from itertools import starmap

import numpy as np
from nbformat import NotebookNode
from PIL import Image

# A point or an exponent makes a number: 0.5, 3e-05, and 1. as numpy prints it. An integer is text: it counts.
# Spaces belong to the number, as columns are padded to the width of the widest.
NUMBER = re.compile(r" *([-+−]?(?:\d+\.\d*|\.\d+|\d+(?=[eE][-+]?\d))(?:[eE][-+]?\d+)?) *")
FIGURE = "image/svg+xml"
COORDINATE = re.compile(
    r'(?<=[\s"(,])(-?\d+(?:\.\d+)?(?:e-?\d+)?)(?=[\s"),])'
)  # no digits of a colour or a glyph
HASHED = re.compile(r'id="([^"]*[0-9a-f]{10})"')
EMBEDDED = re.compile(r"data:image/png;base64,([^\"]*)")
LEVELS = 8
"""How far a colour of an embedded image, from 0 to 255, may be from the stored one."""


@dataclass(frozen=True)
class Agreement:
    """What counts as the same.

    Attributes:
        rtol: How far a number may be from the stored one, relative to that.
        atol: How far it may be anyway.
        pixels: How far a point of a figure may be from its place.
        measured: Whether what the cell shows is a measurement of the machine, such as a time, or what a
            training run came to, in which every rounding grows. Then nothing is compared; what must hold
            anywhere is asserted by the cell.
    """

    rtol: float = 0.0
    atol: float = 0.0
    pixels: float = 0.5
    measured: bool = False

    @classmethod
    def of(cls, cell: NotebookNode, notebook: NotebookNode) -> Agreement:
        """What the cell states, and for the rest the notebook."""
        stated = {**notebook.metadata.get("course", {}), **cell.metadata.get("course", {})}
        known = {field.name: stated[field.name] for field in fields(cls) if field.name in stated}
        return cls(**known | {"measured": bool(known.get("measured"))})

    def texts(self, came: str, stored: str) -> bool:
        """Whether two texts differ in nothing but numbers, and in these by no more than is allowed."""
        ours, theirs = NUMBER.split(came), NUMBER.split(stored)
        pairs = zip(ours[1::2], theirs[1::2], strict=False)
        return ours[::2] == theirs[::2] and all(starmap(self._numbers, pairs))

    def figures(self, came: str, stored: str) -> bool:
        """Whether two figures in SVG show the same, up to where points lie and how images are shaded."""
        ours, theirs = COORDINATE.split(_drawing(came)), COORDINATE.split(_drawing(stored))
        if ours[::2] != theirs[::2]:
            return False
        moved = np.abs(np.array(ours[1::2], float) - np.array(theirs[1::2], float)).max(initial=0)
        return moved <= self.pixels and all(
            map(_shaded_alike, EMBEDDED.findall(came), EMBEDDED.findall(stored))
        )

    def outputs(self, came: NotebookNode, stored: NotebookNode, clean: Callable[[str], str] = str) -> bool:
        """Whether two outputs of a cell agree; `clean` replaces what is never compared."""
        ours, theirs = _shown(came), _shown(stored)
        if ours.keys() != theirs.keys():
            return False
        same = {kind: self.figures if kind == FIGURE else self.texts for kind in ours}
        return all(same[kind](clean(ours[kind]), clean(theirs[kind])) for kind in ours)

    def _numbers(self, came: str, stored: str) -> bool:
        one, other = (Decimal(number.replace("−", "-")) for number in (came, stored))
        # 0.5 and 0.499 are printed to the finer of the two; `1.` says nothing of its last place.
        places = [_last_place(number) for number in (came, stored) if not number.endswith(".")]
        room = Decimal(self.atol) + Decimal(self.rtol) * abs(other)
        return abs(one - other) <= max(room, min(places, default=Decimal(0)))


def settle(
    came: list[NotebookNode],
    stored: list[NotebookNode],
    agreement: Agreement,
    clean: Callable[[str], str] = str,
) -> list[NotebookNode]:
    """The outputs that came, but the stored one at each place where both agree."""
    if agreement.measured and stored:
        return stored
    if len(came) != len(stored):
        return came
    pairs = zip(came, stored, strict=True)
    return [old if agreement.outputs(new, old, clean) else new for new, old in pairs]


def _shown(output: NotebookNode) -> dict[str, str]:
    """The texts of an output by kind."""
    if output.output_type == "stream":
        return {output.name: output.text}
    if output.output_type == "error":
        return {"error": f"{output.ename}: {output.evalue}"}
    return {kind: text for kind, text in output.data.items() if isinstance(text, str)}


def _drawing(figure: str) -> str:
    """The figure without its embedded images, and with plain names for what is named by a hash of numbers."""
    figure = EMBEDDED.sub("", figure)
    for place, name in enumerate(dict.fromkeys(HASHED.findall(figure))):
        figure = figure.replace(name, f"name{place}")
    return figure


def _shaded_alike(came: str, stored: str) -> bool:
    one, other = (np.asarray(Image.open(io.BytesIO(base64.b64decode(x))), int) for x in (came, stored))
    return one.shape == other.shape and np.abs(one - other).max() <= LEVELS


def _last_place(number: str) -> Decimal:
    return Decimal(1).scaleb(Decimal(number.replace("−", "-")).as_tuple().exponent)
