"""A kernel that runs cells one by one and survives cells that never end or end the kernel."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass, field
from queue import Empty

from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel, start_new_kernel

ANSI = re.compile(r"\x1b\[[0-9;]*m")
ARROW = re.compile(r"^-+> (\d+) (.*)$", re.MULTILINE)
PLACE = re.compile(r" \((?:[^()]*, )?line (\d+)\)$")
PATIENCE = 5.0
LOADING = 120.0


@dataclass(frozen=True)
class Reply:
    """What came of one cell.

    Attributes:
        status: "ok", "error", "timeout" (stopped) or "dead" (the kernel ended).
        name: The type of the exception.
        message: Its text.
        line: Where in the cell it happened, such as ``line 3: `x = y` ``.
        printed: What the cell wrote to its standard output.
    """

    status: str
    name: str = ""
    message: str = ""
    line: str = ""
    printed: str = ""

    @property
    def error(self) -> str:
        """The exception in one line."""
        return f"{self.name}: {self.message}" if self.message else self.name


class Kernel(RunningKernel):
    """nbval's kernel of this Python; nbval itself would leave a file open."""

    def __init__(self, folder: str) -> None:
        self.km, self.kc = start_new_kernel(
            kernel_name=CURRENT_ENV_KERNEL_NAME, cwd=folder, stderr=subprocess.DEVNULL
        )
        self._ensure_iopub_up()


@dataclass
class Session:
    """Runs cells in a kernel of this Python.

    Attributes:
        folder: Where the kernel runs.
        timeout: Seconds that one cell may take.
        preface: Source that runs first in each new kernel.
    """

    folder: str
    timeout: float
    preface: str = ""
    _kernel: Kernel | None = None
    _history: list[str] = field(default_factory=list)

    def start(self) -> Reply:
        """Start a kernel, run the preface and whatever ran before without ending the kernel."""
        self._kernel = Kernel(self.folder)
        reply = self._execute(self.preface, max(self.timeout, LOADING))
        for source in self._history:
            self._execute(source, self.timeout)
        return reply

    def run(self, source: str) -> Reply:
        """Run one cell, in a new kernel if the last one ended."""
        if not self._alive():
            self.stop()
            self.start()
        reply = self._execute(source, self.timeout)
        if reply.status in ("ok", "error"):
            self._history.append(source)
        return reply

    def stop(self) -> None:
        """End the kernel."""
        if self._kernel is not None:
            self._kernel.stop()
            self._kernel = None

    def _alive(self) -> bool:
        return self._kernel is not None and self._kernel.is_alive()

    def _execute(self, source: str, timeout: float) -> Reply:
        assert self._kernel is not None
        message = self._kernel.execute_cell_input(source, allow_stdin=False)
        deadline = time.monotonic() + timeout
        printed: list[str] = []
        if self._wait(message, deadline, printed):
            return self._reply(message, "".join(printed))
        if not self._alive():
            return Reply("dead")
        self._kernel.interrupt()
        if not self._wait(message, time.monotonic() + PATIENCE, printed) or not self._reply(
            message, ""
        ):
            self.stop()
        return Reply("timeout")

    def _wait(self, message: str, deadline: float, printed: list[str]) -> bool:
        """Read what the cell sends until it is done; False if it is not by the deadline."""
        while time.monotonic() < deadline:
            try:
                sent = self._kernel.get_message("iopub", timeout=0.2)
            except Empty:
                if not self._alive():
                    return False
                continue
            if sent["parent_header"].get("msg_id") != message:
                continue
            content = sent["content"]
            if sent["msg_type"] == "stream" and content["name"] == "stdout":
                printed.append(content["text"])
                del printed[:-1000]
            elif sent["msg_type"] == "status" and content["execution_state"] == "idle":
                return True
        return False

    def _reply(self, message: str, printed: str) -> Reply:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                sent = self._kernel.get_message("shell", timeout=0.5)
            except Empty:
                if not self._alive():
                    break
                continue
            if sent["parent_header"].get("msg_id") == message:
                return _read(sent["content"], printed)
        return Reply("dead")


def _read(content: dict, printed: str) -> Reply:
    if content["status"] == "ok":
        return Reply("ok", printed=printed)
    text = " ".join(ANSI.sub("", content.get("evalue", "")).split())
    place = PLACE.search(text)
    arrows = ARROW.findall(ANSI.sub("", "\n".join(content.get("traceback", []))))
    line = f"line {arrows[0][0]}: `{arrows[0][1].strip()}`" if arrows else ""
    if place:
        text, line = text[: place.start()], f"line {place[1]}"
    return Reply("error", content.get("ename", ""), text, line, printed)
