"""The EC2 driver's commands beside the AWS CLI's, both against moto: ec2.py DIRECTORY ROUNDS."""

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench import EBB, Daemon, Table, alternate, milliseconds, ratio, run, say

REGION, ZONE = "us-east-1", "us-east-1b"
VOLUMES = 100


def main():
    place, rounds = Path(sys.argv[1]), int(sys.argv[2])
    # Only this machine's server is asked, as nobody in particular.
    os.environ.update(
        AWS_ACCESS_KEY_ID="AKIDANYBODY", AWS_SECRET_ACCESS_KEY="any", AWS_EC2_METADATA_DISABLED="true",
        AWS_DEFAULT_REGION=REGION, AWS_CONFIG_FILE="/nowhere", NO_PROXY="127.0.0.1")
    table = Table("The EC2 driver beside the AWS CLI, against moto")
    server, endpoint = start(place)
    try:
        instance = json.loads(aws(
            endpoint, "run-instances", "--image-id", "ami-12c6146b", "--placement", f"AvailabilityZone={ZONE}"
        ))["Instances"][0]["InstanceId"]
        home = place / "home"
        options = ["--driver", "ec2", "--ec2-endpoint", endpoint, "--region", REGION, "--instance", instance]
        with Daemon(home, *options):
            measure(table, home, endpoint, rounds)
    finally:
        server.kill()
        server.wait()
    table.show()


def start(place):
    """moto on a free port, and its URL when it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = open(place / "moto.log", "wb")
    server = subprocess.Popen(
        [os.environ["EBB_MOTO_SERVER"], "--host", "127.0.0.1", "--port", str(port)], stdin=subprocess.DEVNULL,
        stdout=log, stderr=log)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, f"http://127.0.0.1:{port}"
        except ConnectionRefusedError:
            time.sleep(0.1)
    server.kill()
    sys.exit("moto does not answer")


def aws(endpoint, *command):
    return run("aws", "--endpoint-url", endpoint, "--output", "json", "ec2", *command)


def measure(table, home, endpoint, rounds):
    ebb = lambda *command: run(EBB, "--home", home, "volume", *command)
    numbers = itertools.count()
    create = lambda: ebb("create", f"volume{next(numbers)}", "--size", "1", "--volumetype", "gp3")
    say(f"making {VOLUMES} volumes")
    for _ in range(VOLUMES):
        create()
    ours, theirs = alternate(
        rounds, lambda: ebb("ls", "--format", "json"), lambda: aws(endpoint, "describe-volumes"))
    table.add(
        f"`ebb volume ls`, {VOLUMES} volumes", milliseconds(ours), "less", "`aws ec2 describe-volumes`",
        milliseconds(theirs), ratio(ours, theirs))
    ours, theirs = alternate(
        rounds, create,
        lambda: aws(
            endpoint, "create-volume", "--availability-zone", ZONE, "--size", "1", "--volume-type", "gp3"))
    table.add(
        "`ebb volume create`, until it is there", milliseconds(ours), "less", "`aws ec2 create-volume`",
        milliseconds(theirs), ratio(ours, theirs))


if __name__ == "__main__":
    main()
