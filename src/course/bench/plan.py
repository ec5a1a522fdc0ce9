"""What to measure: a plan that cannot be carried out is refused before anything is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from course.bench.subjects import SUBJECTS

DTYPES = ("float32", "bfloat16", "float16", "float64")


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        lengths: Queries, and as many keys, for the times.
        memory_lengths: The same for the memory, measured with one head; those of the times if None.
        subjects: Names of what to measure.
        heads: Heads, for the times.
        width: Width of a head.
        rounds: How often each is timed; the shortest counts.
        device: Where to measure the times.
        dtype: Name of a dtype of torch.
        threads: Threads of torch; as many as it chooses if None. A single one is timed by the clock of the
            process, which stands still while other programs have the processor.
    """

    lengths: tuple[int, ...] = (512, 1024, 2048, 4096)
    memory_lengths: tuple[int, ...] | None = None
    subjects: tuple[str, ...] = tuple(SUBJECTS)
    heads: int = 8
    width: int = 64
    rounds: int = 5
    device: str = "cpu"
    dtype: str = "float32"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.memory_lengths is None:
            object.__setattr__(self, "memory_lengths", self.lengths)
        sizes = {
            "lengths": self.lengths,
            "memory_lengths": self.memory_lengths,
            **{name: (getattr(self, name),) for name in ("heads", "width", "rounds")},
            "threads": () if self.threads is None else (self.threads,),
        }
        for name, values in sizes.items():
            if small := [value for value in values if value < 1]:
                raise ValueError(f"Plan: {name} must be at least 1, but got {small[0]}.")
        for name in self.subjects:
            _check_among("subjects", name, SUBJECTS)
        _check_among("dtype", self.dtype, DTYPES)
        _check_device(self.device)


def _check_among(what: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise ValueError(
            f"Plan: {what} must be among {', '.join(known)}, but got {name!r}."
        )


def _check_device(name: str) -> None:
    try:
        torch.empty(0, device=name)
    except Exception as error:  # every kind of device has exceptions of its own
        said = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"Plan: there is no device {name!r} here ({said}).") from error
