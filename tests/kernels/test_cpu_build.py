"""How C++ is built: by which compiler, where it is kept, and what is said where that cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import compilers
import pytest

from course.kernels.cpu import CompileError, NoCompiler, build, cache, compiler
from course.kernels.cpu.build import FLAGS, _macros, _made, compiled
from course.kernels.cpu.steps import FAST

try:
    REAL = compiler()[0]
except NoCompiler:
    pytest.skip("no C++ compiler", allow_module_level=True)

SOURCE = 'extern "C" int answer() { return 42; }'


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def test_build_keeps_what_it_built(empty_cache, monkeypatch):
    assert build(SOURCE).answer() == 42
    (made,) = empty_cache.iterdir()
    stamp = made.stat().st_mtime_ns
    assert build(SOURCE).answer() == 42
    assert made.stat().st_mtime_ns == stamp
    assert build(SOURCE.replace("42", "43")).answer() == 43
    assert build(SOURCE, FLAGS[:-1]).answer() == 42
    assert len(list(empty_cache.iterdir())) == 3
    assert cache() == empty_cache


def test_build_takes_a_file(empty_cache, tmp_path):
    path = tmp_path / "answer.cpp"
    path.write_text(SOURCE, encoding="utf-8")
    assert build(path).answer() == 42


@pytest.mark.slow
def test_two_processes_build_at_once(empty_cache):
    script = f"from course.kernels.cpu.build import build; assert build('''{SOURCE}''').answer() == 42"
    both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert [path.suffix for path in empty_cache.iterdir()] == [".so"]


def test_a_refused_source_says_what_the_compiler_said(empty_cache):
    with pytest.raises(CompileError, match=r"source\.cpp:1:\d+: error: .*antwort") as caught:
        build("int answer() { return antwort; }")
    assert str(empty_cache) not in str(caught.value)
    assert not empty_cache.exists()


@pytest.mark.parametrize("wanted", ["", "no-such-compiler -O1"])
def test_without_a_compiler(wanted, empty_cache, monkeypatch):
    monkeypatch.setenv("CXX", wanted)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoCompiler, match=r"Install g.. or clang.., or use attend with backend='tiled'"):
        compiler()


# Nothing is wrong with an empty library until a function is asked for: tests/kernels/test_choice.py does.
@pytest.mark.parametrize("kind", sorted(compilers.BROKEN.keys() - {"makes an empty library"}))
def test_a_compiler_that_does_not_work(kind, empty_cache, monkeypatch, tmp_path):
    script, said = compilers.BROKEN[kind]
    monkeypatch.setenv("CXX", str(compilers.write(tmp_path / "c++", script)))
    with pytest.raises(CompileError, match=said):
        build(SOURCE)


def test_the_compiler_may_be_named_with_arguments(empty_cache, monkeypatch, tmp_path):
    """As with CXX="ccache g++"; the arguments are part of what was built."""
    passing = compilers.write(tmp_path / "passing", 'exec "$@"')
    for answer in (42, 43):
        monkeypatch.setenv("CXX", f"{passing} {REAL} -DANSWER={answer}")
        assert compiler() == [str(passing), REAL, f"-DANSWER={answer}"]
        assert build(SOURCE.replace("42", "ANSWER")).answer() == answer


@pytest.mark.parametrize("way", ["a file is in the way", "nothing can be made there"])
def test_a_cache_that_cannot_be_written(way, monkeypatch, tmp_path):
    """The library is built for this process, once; the superuser may write anywhere but in /proc."""
    folder = Path("/proc") if way == "nothing can be made there" else tmp_path / "file" / "kernels"
    if not folder.parent.exists():
        folder.parent.write_text("")
    monkeypatch.setenv("COURSE_CACHE", str(folder))
    assert build(SOURCE).answer() == 42
    assert not compiled(SOURCE).is_relative_to(folder)
    assert compiled(SOURCE) == compiled(SOURCE)


def test_a_library_that_was_cut_short_is_made_anew(empty_cache):
    compiled(SOURCE).write_bytes(b"")
    assert build(SOURCE).answer() == 42
    assert compiled(SOURCE).stat().st_size > 0


def test_two_machines_may_share_a_cache(empty_cache, monkeypatch, tmp_path):
    """Code for one processor must not be loaded on another; -march=native means something else on each."""
    native = "\n".join(
        (
            "for x; do",
            "    shift",
            '    [ "$x" = -march=native ] && x=-DPROCESSOR=$PROCESSOR',
            '    set -- "$@" "$x"',
            "done",
            f'exec {REAL} "$@"',
        )
    )
    monkeypatch.setenv("CXX", str(compilers.write(tmp_path / "native", native)))
    both = set()
    for processor in ("1", "2"):
        monkeypatch.setenv("PROCESSOR", processor)
        _macros.cache_clear()  # another machine is another process, too
        _made.cache_clear()
        both.add(compiled(SOURCE.replace("42", "PROCESSOR")))
    assert len(both) == 2


def test_options_for_the_processor_may_be_unknown(empty_cache, monkeypatch, tmp_path):
    """A compiler that refuses -march=native, or options of another family, builds without them."""
    picky = compilers.write(
        tmp_path / "picky", f'for x; do case "$x" in -m*) exit 1;; esac; done\nexec {REAL} "$@"'
    )
    monkeypatch.setenv("CXX", str(picky))
    assert build(SOURCE, FAST).answer() == 42
