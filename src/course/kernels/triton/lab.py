"""The IO lab: Triton's interpreter with a memory that counts what kernels load and store.

It also notices what a GPU does not. An access outside of every tensor is counted, and not carried out. An
access to a number that another program of the same launch writes is counted too: the interpreter runs
programs one after another, a GPU in any order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor
from triton.runtime.interpreter import (
    GridExecutor,
    InterpreterBuilder,
    TensorHandle,
    _get_np_dtype,
    interpreter_builder,
)

from course.kernels.triton.memory import Memory
from course.kernels.triton.mode import interpreted


@dataclass
class Program:
    """What one program did to memory.

    Attributes:
        kernel: The kernel that it ran.
        launch: The number of the launch, from 0.
        place: Its place in the grid.
        loaded: Bytes that it read, each time that it read them.
        stored: Bytes that it wrote.
        operations: Floating-point operations in its products of tiles, those on padding included.
        outside: Accesses to addresses in no tensor of the launch. Loads of floats give NaN there, others 0.
        raced: Accesses that conflict with one of another program: one of the two writes.
    """

    kernel: str
    launch: int
    place: tuple[int, int, int]
    loaded: int = 0
    stored: int = 0
    operations: int = 0
    outside: int = 0
    raced: int = 0


@dataclass
class Lab:
    """Count the memory accesses of all kernels that run inside ``with Lab() as lab:``.

    Bytes are those of the lanes that a mask lets through. An atomic operation loads and stores, and does not
    race with others of its kind.

    Attributes:
        programs: What each program did, in the order in which they ran.
        loaded_from: Bytes loaded from each argument, by its name in the kernel.
        stored_to: Bytes stored to each argument.

    Raises:
        RuntimeError: The kernels of this process are compiled for a GPU, whose memory cannot be watched.
    """

    programs: list[Program] = field(default_factory=list)
    loaded_from: Counter[str] = field(default_factory=Counter)
    stored_to: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._kernel, self._launches, self._memory = "", 0, Memory({})

    @property
    def loaded(self) -> int:
        """Bytes loaded by all programs."""
        return sum(program.loaded for program in self.programs)

    @property
    def stored(self) -> int:
        """Bytes stored by all programs."""
        return sum(program.stored for program in self.programs)

    @property
    def operations(self) -> int:
        """Floating-point operations in products of tiles, by all programs."""
        return sum(program.operations for program in self.programs)

    @property
    def outside(self) -> int:
        """Accesses outside of the tensors, by all programs."""
        return sum(program.outside for program in self.programs)

    @property
    def raced(self) -> int:
        """Accesses that race, by all programs."""
        return sum(program.raced for program in self.programs)

    def __enter__(self) -> Lab:
        if not interpreted():
            raise RuntimeError(
                "Lab: kernels are compiled for a GPU here, and its memory cannot be watched. Call "
                "course.kernels.triton.interpret() before any kernel is defined."
            )
        self._unwatched = GridExecutor._init_args_hst
        lab, unwatched = self, self._unwatched

        def watched(executor: GridExecutor, args: Any, kwargs: Any) -> Any:
            args, kwargs = unwatched(executor, args, kwargs)
            lab.launch(
                executor.fn.__name__,
                dict(zip(executor.arg_names, args, strict=False)) | kwargs,
            )
            return args, kwargs

        GridExecutor._init_args_hst = watched
        interpreter_builder.__class__, interpreter_builder.lab = _Watched, self
        return self

    def __exit__(self, *_: Any) -> None:
        GridExecutor._init_args_hst = self._unwatched
        interpreter_builder.__class__ = InterpreterBuilder
        del interpreter_builder.lab

    def launch(self, kernel: str, arguments: dict[str, Any]) -> None:
        """Begin a launch: from here on, addresses are those of its arguments."""
        self._kernel, self._launches = kernel, self._launches + 1
        self._memory = Memory(
            {name: x for name, x in arguments.items() if isinstance(x, Tensor)}
        )

    def program(self, place: tuple[int, int, int]) -> None:
        """Begin a program: what comes from here on is its doing."""
        self.programs.append(Program(self._kernel, self._launches - 1, place))

    def access(
        self, pointers: TensorHandle, mask: TensorHandle, *, loads: bool, stores: bool
    ) -> TensorHandle:
        """Count an access, and return the mask of the lanes for which there is a memory to access."""
        program, size = self.programs[-1], _get_np_dtype(pointers.get_element_ty()).itemsize
        lanes = mask.data.astype(
            bool
        )  # conditions on single numbers make masks of integers
        inside = np.zeros_like(lanes)
        # An atomic operation conflicts with none of its kind: it leaves no trace.
        writes = stores and not loads
        for touched in self._memory.touch(pointers.data, lanes, len(self.programs), writes):
            inside |= touched.lanes
            n_bytes = size * int(touched.lanes.sum())
            program.raced += touched.raced
            if loads:
                program.loaded += n_bytes
                self.loaded_from[touched.name] += n_bytes
            if stores:
                program.stored += n_bytes
                self.stored_to[touched.name] += n_bytes
        program.outside += int((lanes & ~inside).sum())
        return TensorHandle(inside, mask.dtype)


class _Watched(InterpreterBuilder):
    """The interpreter's operations, of which those on memory are reported to a lab."""

    lab: Lab

    def set_grid_idx(self, x: int, y: int, z: int) -> None:
        super().set_grid_idx(x, y, z)
        self.lab.program((x, y, z))

    def create_masked_load(
        self, ptrs: Any, mask: Any, other: Any, *hints: Any
    ) -> TensorHandle:
        inside = self.lab.access(ptrs, mask, loads=True, stores=False)
        loaded = super().create_masked_load(ptrs, inside, other, *hints)
        lost = mask.data.astype(bool) & ~inside.data
        if lost.any():
            nothing = np.nan if np.issubdtype(loaded.data.dtype, np.floating) else 0
            loaded = TensorHandle(
                np.where(lost, nothing, loaded.data).astype(loaded.data.dtype), loaded.dtype
            )
        return loaded

    def create_masked_store(self, ptrs: Any, value: Any, mask: Any, *hints: Any) -> Any:
        inside = self.lab.access(ptrs, mask, loads=False, stores=True)
        return super().create_masked_store(ptrs, value, inside, *hints)

    def create_dot(self, a: Any, b: Any, *rest: Any) -> TensorHandle:
        self.lab.programs[-1].operations += 2 * a.data.size * b.data.shape[-1]
        return super().create_dot(a, b, *rest)

    def create_atomic_rmw(
        self, operation: Any, ptr: Any, value: Any, mask: Any, *order: Any
    ) -> TensorHandle:
        inside = self.lab.access(ptr, mask, loads=True, stores=True)
        return super().create_atomic_rmw(operation, ptr, value, inside, *order)
