"""Attention measured over the length: all backends and their peers, forwards and backwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial

import torch
from torch import Tensor

from course.bench import machine, memory
from course.bench.plan import Plan
from course.bench.stopwatch import interleave
from course.bench.subjects import SUBJECTS, Attention, Unavailable

FIRST = next(iter(SUBJECTS))
LIMIT = 2.0
"""Seconds after which a slow subject takes no further turns."""


@dataclass
class Report:
    """What was measured.

    Attributes:
        plan: What was asked for.
        times: One row for each subject, length, causal or not, and direction, with seconds and the ratio to
            torch's fused kernel in the same run.
        first: One row for each subject, length, causal or not, with the seconds of its first call, in which
            some of them compile.
        memory: One row for each subject, length and direction, with MiB beyond the inputs.
        notes: What could not be measured, and why.
    """

    plan: Plan
    times: list[dict] = field(default_factory=list)
    first: list[dict] = field(default_factory=list)
    memory: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def ratio(self, subject: str, n: int, causal: bool, direction: str) -> float | None:
        """The time of a subject over that of torch's fused kernel; None if it was not measured."""
        for row in self.times:
            if (row["subject"], row["n"], row["causal"], row["direction"]) == (
                subject,
                n,
                causal,
                direction,
            ):
                return row["ratio"]
        return None

    def as_json(self) -> dict:
        """Everything, with the machine, the versions and the command, ready to be written."""
        of = {
            "command": machine.command(),
            "machine": machine.machine(),
            "versions": machine.versions(),
        }
        of["machine"]["threads"] = self.plan.threads or torch.get_num_threads()
        return of | asdict(self)


def measure(plan: Plan, tell: Callable[[str], None] = lambda text: None) -> Report:
    """Carry out a plan.

    Args:
        plan: What to measure.
        tell: Gets a line for each step, and for each subject that cannot be measured.

    Returns:
        The report.

    """
    report, before = Report(plan), torch.get_num_threads()
    torch.set_num_threads(plan.threads or before)
    try:
        for n in plan.lengths:
            for causal in (False, True):
                tell(f"time, T = {n}, {'causal' if causal else 'full'}")
                _time(report, n, causal)
    finally:
        torch.set_num_threads(before)
    for n in plan.memory_lengths if plan.device == "cpu" else ():
        tell(f"memory, T = {n}, causal")
        _weigh(report, n)
    for text in report.notes:
        tell(text)
    return report


def _time(report: Report, n: int, causal: bool) -> None:
    plan, device = report.plan, torch.device(report.plan.device)
    torch.manual_seed(0)
    shape, dtype = (1, plan.heads, n, plan.width), getattr(torch, plan.dtype)
    q, k, v, grad = (torch.randn(shape, device=device, dtype=dtype) for _ in range(4))
    found = dict(_found(report, n, causal, (q, k, v)))
    _keep(
        report,
        n,
        causal,
        "forward",
        {name: partial(f, q, k, v, causal) for name, f in found.items()},
    )
    leaves = [x.requires_grad_() for x in (q, k, v)]
    runs = {}
    for name, attention in found.items():
        if not SUBJECTS[name].backward:
            report.note(f"{name}: no backward pass on this device")
        elif _fits(report, name, n, plan.heads, backward=True):
            out = attention(*leaves, causal)
            runs[name] = partial(torch.autograd.grad, out, leaves, grad, retain_graph=True)
    _keep(report, n, causal, "backward", runs)


def _found(
    report: Report, n: int, causal: bool, tensors: tuple[Tensor, ...]
) -> Iterator[tuple[str, Attention]]:
    """The subjects that can be measured; each has run once, and given what the first gave."""
    plan, expected = report.plan, None
    for name in SUBJECTS:
        if name not in {FIRST, *plan.subjects} or not _fits(
            report, name, n, plan.heads, backward=False
        ):
            continue
        try:
            start = time.perf_counter()
            attention = SUBJECTS[name].make(n, causal, torch.device(plan.device))
            out = attention(*tensors, causal)
            took = time.perf_counter() - start
        except Unavailable as reason:
            report.note(f"{name}: {reason}")
            continue
        except Exception as error:  # a peer that breaks must not take the others with it
            report.note(
                f"{name}: {type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
            )
            continue
        expected = out if expected is None else expected
        if not torch.allclose(
            out, expected, rtol=1e-2, atol=1e-3 if plan.dtype == "float32" else 3e-2
        ):
            report.note(
                f"{name}: its output differs from that of {FIRST} at T = {n}; not timed"
            )
            continue
        report.first.append({"subject": name, "n": n, "causal": causal, "seconds": took})
        yield name, attention


def _fits(report: Report, name: str, n: int, heads: int, backward: bool) -> bool:
    """Whether the matrices of weights that a subject holds at once leave half of the memory free."""
    need = SUBJECTS[name].quadratic[backward] * heads * n * n * 4 / 2**20
    if report.plan.device == "cpu" and need > memory.available() / 2:
        report.note(
            f"{name}: {need:,.0f} MiB of weights at T = {n} are too many for this computer"
        )
        return False
    return True


def _keep(
    report: Report, n: int, causal: bool, direction: str, runs: dict[str, Callable]
) -> None:
    alone = report.plan.threads == 1 and report.plan.device == "cpu"
    clock = time.process_time if alone else time.perf_counter
    took = interleave(runs, report.plan.rounds, clock=clock, limit=LIMIT)
    for name, best in took.items():
        row = {
            "subject": name,
            "n": n,
            "causal": causal,
            "direction": direction,
            "seconds": best,
        }
        report.times.append(row | {"ratio": best / took[FIRST]})


def _weigh(report: Report, n: int) -> None:
    for name in report.plan.subjects:
        # What a compiler needs for itself is no memory of attention.
        if name in ("triton", "flex", "compiled"):
            continue
        for backward in (False, True)[: 1 + SUBJECTS[name].backward]:
            if not _fits(report, name, n, 1, backward):
                continue
            try:
                extra = memory.extra_memory(
                    name, n, causal=True, backward=backward, width=report.plan.width
                )
            except RuntimeError as error:
                report.note(f"{name}: memory at T = {n}: {error}")
                continue
            direction = "backward" if backward else "forward"
            report.memory.append(
                {"subject": name, "n": n, "direction": direction, "mib": extra}
            )
