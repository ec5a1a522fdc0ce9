"""Hints as they read in a terminal."""

from __future__ import annotations

import pytest

from course.exercises import notebooks
from course.exercises.plain import formula, plain


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("By {eq}`scores`, add.", "By equation 'scores', add."),
        ("{eq}`scores` says it.", "Equation 'scores' says it."),
        ("Use it. {eq}`scores` says how.", "Use it. Equation 'scores' says how."),
        ("Use equation {eq}`scores`.", "Use equation 'scores'."),
        ("See {doc}`/book/attention/softmax`.", "See chapter softmax."),
        ("See {doc}`the chapter </book/attention/softmax>`.", "See the chapter."),
        ("By {cite:t}`vaswani`.", "By vaswani."),
        ("The *meaning* of **each** [axis](https://a.b/c).", "The meaning of each axis."),
        ("`a * b * c` and `$HOME`, `w_o`", "`a * b * c` and `$HOME`, `w_o`"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ('Run\n\n```python\nx = {1: "$a$"}\n\ny\n```\n\nnow', 'Run\n\n    x = {1: "$a$"}\n\n    y\n\nnow'),
        ("so\n$$\na \\le b\n$$ (bound)\nholds", "so\na ≤ b\nholds"),
        ("a $x$, then $y$.", "a x, then y."),
        (r"It costs \$5 or \$6.", r"It costs \$5 or \$6."),
    ],
)
def test_markdown(markdown, text):
    assert plain(markdown) == text


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\frac{a}{b}", "(a)/(b)"),
        (r"\tfrac12", "(1)/(2)"),
        (r"\hat x = x/s", "x\u0302 = x/s"),
        (r"\psi(\bar k)", "ψ(k\u0304)"),
        (r"\frac{q \cdot k}{\sqrt{d_k}}", "(q · k)/(√d_k)"),
        (r"\sqrt{a + b}", "√(a + b)"),
        (r"QK^\top", "QKᵀ"),
        (r"Q^{\top}K", "QᵀK"),
        (r"a \ge b \ne c", "a ≥ b ≠ c"),
        (r"e^{-c\Delta} + x^2 + 2^{10}", "e^(-cΔ) + x² + 2¹⁰"),
        (r"W_O^{(s)}, a_{ij}, a_{i+1}", "W_O^(s), a_ij, a_(i+1)"),
        (r"\langle dE\, K, Q \rangle", "⟨dE K, Q⟩"),
        (r"-\lVert q - k \rVert^2/2\sigma^2", "-‖q - k ‖²/2σ²"),
        (r"\mathbb{E}[q_l^2]\,\operatorname{Var}(k)", "E[q_l²] Var(k)"),
        (r"\left(\log \sum_l e_l\right)", "(log Σ_l e_l)"),
        (r"\text{share of } S", "share of S"),
        (r"\unknown{x} + y", r"\unknownx + y"),
        (r"\frac{a", "(a)/()"),
        (r"a}_^", "a"),
    ],
)
def test_formulas(tex, text):
    assert formula(tex) == text


@pytest.mark.parametrize("chapter", notebooks.chapters())
def test_no_hint_of_the_book_shows_markup(chapter):
    for part in notebooks.sections(notebooks.read(notebooks.exercises(chapter))):
        for text in [part.title, *part.hints]:
            words = plain(text).split("`")[::2]
            assert not [word for word in words if "$" in word or "\\" in word or "}" in word], text
