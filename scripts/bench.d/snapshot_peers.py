"""What others do with the same image: cp, qemu-img, restic, and cp --reflink on an xfs of its own."""

import os
import random
import subprocess
from contextlib import contextmanager

from bench import remove, run, timed

BLOCK = 512 << 10


def copySparsely(image, copy):
    """Until the copy is durable, as a snapshot is when it is complete."""
    run("cp", "--sparse=always", image, copy)
    run("sync", "-f", copy)


def qemuConvert(image, copy):
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", image, copy)
    run("sync", "-f", copy)


def qemuSnapshot(image, name):
    """Nothing may have the image open meanwhile."""
    run("qemu-img", "snapshot", "-c", name, image)


class Restic:
    """A repository of its own; without compression, since the bytes are random and Ebb does not compress."""

    def __init__(self, place):
        self.repository = place / "restic"
        self.environment = {
            **os.environ, "RESTIC_REPOSITORY": str(self.repository), "RESTIC_PASSWORD": "bench",
            "RESTIC_CACHE_DIR": str(place / "restic-cache")}
        self.place = place
        run("restic", "init", env=self.environment)

    def backup(self, image):
        run("restic", "backup", "--compression", "off", image, env=self.environment)
        run("sync", "-f", self.repository)

    def storedBytes(self):
        return storedBytes(self.repository)

    def remove(self):
        remove(self.repository)
        remove(self.place / "restic-cache")


@contextmanager
def sharingFilesystem(place, sizeGiB):
    """An xfs whose files can share extents, in a file. Its mount ends with this process's namespace at the latest, and
    its loop device with the mount."""
    image, mount = place / "xfs.img", place / "xfs"
    mount.mkdir()
    with open(image, "wb") as file:
        file.truncate(sizeGiB << 30)
    run("mkfs.xfs", "-q", "-m", "reflink=1", image)
    run("mount", "-o", "loop", image, mount)
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=False)
        image.unlink()
        mount.rmdir()


def reflink(image, copy):
    run("cp", "--reflink=always", image, copy)


def storedBytes(directory):
    """What the files below take on the disk."""
    total = 0
    for path, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:
                continue  # It is being removed.
    return total


def changeBlocks(path, sizeBytes, part, seed):
    """Writes 4 KiB into so large a part of a file's blocks, anywhere in them; gives how many blocks."""
    draw = random.Random(seed)
    blocks = sizeBytes // BLOCK
    chosen = draw.sample(range(blocks), max(1, int(blocks * part)))
    file = os.open(path, os.O_WRONLY)
    try:
        for block in chosen:
            os.pwrite(file, draw.randbytes(4096), block * BLOCK + draw.randrange(BLOCK // 4096) * 4096)
        os.fsync(file)
    finally:
        os.close(file)
    return len(chosen)


def forget(directory):
    """Lets the page cache forget the files below, which must be durable."""
    for path, _, names in os.walk(directory):
        for name in names:
            file = os.open(os.path.join(path, name), os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def coldReads(path, blocks):
    """How long it takes to read whole blocks of a file that is not in the page cache."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        # Each by itself, as a block's object is read: nothing is read ahead.
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        return [timed(lambda: os.pread(file, BLOCK, block * BLOCK)) for block in blocks]
    finally:
        os.close(file)
