"""What the control plane's measurements share: a daemon, its RPC, medians, and a table."""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

EBB = os.environ["EBB"]
EBBD = os.environ["EBBD"]


# So that what is under way is stopped and removed.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


class RPC:
    """One connection; one call at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")
        self.id = 0

    def call(self, method, **parameters):
        self.id += 1
        request = {"jsonrpc": "2.0", "id": self.id, "method": method, "params": parameters}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer = json.loads(self.lines.readline())
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def close(self):
        self.lines.close()
        self.socket.close()


class Daemon:
    """An ebbd with a home of its own; inside another machine's namespaces with `prefix`."""

    def __init__(self, home, *arguments, prefix=()):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.socket = self.home / "run/ebb/ebb.sock"
        self.prefix = list(prefix)
        self.log = open(self.home / "ebbd.log", "ab")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [*self.prefix, EBBD, "--home", str(self.home), "--log-level", "warn", *arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        while not self.socket.exists():
            if self.process.poll() is not None or time.perf_counter() - started > 60:
                self.stop()
                sys.exit(f"ebbd does not serve:\n{(self.home / 'ebbd.log').read_text()[-3000:]}")
            time.sleep(0.001)
        self.secondsToReady = time.perf_counter() - started

    def rpc(self):
        return RPC(self.socket)

    def residentMiB(self):
        """Supervisor and worker; what both map counts twice."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sum(resident(pid) for pid in [self.process.pid, *children])

    def stop(self):
        if self.process.poll() is None:
            if self.prefix:
                pid = (self.home / "run/ebb/ebbd.pid").read_text().strip()
                subprocess.run([*self.prefix, "kill", "-TERM", pid], check=False)
            else:
                self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no memory of {pid}")


def timed(body):
    started = time.perf_counter()
    body()
    return time.perf_counter() - started


def run(*command, **options):
    result = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr.decode()[-1000:]}")
    return result.stdout


def alternate(rounds, *bodies):
    """Runs the bodies in turn, so that what else the machine does falls on all; a list of seconds for each."""
    for body in bodies:
        body()  # The first of each fills caches and is not counted.
    times = [[] for _ in bodies]
    for _ in range(rounds):
        for body, seconds in zip(bodies, times):
            seconds.append(timed(body))
    return times


def spread(seconds):
    """The median with the first and the ninth decile."""
    ordered = sorted(seconds)
    low, high = ordered[len(ordered) // 10], ordered[-1 - len(ordered) // 10]
    return statistics.median(ordered), low, high


def milliseconds(seconds):
    median, low, high = spread(seconds)
    return f"{median * 1e3:.1f} ms ({low * 1e3:.1f}–{high * 1e3:.1f})"


def ratio(seconds, peer):
    return f"{statistics.median(seconds) / statistics.median(peer):.2f}"


class Table:
    """Rows of: what, Ebb, aim, peer, the peer's figure, ratio."""

    def __init__(self, title):
        self.title = title
        self.load = os.getloadavg()[0]
        self.rows = [("what", "Ebb", "aim", "peer", "peer's", "ratio")]

    def add(self, *cells):
        self.rows.append(tuple(str(cell) for cell in cells))
        say(" | ".join(self.rows[-1]))

    def show(self):
        widths = [max(len(row[column]) for row in self.rows) for column in range(len(self.rows[0]))]
        print(f"\n{self.title}\n")
        for number, row in enumerate(self.rows):
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
            if number == 0:
                print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
        print(
            f"\nMedians, with the first and ninth decile. {os.cpu_count()} cores; load {self.load:.1f} before, "
            f"{os.getloadavg()[0]:.1f} after; Linux {os.uname().release}.", flush=True)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
