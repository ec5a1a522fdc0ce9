"""Markdown of the notebooks as plain text that reads well in a terminal."""

from __future__ import annotations

import re

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
ROLE = re.compile(
    r"(?P<before>\b(?:[Ee]quation|[Cc]hapter) )?\{(?P<role>[\w:]+)\}`(?P<text>[^`]*)`"
)
MATH = re.compile(r"\$\$(.+?)\$\$(?:[ \t]*\([\w-]+\))?|(?<!\\)\$(.+?)(?<!\\)\$", re.DOTALL)
CODE = re.compile(r"`[^`]+`")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
STRONG = re.compile(r"(?<!\w)(\*\*|\*|__)(?=\S)(.+?)(?<=\S)\1(?!\w)", re.DOTALL)

SYMBOLS = {
    **{
        "top": "ᵀ",
        "cdot": "·",
        "times": "×",
        "pm": "±",
        "odot": "⊙",
        "circ": "∘",
        "sum": "Σ",
        "int": "∫",
    },
    **{
        "le": "≤",
        "leq": "≤",
        "ge": "≥",
        "geq": "≥",
        "ne": "≠",
        "neq": "≠",
        "approx": "≈",
        "in": "∈",
    },
    **{
        "ll": "≪",
        "gg": "≫",
        "to": "→",
        "leftarrow": "←",
        "infty": "∞",
        "partial": "∂",
        "nabla": "∇",
    },
    **{
        "ldots": "…",
        "dots": "…",
        "cdots": "…",
        "langle": "⟨",
        "rangle": "⟩",
        "lVert": "‖",
        "rVert": "‖",
    },
    **{
        "lvert": "|",
        "rvert": "|",
        "lfloor": "⌊",
        "rfloor": "⌋",
        "lceil": "⌈",
        "rceil": "⌉",
        "ell": "ℓ",
    },
    **{
        "alpha": "α",
        "beta": "β",
        "gamma": "γ",
        "delta": "δ",
        "varepsilon": "ε",
        "epsilon": "ε",
        "eta": "η",
    },
    **{
        "theta": "θ",
        "lambda": "λ",
        "mu": "μ",
        "xi": "ξ",
        "pi": "π",
        "rho": "ρ",
        "sigma": "σ",
        "tau": "τ",
    },
    **{
        "phi": "φ",
        "varphi": "φ",
        "chi": "χ",
        "psi": "ψ",
        "omega": "ω",
        "kappa": "κ",
        "Delta": "Δ",
    },
    **{"Sigma": "Σ", "Pi": "Π", "Phi": "Φ"},
    **{"Omega": "Ω", "iff": "⇔", "Longrightarrow": "⇒", "prod": "Π"},
    **{
        name: name
        for name in ("log", "exp", "max", "min", "cos", "sin", "tanh", "Pr", "ln", "det")
    },
    **{
        "quad": " ",
        "qquad": " ",
        ",": " ",
        ";": " ",
        " ": " ",
        ":": " ",
        "!": "",
        "{": "{",
        "}": "}",
    },
    **dict.fromkeys(("left", "right", "bigl", "bigr", "Bigl", "Bigr", "big", "Big"), ""),
    **{"%": "%", "_": "_", "$": "$", "&": "&", "#": "#"},
}
DRESS = (
    "text",
    "mathbb",
    "mathbf",
    "mathrm",
    "mathcal",
    "operatorname",
    "texttt",
    "textbf",
    "boldsymbol",
)
ACCENTS = {"hat": "\u0302", "tilde": "\u0303", "bar": "\u0304", "overline": "\u0304"}
POWERS = dict(zip("0123456789+-−nTᵀ", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻ⁿᵀᵀ", strict=True))
TOKEN = re.compile(r"\\[a-zA-Z]+\s*|\\.|[{}^_]|[^\\{}^_]+", re.DOTALL)
# Brackets and signs that stand close to what follows or precedes them.
CLOSE = re.compile(r"(?<=[⟨‖⌊⌈∂Δ√]) (?=\w)|(?<=\w) (?=[⟩⌋⌉])")
OPERATOR = re.compile(r"[\s+−=·×/,-]")


def plain(markdown: str) -> str:
    """Markdown with roles, formulas and emphasis turned into text; code keeps its characters."""
    kept: list[str] = []

    def keep(text: str) -> str:
        kept.append(text)
        return f"\x00{len(kept) - 1}\x00"

    text = FENCE.sub(lambda found: keep(_indented(found[1])), markdown)
    text = ROLE.sub(lambda found: keep(_role(found)), text)
    text = CODE.sub(lambda found: keep(found[0]), text)
    text = MATH.sub(lambda found: keep(formula(found[1] or found[2])), text)
    text = LINK.sub(r"\1", text)
    text = STRONG.sub(r"\2", text)
    while "\x00" in text:
        text = re.sub("\x00(\\d+)\x00", lambda found: kept[int(found[1])], text)
    return text


def formula(tex: str) -> str:
    """A TeX formula in characters, such as ``(q · k)/(√d_k)``; an unknown command stays as it is."""
    tokens = TOKEN.findall(tex.replace("~", " "))
    tokens.reverse()
    return CLOSE.sub("", re.sub(r"\s+", " ", _formula(tokens)).strip())


def _formula(tokens: list[str]) -> str:
    """Text of the tokens up to a closing brace; the last of `tokens` comes first."""
    found = ""
    while tokens:
        token = tokens.pop()
        if token == "}":
            break
        if token == "{":
            found += _formula(tokens)
        elif token == "^":
            found += _power(_argument(tokens))
        elif token == "_":
            found += "_" + _grouped(_argument(tokens))
        elif token.startswith("\\"):
            found += _command(token, tokens)
        else:
            found += token.replace("*", "·")
    return found


def _argument(tokens: list[str]) -> str:
    """What a command, a power or an index applies to: a group, a command or one character."""
    while tokens and tokens[-1].isspace():
        tokens.pop()
    if not tokens:
        return ""
    token = tokens.pop()
    if token == "{":
        return _formula(tokens).strip()
    if token.startswith("\\"):
        return _command(token, tokens).strip()
    token = token.lstrip()
    if token[1:]:
        tokens.append(token[1:])
    return token[0]


def _command(token: str, tokens: list[str]) -> str:
    name = token[1:].strip() or " "
    space = " " if token[-1].isspace() and token.strip() != "\\" else ""
    if name in ("frac", "tfrac", "dfrac"):
        above, below = _argument(tokens), _argument(tokens)
        return f"({above})/({below})"
    if name == "sqrt":
        return "√" + _grouped(_argument(tokens))
    if name in DRESS:
        return _argument(tokens)
    if name in ACCENTS:
        text = _argument(tokens)
        return (text if len(text) == 1 else f"({text})") + ACCENTS[name]
    if name not in SYMBOLS:
        return token
    return SYMBOLS[name] + (space if SYMBOLS[name] else "")


def _power(text: str) -> str:
    if text and all(letter in POWERS for letter in text):
        return "".join(POWERS[letter] for letter in text)
    return "^" + _grouped(text)


def _grouped(text: str) -> str:
    return f"({text})" if OPERATOR.search(text) else text


def _role(found: re.Match) -> str:
    """The words for a role such as ``{eq}`scores` ``."""
    titled = re.fullmatch(r"(.*?)\s*<([^>]*)>", found["text"], re.DOTALL)
    before = found["before"] or ""
    if titled:
        return before + titled[1]
    text = {"eq": f"'{found['text']}'", "doc": found["text"].rpartition("/")[2]}.get(
        found["role"]
    )
    if text is None:
        return before + found["text"]
    noun = {"eq": "equation ", "doc": "chapter "}[found["role"]]
    starts = re.search(r"(^|[.!?:]\s|\n)\s*$", found.string[: found.start()])
    return (before or (noun.capitalize() if starts else noun)) + text


def _indented(code: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in code.rstrip("\n").split("\n"))
