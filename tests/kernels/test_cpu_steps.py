"""The steps on the way to the kernel, and C++ that runs in a process of its own."""

from __future__ import annotations

import pytest
import torch
from attention_cases import assert_same, exact, uneven

from course.attention import attend, log_sum_exp, scaled_dot_product
from course.kernels.cpu import CompileError, NoCompiler, compiler
from course.kernels.cpu.apart import Crashed, run_apart
from course.kernels.cpu.steps import STEPS, backward_by_definition, step

try:
    compiler()
except NoCompiler:
    pytest.skip("no C++ compiler", allow_module_level=True)

SIZES = [(5, 7, 4, 6), (70, 131, 16, 19), (131, 70, 7, 32)]  # queries, keys, d_k, d_v


def inputs(n_query, n_key, d_k, d_v):
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(2, n, d, generator=draw) for n, d in ((n_query, d_k), (n_key, d_k), (n_key, d_v))]


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("causal", [False, True])
def test_every_step_is_attention(name, sizes, causal):
    q, k, v = inputs(*sizes)
    expected = exact(attend, [q, k, v], causal=causal, scale=q.shape[-1] ** -0.5)
    assert_same([step(name)(q, k, v, causal)], expected, torch.float32)


def test_fast_flags_leave_the_numbers_of_the_process_alone():
    """Linked with -ffast-math, a library would make everything in its process flush small numbers to zero."""
    step("scalar, fast flags")
    assert float(torch.tensor(1e-40) * 1) > 0


def test_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match=r"must be one of scalar, .* but got 'faster'"):
        step("faster")


@pytest.mark.parametrize("sizes", SIZES)
def test_the_backward_pass_by_definition(sizes):
    q, k, v = inputs(*sizes)
    out, lse = attend(q, k, v), log_sum_exp(scaled_dot_product(q, k))
    came = [out, *backward_by_definition(q, k, v, out, lse, uneven(out))]
    assert_same(came, exact(attend, [q, k, v], scale=q.shape[-1] ** -0.5), torch.float32)


SOURCE = """
#line 1 "your code"
extern "C" void scale(const float* x, float* y, long n, float a, bool twice) {
    for (long i = 0; i < n; i++) y[i] = (twice ? 2 : 1) * a * x[i];
    BODY
}
"""


def scale(body, **options):
    x, y = torch.arange(4.0), torch.full((2, 2), torch.nan)
    return run_apart(SOURCE.replace("BODY", body), "scale", [x, y, 4, 1.5, True], **options)


def test_arrays_come_back(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    x, y = scale("")
    assert x.tolist() == [0, 1, 2, 3]
    assert y.tolist() == [[0, 3], [6, 9]]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("y[n] = 1;", "writes before or beyond array 2"),
        ("*(volatile int*)8 = 1;", "crashed with signal 11"),
        ("while (twice) a = a + *(volatile float*)y;", "ran for 1 seconds without an end"),
        ("__builtin_abort();", "crashed with signal 6"),
    ],
)
def test_what_goes_wrong_is_told(body, said):
    with pytest.raises(Crashed, match=said):
        scale(body, timeout=1)


def test_an_error_is_told_with_its_line():
    with pytest.raises(CompileError, match=r"^line 3: 'z' was not declared in this scope$"):
        scale("z = 1;")
