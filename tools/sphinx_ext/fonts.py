"""Carry the fonts with the book, so that it looks the same on every machine, also from disk.

Text, headings and code are set in the Source family; signs that it lacks come from DejaVu, which matplotlib
brings along. Each font is cut down to what pages use and put into one style sheet as data, because some
browsers load no font files from disk. Chinese characters are left to the reader's system.

The icons of the theme are treated alike: the theme's own font of icons would be a file.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from course.files import write

STYLE = "fonts.css"


def _codes(*ranges: str) -> frozenset[int]:
    """Code points from ranges such as ``20-7E``, in hexadecimal."""
    ends = ([int(end, 16) for end in each.split("-")] for each in ranges)
    return frozenset(code for first, last in ends for code in range(first, last + 1))


LETTERS = _codes("20-7E", "A0-17F", "391-3C9", "2010-205E", "20AC-20AC", "2100-214F")
SIGNS = _codes("1D2C-1D6A", "2032-2037", "2070-209C", "2190-22FF", "2500-25FF", "2605-2606", "27E6-27EB")


@dataclass(frozen=True)
class Face:
    """A font of the book: where its file is, what is kept of it, how the style sheet calls it.

    Attributes:
        family: The name in the style sheet. Its own name is reserved for the whole font.
        package: The Python package that carries the file.
        file: The file's path in the package.
        codes: The characters that are kept.
        weights: The value of `font-weight`; two numbers for a range.
        style: The value of `font-style`.
        axes: What is fixed or limited of a variable font.
        features: The OpenType features that are kept.
    """

    family: str
    package: str
    file: str
    codes: frozenset[int]
    weights: str = "400"
    style: str = "normal"
    axes: dict[str, Any] = field(default_factory=dict)
    features: tuple[str, ...] = ()

    def rule(self) -> str:
        """The rule of the style sheet that holds the font."""
        data = base64.b64encode(self.data()).decode()
        return (
            f'@font-face{{font-family:"{self.family}";font-weight:{self.weights};font-style:{self.style};'
            f'font-display:block;src:url(data:font/woff2;base64,{data}) format("woff2")}}\n'
        )

    def data(self) -> bytes:
        """The reduced font as woff2."""
        font = TTFont(self.path(), lazy=True)
        options = subset.Options(layout_features=self.features, hinting=False, name_IDs=[0, 13, 14])
        options.drop_tables += ["FFTM"]  # notes of a font editor
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=self.codes)
        subsetter.subset(font)
        if self.axes:
            font = instancer.instantiateVariableFont(font, self.axes)
        for record in (1, 4, 6):
            font["name"].setName(self.family.replace(" ", ""), record, 3, 1, 0x409)
        font.flavor = "woff2"
        data = io.BytesIO()
        font.save(data)
        return data.getvalue()

    def path(self) -> Path:
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            raise ExtensionError(f"The font {self.family} is missing: pip install -r requirements.txt")
        return Path(spec.origin).parent / self.file


TEXT = {"codes": LETTERS | SIGNS, "weights": "400 700", "features": ("kern", "mark", "ccmp")}
SERIF = {**TEXT, "package": "fontpkg_source_serif_4", "axes": {"opsz": 16, "wght": (400, 700)}}
SANS = {**TEXT, "package": "fontpkg_source_sans_3", "axes": {"wght": (400, 700)}}
CODE = {**SANS, "package": "fontpkg_source_code_pro"}
DEJAVU = {"package": "matplotlib", "codes": SIGNS}
FACES = (
    Face("Course Serif", file="files/SourceSerif4[opsz,wght].ttf", **SERIF),
    Face("Course Serif", file="files/SourceSerif4-Italic[opsz,wght].ttf", style="italic", **SERIF),
    Face("Course Sans", file="files/SourceSans3[wght].ttf", **SANS),
    Face("Course Code", file="files/SourceCodePro[wght].ttf", **CODE),
    Face("Course Signs", file="mpl-data/fonts/ttf/DejaVuSans.ttf", **DEJAVU),
    Face("Course Code Signs", file="mpl-data/fonts/ttf/DejaVuSansMono.ttf", **DEJAVU),
)

THEME = "theme/pydata_sphinx_theme/static"
WEBFONTS = f"{THEME}/vendor/fontawesome/webfonts"
# An icon missing here still shows over http: the browser falls back to the theme's own font file.
ICONS = (
    *("angle-left", "angle-right", "arrow-up", "bars", "chevron-down", "chevron-right", "chevron-up"),
    *("circle-half-stroke", "download", "file", "file-pdf", "github", "lightbulb", "list"),
    *("magnifying-glass", "moon", "pencil", "rocket", "sun", "xmark"),
)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _write_style)
    app.add_css_file(STYLE)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write_style(app: Sphinx) -> None:
    if app.builder.format != "html":
        return
    target = Path(app.outdir) / "_static" / STYLE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_style(Path(app.outdir).parent), encoding="utf8")


def _style(folder: Path) -> str:
    """The style sheet, kept in `folder`: to cut the fonts takes a quarter of a minute."""
    faces = (*FACES, *_icons())
    sources = [Path(__file__), *(face.path() for face in faces)]
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    kept = folder / f".fonts-{digest}.css"
    if not kept.exists():
        text = "/* Licences: fonts-licence.txt */\n" + "".join(face.rule() for face in faces)
        write(kept, text)
    return kept.read_text("utf8")


def _icons() -> tuple[Face, ...]:
    """The icons that the theme's style sheet itself draws (admonitions, copy marks), and those in `ICONS`."""
    sheet = importlib.util.find_spec("pydata_sphinx_theme")
    style = (Path(sheet.origin).parent / THEME / "styles" / "pydata-sphinx-theme.css").read_text("utf8")
    found = re.findall(r'--pst-icon-[\w-]+:"\\([0-9a-f]+)"', style)
    for name in ICONS:
        found += re.findall(rf'\.fa-{name}:before[^{{]*\{{content:"\\([0-9a-f]+)"', style)
    codes = frozenset(int(code, 16) for code in found)
    return tuple(
        Face(f"Font Awesome 6 {name}", "pydata_sphinx_theme", f"{WEBFONTS}/{file}", codes, weights)
        for name, file, weights in (
            ("Free", "fa-solid-900.ttf", "900"),
            ("Brands", "fa-brands-400.ttf", "400"),
        )
    )
