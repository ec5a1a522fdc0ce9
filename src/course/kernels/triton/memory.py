"""The memory of one launch: which addresses belong to which argument, and who touched them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

NOBODY, SEVERAL = -1, -2


@dataclass(frozen=True)
class Touched:
    """What one instruction did to one argument.

    Attributes:
        name: The argument.
        lanes: True for the addresses that lie in it.
        raced: How many of these conflict with an access of another program.
    """

    name: str
    lanes: np.ndarray
    raced: int


class Region:
    """The addresses of one tensor, from its first number to its last."""

    def __init__(self, name: str, tensor: Tensor) -> None:
        self.name, self.size = name, tensor.element_size()
        steps = zip(tensor.shape, tensor.stride(), strict=True)
        self.n = 1 + sum((n - 1) * stride for n, stride in steps) if tensor.numel() else 0
        self.start = tensor.data_ptr()
        self.writer, self.reader = (np.full(self.n, NOBODY) for _ in range(2))

    def holds(self, addresses: np.ndarray) -> np.ndarray:
        """True for the addresses of numbers of this tensor."""
        offset = addresses.astype(np.int64) - self.start
        return (offset >= 0) & (offset < self.n * self.size)

    def read(self, addresses: np.ndarray, program: int) -> int:
        """Note who reads; return how many of the numbers another program wrote."""
        at = self._index(addresses)
        readers = self.reader[at]
        self.reader[at] = np.where(
            (readers == NOBODY) | (readers == program), program, SEVERAL
        )
        return self._others(self.writer[at], program).sum()

    def write(self, addresses: np.ndarray, program: int) -> int:
        """Note who writes; return how many of the numbers another program wrote or read."""
        at = self._index(addresses)
        raced = self._others(self.writer[at], program) | self._others(
            self.reader[at], program
        )
        self.writer[at] = program
        return raced.sum()

    def _index(self, addresses: np.ndarray) -> np.ndarray:
        return (addresses.astype(np.int64) - self.start) // self.size

    @staticmethod
    def _others(who: np.ndarray, program: int) -> np.ndarray:
        return (who != NOBODY) & (who != program)


class Memory:
    """All tensors of one launch."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.regions = [Region(name, tensor) for name, tensor in tensors.items()]

    def touch(
        self, addresses: np.ndarray, lanes: np.ndarray, program: int, writes: bool
    ) -> Iterator[Touched]:
        """Note an access to the addresses of some lanes; those in no tensor appear in no answer."""
        left = lanes.copy()
        for region in self.regions:
            here = left & region.holds(addresses)
            if here.any():
                raced = (region.write if writes else region.read)(addresses[here], program)
                yield Touched(region.name, here, int(raced))
                left &= ~here
