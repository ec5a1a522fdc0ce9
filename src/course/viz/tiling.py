"""An animation of a matrix that is visited tile by tile. It needs no script and no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from html import escape

Tile = tuple[int, int]
"""The block of queries and the block of keys of a tile."""

CELL, GAP, EDGE, HEAD = 26, 2, 34, 46
SECONDS = 0.8
"""How long a tile stays."""


class Tiling:
    """Orders in which tiles are visited, side by side; made by :func:`tiling`."""

    def __init__(
        self, orders: dict[str, list[Tile]], rows: int, columns: int, labels: Sequence[str]
    ) -> None:
        self.orders = orders
        self.rows = rows
        self.columns = columns
        self.labels = labels

    def __repr__(self) -> str:
        orders = ", ".join(f"{name} {len(tiles)}" for name, tiles in self.orders.items())
        return f"Tiling({self.rows} × {self.columns}; tiles visited: {orders})"

    def _repr_html_(self) -> str:
        panels = "".join(
            self._panel(i, *order) for i, order in enumerate(self.orders.items())
        )
        key = "t" + hashlib.sha256((repr(self) + panels).encode()).hexdigest()[:8]
        width, height = self._size()
        total = width * len(self.orders)
        described = escape(
            "; ".join(self._described(*order) for order in self.orders.items())
        )
        steps = max(map(len, self.orders.values()))
        frames = "".join(_frames(key, k, steps) for k in range(steps))
        return (
            f"<style>{_style(key, steps * SECONDS)}{frames}</style>"
            f'<div class="{key}"><svg viewBox="0 0 {total} {height}" role="img" '
            f'aria-label="{described}" style="max-width:{total}px">{panels.replace("KEY", key)}</svg>'
            f"<label><input type=checkbox> hold</label></div>"
        )

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}

    def _size(self) -> tuple[int, int]:
        return EDGE + self.columns * (CELL + GAP) + 14, HEAD + self.rows * (CELL + GAP) + 4

    def _panel(self, index: int, name: str, tiles: list[Tile]) -> str:
        across, down = self.labels
        step = {tile: k for k, tile in enumerate(tiles)}
        parts = [f'<text x="{EDGE}" y="13" class=name>{escape(name)}</text>']
        for column in range(self.columns):
            visits = [k for (_, c), k in step.items() if c == column]
            parts.append(_square(EDGE + column * (CELL + GAP), HEAD - 18, CELL, 12, visits))
        for row in range(self.rows):
            visits = [k for (r, _), k in step.items() if r == row]
            parts.append(_square(EDGE - 18, HEAD + row * (CELL + GAP), 12, CELL, visits))
        for row in range(self.rows):
            for column in range(self.columns):
                x, y = EDGE + column * (CELL + GAP), HEAD + row * (CELL + GAP)
                k = step.get((row, column))
                parts.append(_square(x, y, CELL, CELL, [] if k is None else [k], "tile"))
                if k is not None:
                    middle = f'x="{x + CELL / 2}" y="{y + CELL / 2 + 3.5}"'
                    parts.append(f"<text {middle} class=n>{k + 1}</text>")
        parts.append(
            f'<text x="{EDGE - 4}" y="{HEAD - 9}" class=side text-anchor=end>{escape(across)}</text>'
        )
        parts.append(f'<text x="2" y="{HEAD + 14}" class=side>{escape(down)}</text>')
        return f'<g transform="translate({index * self._size()[0]} 0)">{"".join(parts)}</g>'

    def _described(self, name: str, tiles: list[Tile]) -> str:
        visited = ", ".join(f"({row + 1}, {column + 1})" for row, column in tiles)
        return f"{name}: tiles are visited in the order {visited}"


def tiling(
    orders: Mapping[str, Sequence[Tile]],
    rows: int,
    columns: int,
    labels: tuple[str, str] = ("K, V", "Q"),
) -> Tiling:
    """Show in which order tiles of a matrix are visited, and which blocks lie in fast memory meanwhile.

    Each tile carries its number in the order, so that the picture says the same on paper and where motion is
    unwanted.

    Args:
        orders: The tiles (row, column) in the order of their visits, by the name of the order.
        rows: Blocks of queries.
        columns: Blocks of keys.
        labels: What stands along the columns and along the rows.

    Returns:
        The animation, to be the value of a cell.

    Raises:
        ValueError: There is no order, a tile lies outside, or is visited twice.
    """
    if not orders:
        raise ValueError("tiling: orders must name at least one order, but is empty.")
    for name, tiles in orders.items():
        outside = [
            tile for tile in tiles if not (0 <= tile[0] < rows and 0 <= tile[1] < columns)
        ]
        if outside:
            raise ValueError(
                f"tiling: {name!r} visits {outside[0]}, outside of {rows} × {columns} tiles."
            )
        if len(set(tiles)) != len(tiles):
            raise ValueError(f"tiling: {name!r} visits a tile twice.")
    return Tiling(
        {name: list(tiles) for name, tiles in orders.items()}, rows, columns, labels
    )


def _square(
    x: float, y: float, width: float, height: float, visits: list[int], kind: str = "block"
) -> str:
    """A square that lights up at its visits: one rectangle on top of another for each of them."""
    rectangle = f'x="{x}" y="{y}" width="{width}" height="{height}" rx=2'
    lights = "".join(
        f"<rect {rectangle} class=on style='animation-name:KEY-{k}'/>" for k in visits
    )
    return f"<rect {rectangle} class={kind if visits else 'never'} />{lights}"


def _frames(key: str, k: int, steps: int) -> str:
    """Alight from step k to step k + 1, dark otherwise."""
    start, end = 100 * k / steps, 100 * (k + 1) / steps
    before = "" if k == 0 else f"0%,{start - 0.01:.2f}%{{opacity:0}}"
    after = "" if k == steps - 1 else f"{end + 0.01:.2f}%,100%{{opacity:0}}"
    return f"@keyframes {key}-{k}{{{before}{start:.2f}%,{end:.2f}%{{opacity:1}}{after}}}"


def _style(key: str, seconds: float) -> str:
    at = f".{key}"
    return (
        f"{at}{{margin:1em 0;color:#747c88;font-size:.85em;text-align:center}}"
        f"{at} svg{{width:100%;height:auto;display:block;margin:auto}}"
        f"{at} .tile{{fill:#0072b2;fill-opacity:.28}}{at} .block{{fill:#009e8e;fill-opacity:.35}}"
        f"{at} .never{{fill:none;stroke:#747c88;stroke-opacity:.35}}"
        f"{at} .on{{fill:#d55e00;opacity:0;animation:{seconds:g}s linear infinite}}"
        f"{at} text{{fill:#747c88;font:10px sans-serif}}{at} .name{{font-size:11px;font-weight:bold}}"
        f"{at} .n{{text-anchor:middle;fill:var(--pst-color-text-base,var(--jp-content-font-color1,#747c88))}}"
        f"{at} label{{display:inline-block;margin-top:.3em;cursor:pointer}}"
        f"{at}:has(input:checked) .on{{animation-play-state:paused}}"
        f"@media print{{{at} .on{{animation:none}}{at} label{{display:none}}}}"
        f"@media (prefers-reduced-motion:reduce){{{at} .on{{animation:none}}{at} label{{display:none}}}}"
    )
