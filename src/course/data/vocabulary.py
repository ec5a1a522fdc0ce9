"""A vocabulary of words: from text to numbers and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from course.shapes import Size, checked

PAD, START, END, UNKNOWN = SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")


class Vocabulary:
    """Number words. The first four numbers are padding, start, end, and any word that is not known.

    Args:
        texts: Texts whose words, parted by blanks, are numbered: the more frequent first, equals in the order
            of the alphabet.
        size: The largest number of words, special ones included; ``None`` keeps all.
        extra: Further special words, such as ``"<mask>"``, which follow the first four.

    Raises:
        ValueError: There is no room for a word besides the special ones.
    """

    @checked
    def __init__(
        self, texts: Iterable[str], size: Size | None = None, extra: Sequence[str] = ()
    ) -> None:
        special = [*SPECIAL, *extra]
        counts = Counter(word for text in texts for word in text.split())
        ranked = sorted(
            counts.keys() - set(special), key=lambda word: (-counts[word], word)
        )
        if size is not None and size <= len(special):
            raise ValueError(
                f"Vocabulary: size must be above {len(special)}, but is {size}."
            )
        self.words = [*special, *ranked][:size]
        self.numbers = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, word: str) -> int:
        """Return the number of a word, or that of the unknown word."""
        return self.numbers.get(word, self.numbers[UNKNOWN])

    def encode(self, text: str, *, start: bool = False, end: bool = False) -> list[int]:
        """Return the numbers of the words of a text, perhaps between a start and an end."""
        numbers = [self[word] for word in text.split()]
        return [self[START]] * start + numbers + [self[END]] * end

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the words up to the first end, without padding and start."""
        words = []
        for number in numbers:
            word = self.words[int(number)]
            if word == END:
                break
            if word not in (PAD, START):
                words.append(word)
        return " ".join(words)


def batch(
    sequences: Sequence[Sequence[int]], pad: int = 0
) -> tuple[Int[Tensor, "batch time"], Int[Tensor, " batch"]]:
    """Lay sequences side by side, filled up at the end, and return them with their lengths.

    Args:
        sequences: Numbers of tokens, at least one sequence and in each at least one token.
        pad: What fills the rest.

    Returns:
        The tokens, and the length of each sequence for :func:`course.attention.padding`.

    Raises:
        ValueError: There is no sequence, or an empty one.
    """
    lengths = [len(sequence) for sequence in sequences]
    if not lengths or min(lengths) == 0:
        raise ValueError(
            f"batch: every sequence must have a token, but the lengths are {lengths}."
        )
    tokens = torch.full((len(sequences), max(lengths)), pad)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = torch.tensor(sequence)
    return tokens, torch.tensor(lengths)
