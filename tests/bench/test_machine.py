"""What a measurement says of the machine that it was made on."""

from __future__ import annotations

import platform
import subprocess

import pytest
import torch

from course.bench import machine as module
from course.bench.machine import machine
from course.exercises.doctor import _processor as doctor


def test_the_machine_names_its_processor_vectors_and_threads():
    here = machine()
    assert here["processor"]
    assert here["vectors"] == torch.backends.cpu.get_cpu_capability()
    assert here["threads"] == torch.get_num_threads()


def test_the_doctor_says_the_same():
    here, found = machine(), doctor().found
    assert all(str(here[key]) in found for key in ("processor", "vectors", "threads", "processors"))


@pytest.mark.parametrize(
    ("linux", "macos", "expected"),
    [
        ("Intel(R) Xeon(R) Processor", None, "Intel Xeon Processor"),
        (None, "Apple M2", "Apple M2"),
        (None, None, platform.processor() or platform.machine()),
    ],
)
def test_each_system_is_asked_in_its_own_way(monkeypatch, linux, macos, expected):
    monkeypatch.setattr(module, "_by_linux", lambda: linux)
    monkeypatch.setattr(module, "_by_macos", lambda: macos)
    assert machine()["processor"] == expected


def test_a_system_without_sysctl_has_no_name_from_it(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    assert module._by_macos() is None
