"""A machine with two memories, which counts every number that moves between them."""

from __future__ import annotations

from torch import Tensor

from course.shapes import Size, checked

ALL = slice(None)


class TwoMemories:
    """A large slow memory and a small fast one; arithmetic happens in the fast one only.

    An algorithm loads a part of an array, computes, puts what it wants to keep into the fast memory under a
    name, and stores it when it is done. Both directions are counted in numbers, not bytes, as in equation
    :eq:`flash-traffic`.

    Attributes:
        slow: The arrays in slow memory, by name.
        fast: What lies in fast memory, by name.
        capacity: How many numbers fit into the fast memory.
        loaded: Numbers that were read from the slow memory so far.
        stored: Numbers that were written to it so far.
        largest: The most numbers that the fast memory has held at once.

    Source:
        Hong and Kung (1981), *I/O complexity: the red-blue pebble game*.
    """

    @checked
    def __init__(self, capacity: Size, **slow: Tensor) -> None:
        self.slow = slow
        self.fast: dict[str, Tensor] = {}
        self.capacity = capacity
        self.loaded = self.stored = self.largest = 0

    @property
    def moved(self) -> int:
        """Numbers that were moved in either direction."""
        return self.loaded + self.stored

    def load(self, name: str, rows: slice = ALL) -> Tensor:
        """Copy rows of an array from slow to fast memory, and return them."""
        part = self.slow[name][rows].clone()
        self.loaded += part.numel()
        return self.keep(name, part)

    def keep(self, name: str, value: Tensor) -> Tensor:
        """Put a result into fast memory, in place of what had its name, and return it.

        Raises:
            MemoryError: The fast memory is full.
        """
        self.fast[name] = value
        held = sum(x.numel() for x in self.fast.values())
        self.largest = max(self.largest, held)
        if held > self.capacity:
            names = ", ".join(f"{key} {tuple(x.shape)}" for key, x in self.fast.items())
            raise MemoryError(
                f"the fast memory holds {self.capacity} numbers, "
                f"but {held} are needed: {names}."
            )
        return value

    def store(self, name: str, rows: slice = ALL) -> None:
        """Write what fast memory has under this name to rows of the array in slow memory, and drop it."""
        value = self.fast.pop(name)
        self.slow[name][rows] = value
        self.stored += value.numel()

    def drop(self, *names: str) -> None:
        """Forget results; that costs nothing."""
        for name in names:
            del self.fast[name]
