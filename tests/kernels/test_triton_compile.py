"""The kernels compiled for GPUs that are not here."""

import pytest

pytest.importorskip("triton", reason="Triton is published for Linux only")

from course.kernels.triton.compile import KERNELS, Request, compile

pytestmark = pytest.mark.slow  # it starts a process that compiles
SHARED = {80: 163 * 1024, 90: 227 * 1024}
"""What a program may take at most."""

PLAIN = [Request(name, arch, tile=(64, 64), warps=4, stages=2) for name in KERNELS for arch in SHARED]
OTHERS = [
    Request(name, 80, dtype=dtype, width=40, extras=True, tile=(32, 32), warps=4, stages=2)
    for name, dtype in zip(KERNELS, ("bfloat16", "float32", "float16"), strict=True)
]


@pytest.fixture(scope="module")
def made():
    return dict(zip([*PLAIN, *OTHERS], compile([*PLAIN, *OTHERS]), strict=True))


@pytest.fixture
def kernels(made):
    return {(request.kernel, request.arch): made[request] for request in PLAIN}


@pytest.mark.parametrize("arch", SHARED)
@pytest.mark.parametrize("name", KERNELS)
def test_shared_memory_and_registers_fit(kernels, name, arch):
    made = kernels[name, arch]
    assert 0 < made.shared <= SHARED[arch]
    assert 0 < made.registers <= 255
    assert f".target sm_{arch}" in made.ptx


@pytest.mark.parametrize(("name", "products"), [*zip(KERNELS, (2, 4, 3), strict=True)])
def test_matrix_products_run_on_the_tensor_cores(kernels, name, products):
    """One wgmma multiplies 64 rows of a tile over 16 entries; both loops, inside and at the edge, do."""
    new, old = kernels[name, 90], kernels[name, 80]
    assert new.count("wgmma.mma_async") == 2 * products * 64 // 16
    assert new.count("mma.sync") == 0
    # One mma.sync of a warp: 16 rows, 8 columns, 16 entries; a warp has 16 of the 64 rows.
    assert old.count("mma.sync") == 2 * products * (64 // 8) * (64 // 16)
    assert old.count("wgmma.mma_async") == 0


def test_the_inner_loop_takes_powers_of_two_and_no_bounds(kernels):
    inside, edge = sorted(kernels["forward", 90].loops, key=len)
    # 64 × 64 scores over 128 threads, and one factor for each of a thread's two rows.
    assert inside.count("ex2.approx") == edge.count("ex2.approx") == 64 * 64 // 128 + 2
    assert edge.count("setp") > inside.count("setp") + 32


@pytest.mark.parametrize("request_", OTHERS, ids=lambda request: f"{request.kernel} {request.dtype}")
def test_other_dtypes_odd_widths_and_extras_compile(made, request_):
    assert 0 < made[request_].shared <= SHARED[80]


def test_what_cannot_be_compiled_is_refused():
    with pytest.raises(ValueError, match="kernel must be one of forward"):
        compile([Request("sideways")])
    with pytest.raises(ValueError, match="dtype must be one of float16"):
        compile([Request(dtype="int8")])
    with pytest.raises(RuntimeError, match=r"compile: .*"):
        compile([Request(tile=(48, 48))])
