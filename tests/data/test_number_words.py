"""Number words against spellings that are known, laws that hold for all numbers, and refusals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from num2words import num2words

from course.data import Vocabulary, number_pairs, number_words

LANGUAGES = st.sampled_from(["en", "fr"])
NUMBERS = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("number", "english", "french"),
    [
        (0, "zero", "zéro"),
        (21, "twenty -one", "vingt et un"),
        (71, "seventy -one", "soixante et onze"),
        (80, "eighty", "quatre -vingts"),
        (97, "ninety -seven", "quatre -vingt -dix -sept"),
        (1_000, "one thousand", "mille"),
        (2_200, "two thousand , two hundred", "deux mille deux cents"),
    ],
)
def test_known_spellings(number, english, french):
    assert number_words(number) == number_words(number, "en") == english
    assert number_words(number, "fr") == french


@settings(deadline=None, max_examples=100)
@given(NUMBERS, LANGUAGES)
def test_no_spelling_is_lost(number, language):
    words = number_words(number, language)
    assert words.replace(" -", "-").replace(" ,", ",") == num2words(number, lang=language)
    assert "  " not in words
    assert words == words.strip()


def test_pairs_are_translations():
    english = {number_words(number): number for number in range(200)}
    train, test = number_pairs(120, 60, 200)
    assert (len(train), len(test)) == (120, 60)
    for one, other in train + test:
        assert other == number_words(english[one], "fr")


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 100))
def test_no_number_twice(n_train, n_test, seed):
    train, test = number_pairs(n_train, n_test, 80, seed=seed)
    assert len({*train, *test}) == n_train + n_test
    assert (train, test) == number_pairs(n_train, n_test, 80, seed=seed)


def test_seeds_and_languages_matter():
    assert number_pairs(50, 5, 1_000) != number_pairs(50, 5, 1_000, seed=1)
    (pair,) = number_pairs(1, 1, 2, languages=("de", "es"), seed=0).train
    assert pair in {("null", "cero"), ("eins", "uno")}


def test_the_vocabulary_stays_small():
    pairs = number_pairs(4_000, 1, 1_000_000).train
    assert len(Vocabulary(text for pair in pairs for text in pair)) < 100


def test_too_few_numbers():
    with pytest.raises(ValueError, match="n_train \\+ n_test must be at most below = 10, but is 11"):
        number_pairs(6, 5, 10)


@pytest.mark.parametrize("argument", [0, -1])
def test_sizes_must_be_positive(argument):
    with pytest.raises(ValueError, match="n_train"):
        number_pairs(argument, 1, 10)


def test_an_unknown_language():
    with pytest.raises(NotImplementedError):
        number_words(5, "xx")
