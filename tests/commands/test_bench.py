"""The command `course bench`: what it writes, and what it refuses before it measures."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from course import bench
from course.commands.main import main


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr("course.bench.memory.extra_memory", lambda *_, **__: 1.0)  # it starts processes
    target, figure = tmp_path / "numbers.json", tmp_path / "figure.svg"
    sizes = ["--lengths", "32,64", "--memory-lengths", "256", "--heads", "2", "--rounds", "1"]
    files = ["--json", str(target), "--figure", str(figure)]
    result = CliRunner().invoke(main, ["bench", "attention", *sizes, "--subjects", "sdpa,naive", *files])
    assert result.exit_code == 0, result.output
    assert "naive" in result.output
    assert "T=64" in result.output
    numbers = json.loads(target.read_text(encoding="utf-8"))
    assert numbers["plan"]["lengths"] == [32, 64]
    assert {"command", "machine", "versions", "times", "memory", "notes"} <= set(numbers)
    assert {row["direction"] for row in numbers["memory"]} == {"forward", "backward"}
    assert numbers["versions"]["torch"]
    assert figure.read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--subjects", "nothing"], "but got 'nothing'"),
        (["--lengths", "a,b"], "whole numbers with commas"),
        (["--memory-lengths", "a"], "whole numbers with commas"),
        (["--lengths", "0"], "at least 1, but got 0"),
        (["--dtype", "foo"], "dtype must be among float32"),
        (["--device", "foo"], "there is no device 'foo' here"),
        (["--json", "missing/numbers.json"], "there is no folder missing"),
        (["--figure", "missing/figure.svg"], "there is no folder missing"),
        (["--json", "."], "it is a folder"),
    ],
)
def test_the_command_refuses_in_one_sentence_before_it_measures(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "measure", lambda *arguments: pytest.fail("it measures"))
    result = CliRunner().invoke(main, ["bench", "attention", *arguments])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1
    assert said in result.output


@pytest.mark.parametrize(
    ("arguments", "weighed"),
    [(["--lengths", "128"], (128,)), (["--lengths", "128", "--memory-lengths", "64"], (64,))],
)
def test_memory_follows_the_lengths(arguments, weighed, monkeypatch):
    plans = []

    def measure(plan, tell):
        plans.append(plan)
        return bench.Report(plan)

    monkeypatch.setattr(bench, "measure", measure)
    assert CliRunner().invoke(main, ["bench", "attention", *arguments]).exit_code == 0
    assert plans[0].memory_lengths == weighed
