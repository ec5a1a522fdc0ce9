"""Number words in two languages: a translation task with rules, exceptions and as many pairs as one likes."""

from __future__ import annotations

import functools
import random
import re
from typing import NamedTuple

from num2words import num2words

from course.shapes import Size, checked


class NumberPairs(NamedTuple):
    """Pairs of texts to train on, and pairs of other numbers to test with."""

    train: list[tuple[str, str]]
    test: list[tuple[str, str]]


@functools.cache
def number_words(number: int, language: str = "en") -> str:
    """Write out a number, with blanks between the tokens.

    A token is a word, a comma, or a word with the hyphen that joins it to the one before, so that no spelling
    is lost: ``"quatre -vingt -dix -sept"`` is quatre-vingt-dix-sept.

    Args:
        number: A whole number.
        language: A language of the library num2words, such as ``"en"`` or ``"fr"``.

    Returns:
        Tokens parted by blanks.

    Raises:
        NotImplementedError: num2words does not know the language.
    """
    return re.sub(r"(?=[,-])\b", " ", num2words(number, lang=language))


@checked
def number_pairs(
    n_train: Size,
    n_test: Size,
    below: Size,
    *,
    languages: tuple[str, str] = ("en", "fr"),
    seed: int = 0,
) -> NumberPairs:
    """Draw different numbers and write them out in two languages; no number is in both lists.

    Args:
        n_train: Pairs to train on.
        n_test: Pairs to test with.
        below: Numbers are drawn from 0 to less than this.
        languages: The language to translate from, and that to translate into.
        seed: Draws the numbers.

    Returns:
        The two lists.

    Raises:
        ValueError: There are fewer numbers than pairs.
    """
    if n_train + n_test > below:
        raise ValueError(
            f"number_pairs: n_train + n_test must be at most below = {below}, but is {n_train + n_test}."
        )
    numbers = random.Random(seed).sample(range(below), n_train + n_test)
    pairs = [
        tuple(number_words(number, language) for language in languages)
        for number in numbers
    ]
    return NumberPairs(pairs[:n_train], pairs[n_train:])
