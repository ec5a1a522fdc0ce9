"""How kernels run: compiled for a GPU, or by Triton's interpreter on the CPU.

Triton decides when a function is decorated with ``@triton.jit``: with ``TRITON_INTERPRET=1`` in the
environment it becomes plain Python over numpy arrays. Triton's own functions, such as ``tl.sum``, are
decorated while it is imported, and torch's optimizers import it: the variable alone often comes too late.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any

import torch
from torch import Tensor

VARIABLE = "TRITON_INTERPRET"


def prepare() -> None:
    """Let kernels run on the CPU where there is no GPU, unless the environment says how they should run.

    Raises:
        ImportError: Triton is not installed.
    """
    if importlib.util.find_spec("triton") is None:
        raise ImportError(
            "Triton is not installed: it is published for Linux only (pip install triton). "
            "attend(backend='tiled') computes the same on any system."
        )
    if VARIABLE in os.environ or not torch.cuda.is_available():
        choose(os.environ.get(VARIABLE, "1"))


def interpret() -> None:
    """Run all kernels that are defined from now on in Triton's interpreter, also where there is a GPU."""
    choose("1")


def interpreted() -> bool:
    """Whether kernels that are defined now run in the interpreter."""
    from triton import knobs

    return knobs.runtime.interpret


def compiled(kernel: Any) -> bool:
    """Whether a kernel was defined to be compiled; otherwise the interpreter runs it."""
    from triton.runtime.jit import JITFunction

    return isinstance(kernel, JITFunction)


def refuse(caller: str, kernel: Any, x: Tensor) -> None:
    """Refuse tensors on which a kernel cannot run, or would compute something else.

    Raises:
        ValueError: The kernel is compiled and the tensor is not on a GPU, or the interpreter would run it on
            bfloat16.
    """
    if compiled(kernel) and not x.is_cuda:
        raise ValueError(
            f"{caller} has compiled its kernels for a GPU, but the tensors are on {x.device}. Call "
            "course.kernels.triton.interpret() before its first use to run them on the CPU, or choose "
            "backend='tiled' or 'cpu'."
        )
    if not compiled(kernel) and x.dtype == torch.bfloat16:
        raise ValueError(
            f"{caller} runs in Triton's interpreter here, which keeps bfloat16 as integers and computes "
            "wrong numbers without a word. Use float32 or float16, or backend='tiled'."
        )


def choose(value: str) -> None:
    """Set the variable, and decorate Triton's own functions again if it was imported without it."""
    os.environ[VARIABLE] = value
    if "triton" not in sys.modules or not interpreted():
        return
    from triton import language

    if not compiled(language.sum):
        return
    for module in (language.standard, language.random):
        importlib.reload(module)
    for name, item in list(vars(language).items()):
        if compiled(item):
            setattr(language, name, getattr(sys.modules[item.__module__], name))
