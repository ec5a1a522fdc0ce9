"""What ``backend="auto"`` chooses, and that the choice computes the same."""

import importlib.util
import shlex

import compilers
import pytest
import torch

from course.attention import attend
from course.exercises import doctor
from course.kernels import backends, choice
from course.kernels.choice import SMALL, choose
from course.kernels.cpu import CompileError, NoCompiler, compiler
from course.kernels.cpu.interface import kernel

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def anew(monkeypatch, tmp_path):
    """As in a process that has not tried the kernels yet."""
    caches = choice._compiled, backends._warn, kernel
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "kernels"))
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


def compiler_is_there():
    try:
        return bool(compiler())
    except NoCompiler:
        return False


def test_short_sequences_make_the_matrix():
    assert choose(CPU, torch.float32, SMALL).backend == "einsum"


@pytest.mark.skipif(not compiler_is_there(), reason="no C++ compiler")
def test_long_sequences_on_the_cpu():
    chosen = choose(CPU, torch.float32, SMALL + 1)
    assert chosen == ("cpu", f"float32 on the CPU, built with {shlex.join(compiler())}", False)
    assert choose(CPU, torch.float64, SMALL + 1).backend == "tiled"


def test_without_a_compiler(anew, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    chosen = choose(CPU, torch.float32, SMALL + 1)
    assert chosen == ("tiled", "no C++ compiler was found for the kernels of the CPU", False)
    assert not doctor._compiler().ok


@pytest.mark.skipif(not compiler_is_there(), reason="no C++ compiler")
@pytest.mark.parametrize("kind", compilers.BROKEN)
def test_a_compiler_that_does_not_work(anew, kind, monkeypatch, tmp_path):
    """It is tried once; another backend stands in, which is said once; the one that was named fails."""
    script, said = compilers.BROKEN[kind]
    path, calls = tmp_path / "c++", tmp_path / "calls"
    monkeypatch.setenv("CXX", str(compilers.write(path, script and f"echo >> {calls}\n{script}")))
    q = torch.randn(1, 1, 300, 4, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match=f"'tiled': the kernels in C.. do not work here: .*{said}"):
        came = attend(q, q, q, backend="auto")
    torch.testing.assert_close(came, attend(q, q, q, backend="einsum"))
    before = calls.stat().st_size if script else 0
    assert torch.equal(attend(q, q, q, backend="auto"), came)  # a second warning would be an error
    assert (calls.stat().st_size if script else 0) == before
    with pytest.raises(CompileError, match=said):
        attend(q, q, q, backend="cpu")
    finding = doctor._compiler()
    assert not finding.ok
    assert finding.optional
    assert "tiled" in doctor._backends().found


def test_kernels_that_compute_something_else_are_not_used(anew, monkeypatch):
    monkeypatch.setattr("course.kernels.cpu.trial.attend", lambda q, k, v, **options: 2 * v)
    monkeypatch.setattr("course.kernels.cpu.trial.kernel", lambda name: None)
    assert "compute something else" in choose(CPU, torch.float32, SMALL + 1).reason


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
