"""Docker's commands against Ebb and against the engine's own volumes: docker.py SOCKET PID DIRECTORY.

SOCKET is a private engine's, PID a process in its namespaces, DIRECTORY where Ebb has its home (made and removed).
"""

import http.client
import json
import socket
import sys
import time

from bench import Daemon, Table, alternate, milliseconds, ratio, remove, run, say, spread, timed

VOLUMES = 1_000
LINGER = 2


class Engine(http.client.HTTPConnection):
    """The engine's API, which makes a thousand volumes sooner than its command line."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, path, body=None):
        text = json.dumps(body) if body is not None else None
        self.request(method, path, text, {"Content-Type": "application/json"})
        response = self.getresponse()
        answer = response.read()
        if response.status >= 300:
            sys.exit(f"{method} {path}: {answer.decode()}")


def main():
    path, pid, home = sys.argv[1:]
    inside = ["nsenter", "--target", pid, "--mount", "--net", "--uts", "--ipc", "--pid", "--"]
    docker = lambda *words: run("docker", "--host", f"unix://{path}", *words)
    engine = Engine(path)
    table = Table("Docker")
    say(f"making {VOLUMES} local volumes")
    for number in range(VOLUMES):
        engine.call("POST", "/volumes/create", {"Name": f"local{number}"})
    local, _ = alternate(10, lambda: docker("volume", "ls"), lambda: None)
    for number in range(VOLUMES):
        engine.call("DELETE", f"/volumes/local{number}")
    with Daemon(home, "--docker-directory", "/run/docker/plugins", "--detach-linger", f"{LINGER}s", prefix=inside) as ebb:
        say(f"making {VOLUMES} volumes of Ebb's")
        rpc = ebb.rpc()
        for number in range(VOLUMES):
            rpc.call("Ebb.CreateHostVolume", name=f"ebb{number}", sizeGiB=1, type="gp3")
        rpc.close()
        listing = lambda: docker("volume", "ls")
        if (lines := listing().count(b"ebb")) < VOLUMES:
            sys.exit(f"'docker volume ls' shows {lines} of {VOLUMES} volumes")
        ours, _ = alternate(10, listing, lambda: None)
        table.add(
            f"`docker volume ls`, {VOLUMES} volumes", milliseconds(ours), "< 1 s", "as many `local` volumes",
            milliseconds(local), ratio(ours, local))
        running(table, docker, ebb.rpc())
    remove(home)
    table.show()


def running(table, docker, rpc):
    docker("volume", "create", "plain")
    container = lambda volume: docker("run", "--rm", "-v", f"{volume}:/test", "busybox", "true")
    say("the first format: %.2f s" % timed(lambda: container("ebb0")))
    warm, local = alternate(10, lambda: container("ebb0"), lambda: container("plain"))
    add(table, "still mounted from before", warm, local)
    cold, local = [], []
    for _ in range(7):
        waitUntilDetached(rpc)
        cold.append(timed(lambda: container("ebb0")))
        local.append(timed(lambda: container("plain")))
    add(table, "attached and mounted anew", cold, local)
    waitUntilDetached(rpc)
    rpc.close()


def waitUntilDetached(rpc):
    """Until the linger is over, and a little longer, so that its work is not measured."""
    for _ in range(100 * (LINGER + 10)):
        if not rpc.call("Ebb.GetHostVolume", volume={"name": "ebb0"})["volume"]["attachments"]:
            return time.sleep(0.5)
        time.sleep(0.01)
    sys.exit("the volume stays attached")


def add(table, what, ours, local):
    more = spread(ours)[0] - spread(local)[0]
    table.add(
        f"`docker run --rm -v …`, {what}", milliseconds(ours), f"local + 1 s (is + {more:.2f} s)", "a `local` volume",
        milliseconds(local), ratio(ours, local))


main()
