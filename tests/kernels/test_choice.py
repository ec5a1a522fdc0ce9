"""What ``backend="auto"`` chooses, and that the choice computes the same."""

import importlib.util

import pytest
import torch

from course.attention import attend
from course.kernels.choice import SMALL, choose

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)


@pytest.fixture
def compiler(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")


def test_short_sequences_make_the_matrix(compiler):
    assert choose(CPU, torch.float32, SMALL).backend == "einsum"


def test_long_sequences_on_the_cpu(compiler):
    choice = choose(CPU, torch.float32, SMALL + 1)
    assert choice == ("cpu", "float32 on the CPU, built with /bin/g++")
    assert choose(CPU, torch.float64, SMALL + 1).backend == "tiled"


def test_without_a_compiler(no_compiler):
    choice = choose(CPU, torch.float32, SMALL + 1)
    assert choice == ("tiled", "no C++ compiler was found for the kernels of the CPU")


@pytest.mark.parametrize("installed", [False, True])
def test_on_a_gpu(installed, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if installed else None)
    assert choose(GPU, torch.float16, SMALL + 1).backend == ("triton" if installed else "tiled")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_key", [5, 400])
def test_it_computes_the_same(dtype, n_key):
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, n, 8, generator=draw, dtype=dtype) for n in (300, n_key, n_key))
    came, expected = (attend(q, k, v, causal=True, backend=name) for name in ("auto", "einsum"))
    torch.testing.assert_close(came, expected)


def test_an_unknown_backend_is_refused():
    q = torch.zeros(2, 3)
    with pytest.raises(ValueError, match=r"backend must be one of loop, .*, auto, but got 'flash'"):
        attend(q, q, q, backend="flash")
