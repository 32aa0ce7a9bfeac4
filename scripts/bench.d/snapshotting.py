"""Snapshots of a daemon's volumes as `scripts/bench snapshots` measures them: calls, copies, writers, first reads."""

import json
import mmap
import os
import random
import signal
import subprocess
import time
from contextlib import contextmanager

from bench import Daemon, resident, run, say, timed
from snapshot_peers import BLOCK, storedBytes

ZONE, TIB_IN_GIB = "us-east-1b", 1024


class Site:
    """A daemon in a place of its own, and one connection to it."""

    def __init__(self, place):
        self.home = place / "home"

    def __enter__(self):
        self.daemon = Daemon(self.home)
        try:
            self.rpc = self.daemon.rpc()
            self.instance = self.rpc.call("Ebb.RegisterInstance", name="bench", zone=ZONE)["id"]
        except BaseException:
            self.daemon.stop()
            raise
        return self

    def __exit__(self, *_):
        self.rpc.close()
        self.daemon.stop()

    @property
    def store(self):
        return self.home / "var/lib/ebb/snapshots/objects"

    def backing(self, volume):
        return self.home / "var/lib/ebb/volumes" / volume

    # MARK: Volumes

    def create(self, type="local", sizeGiB=TIB_IN_GIB, **more):
        request = dict(zone=ZONE, type=type, sizeGiB=sizeGiB, isEncrypted=False, isMultiAttachEnabled=False, tags={})
        return self.rpc.call("Ebb.CreateVolume", **request | more)["id"]

    def attach(self, volume):
        """The attached volume's file."""
        answer = self.rpc.call("Ebb.AttachVolume", volumeID=volume, instanceID=self.instance, preempt=False)
        return answer["location"]["file"]["path"]

    def remove(self, volume):
        attachments = self.rpc.call("Ebb.DescribeVolumes", ids=[volume])["volumes"][0]["attachments"]
        for attachment in attachments:
            self.rpc.call("Ebb.DetachVolume", volumeID=volume, instanceID=attachment["instanceID"], force=False)
        self.rpc.call("Ebb.DeleteVolume", volumeID=volume)

    # MARK: Snapshots

    def snapshot(self, volume):
        """The snapshot's id; the call by itself is what `timed` measures."""
        return self.rpc.call("Ebb.CreateSnapshots", sources=[dict(volumeID=volume, tags={})])["snapshots"][0]["id"]

    def describe(self, snapshot):
        return self.rpc.call("Ebb.DescribeSnapshots", ids=[snapshot])["snapshots"][0]

    def waitUntilComplete(self, snapshot):
        while (state := self.describe(snapshot))["state"] == "pending":
            time.sleep(0.01)
        if state["state"] != "completed":
            raise RuntimeError(f"{snapshot}: {state.get('stateMessage')}")

    def complete(self, volume):
        """A snapshot from the call until it is complete, which is durable."""
        snapshot = self.snapshot(volume)
        self.waitUntilComplete(snapshot)
        return snapshot

    def delete(self, *snapshots):
        """Returns when the store has given their space back, or nothing more goes."""
        for snapshot in snapshots:
            self.rpc.call("Ebb.DeleteSnapshot", snapshotID=snapshot)
        before = None
        while (now := storedBytes(self.store)) != before and now > BLOCK:
            before = now
            time.sleep(0.5)

    # MARK: Memory

    def workerMiB(self):
        return resident(self.worker)

    @property
    def worker(self):
        pid = self.daemon.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return int(file.read().split()[0])

    @contextmanager
    def peakMiB(self, peaks):
        """Adds how far the worker's memory rose meanwhile above what it was before."""
        before = self.workerMiB()
        with open(f"/proc/{self.worker}/clear_refs", "w") as file:
            file.write("5")
        yield
        with open(f"/proc/{self.worker}/status") as file:
            peak = next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:"))
        peaks.append(peak - before)


# MARK: Writing and reading through a loop device

@contextmanager
def loopDevice(file):
    device = run("losetup", "--find", "--show", "--direct-io=on", file).decode().strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=False)


def fioCommand(device, rw, block, depth, *more):
    return ["fio", "--name=bench", f"--filename={device}", f"--rw={rw}", f"--bs={block}", f"--iodepth={depth}",
            "--ioengine=libaio", "--direct=1", "--output-format=json", "--norandommap", "--refill_buffers", *more]


def fill(device, gib):
    """The first GiB of the volume, with bytes that nothing can make smaller, and others each time."""
    run(*fioCommand(device, "write", "1M", 8, f"--size={gib}g", "--end_fsync=1", "--randrepeat=0"))


class Writer:
    """fio in the background: 4 KiB writes at random places of the first GiB, while `with` lasts."""

    def __init__(self, device, gib, depth, *more):
        self.command = fioCommand(
            device, "randwrite", "4k", depth, f"--size={gib}g", "--time_based", "--runtime=3600", *more)

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            time.sleep(1)  # So that it writes.
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, *_):
        # fio ends a run at SIGINT, and reports it.
        self.process.send_signal(signal.SIGINT)
        try:
            output, errors = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, errors = self.process.communicate()
        text = output.decode()
        report = json.loads(text[text.index("{"):]) if "{" in text else {"jobs": [{"error": errors.decode()[-500:]}]}
        job = report["jobs"][0]
        if job["error"] not in (0, 4):  # 4: it was interrupted.
            raise RuntimeError(f"fio: error {job['error']}")
        self.iops = job["write"]["iops"]
        self.p99 = job["write"]["clat_ns"]["percentile"]["99.000000"] / 1e9


def readRate(device, rw, gib, seconds):
    """I/Os a second."""
    output = run(*fioCommand(
        device, rw, "4k", 32, f"--size={gib}g", "--time_based", f"--runtime={seconds}"))
    job = json.loads(output)["jobs"][0]
    return job["read"]["iops"] + job["write"]["iops"]


def firstReads(file, blocks):
    """Seconds of a 4 KiB read in each of the blocks, past the page cache."""
    descriptor = os.open(file, os.O_RDONLY | os.O_DIRECT)
    page = mmap.mmap(-1, 4096)
    try:
        return [timed(lambda: os.preadv(descriptor, [page], block * BLOCK + 8192)) for block in blocks]
    finally:
        os.close(descriptor)


def readAll(file, gib):
    run("dd", f"if={file}", "of=/dev/null", "bs=1M", f"count={gib << 10}", "iflag=direct", "status=none")


def someBlocks(gib, count, seed):
    return random.Random(seed).sample(range(gib << 11), count)


# MARK: What is measured

def callsUnderLoad(site, volume, device, gib, depth, rounds, seconds, *writer):
    """In turns: the writer alone, and the writer while snapshots are taken, each once the one before is complete. The
    first of each turn copies everything."""
    calls, alone, cut, snapshots = [], [], [], []
    for number in range(rounds):
        with Writer(device, gib, depth, *writer) as load:
            time.sleep(seconds)
        alone.append(load.p99)
        with Writer(device, gib, depth, *writer) as load:
            until = time.perf_counter() + seconds
            while time.perf_counter() < until or len(snapshots) < 3:
                calls.append(timed(lambda: snapshots.append(site.snapshot(volume))))
                site.waitUntilComplete(snapshots[-1])
                time.sleep(0.2)
        cut.append(load.p99)
        say(f"writer's p99 {alone[-1] * 1e3:.2f} ms alone, {cut[-1] * 1e3:.2f} ms with {len(calls)} cuts so far, "
            f"{load.iops:.0f} IOPS")
        site.delete(*snapshots)
        snapshots.clear()
    return calls, alone, cut
