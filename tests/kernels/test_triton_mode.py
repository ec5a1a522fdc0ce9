"""Where kernels run, in processes of their own: the choice is made once in a process."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton", reason="Triton is published for Linux only")

pytestmark = pytest.mark.slow

LATE = """
import torch, triton, triton.language as tl
assert isinstance(tl.sum, triton.JITFunction)
from course.kernels.triton import interpret
interpret()

from course.kernels.triton.softmax import softmax
x = torch.randn(3, 5)
torch.testing.assert_close(softmax(x), x.softmax(-1))
print("interpreted")
"""
COMPILED = """
import torch
from course.kernels.triton.attend import attend
from course.kernels.triton.lab import Lab
q = torch.zeros(2, 4)
try:
    attend(q, q, q, mask=None, bias=None, causal=False, scale=1.0)
except ValueError as error:
    print(error)
with Lab():
    pass
"""
ABSENT = """
import sys
sys.modules["triton"] = None
import importlib.util
importlib.util.find_spec = lambda name: None
import course.kernels.triton
"""


def run(code, **environment):
    clean = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=clean | environment)


def test_triton_may_be_imported_before():
    ended = run(LATE)
    assert ended.stdout == "interpreted\n", ended.stderr


def test_compiled_kernels_refuse_tensors_of_the_cpu_and_the_lab():
    ended = run(COMPILED, TRITON_INTERPRET="0")
    assert ended.stdout.startswith("attend: backend='triton' has compiled its kernels for a GPU")
    assert "interpret()" in ended.stdout
    assert "RuntimeError: Lab: kernels are compiled" in ended.stderr


def test_without_triton_it_says_what_to_do():
    assert "ImportError: Triton is not installed: it is published for Linux only" in run(ABSENT).stderr
