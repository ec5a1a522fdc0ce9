"""Run C++ that nobody has proven yet in a process of its own: it may crash, hang, or write anywhere."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from course.kernels.cpu.build import CompileError, compiled

FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-Wall")
"""Quick to compile; NaN and infinity mean what they should."""

GUARD = 64
"""Numbers before and after each array that must not change."""

# The other process imports nothing but ctypes, so that it starts in a moment.
CHILD = f"""
import ctypes, os, pickle, struct, sys
path, name, arguments = pickle.load(sys.stdin.buffer)
answers = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)
guard = b"\\xaa\\xbb\\xcc\\x7f" * {GUARD}
passed, buffers = [], []
for value in arguments:
    if isinstance(value, bytes):
        buffers.append(ctypes.create_string_buffer(guard + value + guard))
        passed.append(ctypes.c_void_p(ctypes.addressof(buffers[-1]) + len(guard)))
    else:
        passed.append({{bool: ctypes.c_bool, int: ctypes.c_long, float: ctypes.c_float}}[type(value)](value))
function = getattr(ctypes.CDLL(path), name)
function.restype = None
function(*passed)
after = [buffer.raw[:-1] for buffer in buffers]
whole = [raw[:len(guard)] == guard == raw[-len(guard):] for raw in after]
pickle.dump(([raw[len(guard):-len(guard)] for raw in after], whole), answers)
answers.close()
"""


class Crashed(RuntimeError):
    """The function ended the process, hung, or wrote beyond its arrays."""


def run_apart(
    source: str,
    name: str,
    arguments: Sequence[Tensor | int | float | bool],
    timeout: float = 10,
) -> list[Tensor]:
    """Compile C++ and call one of its functions in a process of its own.

    Tensors of float32 arrive as pointers, with numbers around them that make no sense; whole numbers as long,
    others as float or bool.

    Args:
        source: C++ text, which defines `name` as ``extern "C" void``.
        name: The function.
        arguments: What to call it with.
        timeout: Seconds that the call may take.

    Returns:
        The tensors as they are after the call, in order.

    Raises:
        CompileError: The compiler refused the source; the message is its first error.
        Crashed: The call did not end well; the message says how.
    """
    try:
        path = compiled(source, FLAGS)
    except CompileError as error:
        raise CompileError(_first_error(str(error))) from None
    tensors = [x.contiguous() for x in arguments if isinstance(x, Tensor)]
    plain = [_bytes(x) if isinstance(x, Tensor) else x for x in arguments]
    command = [sys.executable, "-I", "-S", "-c", CHILD]
    try:
        ended = subprocess.run(
            command,
            input=pickle.dumps((str(path), name, plain)),
            capture_output=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Crashed(
            f"it ran for {timeout:.0f} seconds without an end: a loop that never stops?"
        ) from None
    if ended.returncode != 0:
        raise Crashed(_last_words(ended.returncode, ended.stderr.decode(errors="replace")))
    contents, whole = pickle.loads(ended.stdout)
    if not all(whole):
        raise Crashed(
            f"it writes before or beyond array {whole.index(False) + 1} of its arguments."
        )
    return [
        torch.frombuffer(bytearray(raw), dtype=torch.float32).reshape(x.shape)
        for raw, x in zip(contents, tensors, strict=True)
    ]


def _bytes(x: Tensor) -> bytes:
    return x.detach().contiguous().numpy().tobytes()


def _first_error(text: str) -> str:
    found = re.search(r"^([^\n:]+):(\d+):\d+: (?:fatal )?error: (.+)$", text, re.MULTILINE)
    return f"line {found[2]}: {found[3]}" if found else text


def _last_words(status: int, said: str) -> str:
    if status < 0:
        return (
            f"it crashed with signal {-status}: does it read or write where nothing lies?"
        )
    lines = said.strip().splitlines()
    return lines[-1] if lines else f"it ended with status {status}."
