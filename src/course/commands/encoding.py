"""What a terminal shows of characters that its encoding lacks, such as marks and formulas."""

from __future__ import annotations

import codecs
import sys
import unicodedata

HANDLER = "course-plain"

PLAIN = {
    # Of one width, so that columns stay columns.
    **{"✓": "+", "✗": "x", "★": "*", "·": "*", "×": "x", "−": "-", "⟨": "<", "⟩": ">"},
    **{"⌊": "[", "⌋": "]", "⌈": "[", "⌉": "]", "ᵀ": "T", "∂": "d", "≈": "~", "∘": "o", "⊙": "*"},
    **{"→": "->", "←": "<-", "⇒": "=>", "⇔": "<=>", "≤": "<=", "≥": ">=", "≠": "!=", "±": "+-"},
    **{"≪": "<<", "≫": ">>", "‖": "||", "√": "sqrt ", "∞": "inf", "∇": "grad", "∈": "in", "∫": "int"},
    **{"“": '"', "”": '"', "’": "'", "–": "-", "—": "-", "⁄": "/"},
    # These follow the letter that they stand above.
    **{"\u0302": "_hat", "\u0303": "_tilde", "\u0304": "_bar"},
}  # fmt: skip


def degrade() -> None:
    """Let nothing that is printed fail: what the encoding lacks is written in other characters."""
    codecs.register_error(HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(plain, error.object[error.start : error.end])), error.end


def plain(character: str) -> str:
    """One character in ASCII; a question mark if nothing is near."""
    if character in PLAIN:
        return PLAIN[character]
    *kind, name = unicodedata.name(character, "?").split()
    if "GREEK" in kind:
        return name.capitalize() if "CAPITAL" in kind else name.lower()
    parts = (PLAIN.get(part, part) for part in unicodedata.normalize("NFKD", character))
    near = "".join(parts).encode("ascii", "ignore").decode()
    raised = "^" * unicodedata.decomposition(character).startswith("<super>")
    return raised + near if near else "?"
