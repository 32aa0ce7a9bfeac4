"""The daemon and its command line, without Docker: daemon.py DIRECTORY (made, on a disk, and removed)."""

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import EBB, Daemon, Table, alternate, milliseconds, ratio, remove, run, say, timed

FEW, MANY, CREATES = 100, 10_000, 500
ZONE = "us-east-1b"


def main():
    place = Path(sys.argv[1])
    memory = Path(tempfile.mkdtemp(prefix="ebb-bench.", dir="/dev/shm"))
    table = Table("The control plane")
    try:
        with Daemon(place / "few") as daemon:
            fill(daemon, FEW)
        listing(table, place / "few", FEW, "< 30 ms", rounds=30)
        creating(table, place, "< 5 ms", "durable")
        table.add("one `fsync` on that disk, for scale", "", "", "python", syncing(place), "")
        creating(table, memory, "", "in `/dev/shm`: without the disk")
        with Daemon(place / "many") as daemon:
            say(f"creating {MANY} volumes")
            say(f"{fill(daemon, MANY):.0f} volumes a second, 16 at a time")
        listing(table, place / "many", MANY, "< 300 ms", rounds=15)
        starting(table, place / "many")
    finally:
        remove(place)
        remove(memory)
    table.show()


def environment(home):
    return {**os.environ, "EBB_HOME": str(home)}


def fill(daemon, count):
    """Creates volumes over 16 connections; gives how many a second."""
    def create(numbers):
        rpc = daemon.rpc()
        for number in numbers:
            rpc.call("Ebb.CreateVolume", **driverRequest(f"volume{number}"))
        rpc.close()

    lanes = min(16, count)
    with ThreadPoolExecutor(lanes) as pool:
        seconds = timed(lambda: list(pool.map(create, [range(lane, count, lanes) for lane in range(lanes)])))
    return count / seconds


def driverRequest(name):
    return dict(zone=ZONE, sizeGiB=1, type="gp3", isEncrypted=False, isMultiAttachEnabled=False, tags={"Name": name})


# MARK: Listing

def listing(table, home, count, aim, rounds):
    """The peer is sqlite3 on a copy of the catalog: a program that starts, reads the same rows and prints them."""
    copy = home / "peer.sqlite"
    source = sqlite3.connect(home / "var/lib/ebb/catalog.sqlite")
    target = sqlite3.connect(copy)
    source.backup(target)
    source.close()
    target.execute("PRAGMA journal_mode = DELETE")
    target.close()
    with Daemon(home) as daemon:
        ls = lambda form: run(EBB, "volume", "ls", "--format", form, env=environment(home))
        for form in ["table", "yml"]:
            if (lines := len(ls(form).splitlines())) < count:
                sys.exit(f"'ebb volume ls' printed {lines} lines for {count} volumes")
        peer = lambda: run("sqlite3", "-column", copy, "SELECT * FROM volumes")
        ours, yaml, theirs = alternate(rounds, lambda: ls("table"), lambda: ls("yml"), peer)
        for form, seconds in [("a table", ours), ("YAML", yaml)]:
            table.add(
                f"`ebb volume ls`, {count} volumes, {form}", milliseconds(seconds), aim, "`sqlite3`: the same rows",
                milliseconds(theirs), ratio(seconds, theirs))
        rpc = daemon.rpc()
        calls, _ = alternate(rounds, lambda: rpc.call("Ebb.ListHostVolumes"), lambda: None)
        say(f"of that, the call by itself, read by python: {milliseconds(calls)}")
        rpc.close()


# MARK: Creating

class Peer:
    """What a durable create has to do at the least: a row with synchronous=FULL, a sparse file, three syncs."""

    def __init__(self, place):
        (place / "volumes").mkdir(parents=True)
        self.place = place
        self.database = sqlite3.connect(place / "peer.sqlite", isolation_level=None)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute(
            "CREATE TABLE volumes (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, name TEXT, state TEXT,"
            " sizeGiB INTEGER)")

    def create(self, name):
        file = os.open(self.place / "volumes" / name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        os.ftruncate(file, 1 << 30)
        os.fsync(file)
        os.close(file)
        directory = os.open(self.place / "volumes", os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)
        self.database.execute(
            "INSERT INTO volumes (id, name, state, sizeGiB) VALUES (?, ?, 'available', 1)", ("vol-" + name, name))


def creating(table, place, aim, where):
    peer = Peer(place / "peer")
    with Daemon(place / "create") as daemon:
        rpc = daemon.rpc()
        method, request = createMethod(rpc)
        names = iter(f"c{number}" for number in range(10 * CREATES))
        ours, theirs = alternate(
            CREATES, lambda: rpc.call(method, **request(next(names))), lambda: peer.create(next(names)))
        rpc.close()
    table.add(
        f"`{method}`, {where}", milliseconds(ours), aim, "python: row, file, 3 syncs", milliseconds(theirs),
        ratio(ours, theirs))


def createMethod(rpc):
    """CSI's, once the daemon has it."""
    def csiRequest(name):
        mode = {"mount": {}, "accessMode": {"mode": "SINGLE_NODE_WRITER"}}
        return dict(name=name, capacityRange={"requiredBytes": str(1 << 30)}, volumeCapabilities=[mode])

    try:
        rpc.call("Controller.CreateVolume", **csiRequest("first"))
        return "Controller.CreateVolume", csiRequest
    except RuntimeError as error:
        if "no method" not in str(error):
            raise
        return "Ebb.CreateVolume", driverRequest


def syncing(place):
    def grow():
        file = os.open(place / "sync", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.write(file, b"x" * 4096)
        os.fsync(file)
        os.close(file)

    return milliseconds([timed(grow) for _ in range(50)])


# MARK: Starting

def starting(table, home):
    """The peer reads the same rows and looks at the same files, as start-up must; in python."""
    ready, resident = [], []
    for _ in range(5):
        with Daemon(home) as daemon:
            ready.append(daemon.secondsToReady)
            rpc = daemon.rpc()
            rpc.call("Ebb.ListHostVolumes")
            rpc.close()
            resident.append(daemon.residentMiB())
    peer, peerResident = [], 0
    for _ in range(5):
        started = time.perf_counter()
        output = run(sys.executable, "-c", PEER, home)
        peer.append(time.perf_counter() - started)
        peerResident = float(output)
    table.add(
        f"ready with {MANY} volumes", milliseconds(ready), "< 2 s", "python: rows read, files looked at",
        milliseconds(peer), ratio(ready, peer))
    table.add(
        f"resident with {MANY} volumes, after a listing", f"{statistics.median(resident):.0f} MiB", "< 150 MB",
        "python: the rows", f"{peerResident:.0f} MiB", f"{statistics.median(resident) / peerResident:.2f}")


PEER = """
import os, sqlite3, sys
home = sys.argv[1]
rows = list(sqlite3.connect(home + "/peer.sqlite").execute("SELECT * FROM volumes"))
for row in rows: os.stat(f"{home}/var/lib/ebb/volumes/{row[1]}")
print(next(int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmRSS:")))
"""

main()
