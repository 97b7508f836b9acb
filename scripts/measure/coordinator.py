"""One run of our coordinator, and what can be seen of it from outside."""

import dataclasses
import pathlib
import re
import statistics
import subprocess
import threading
import time
import typing

from measure.commands import fail
from measure.machine import CORES
from measure.watch import loopback_bytes, watch_memory

LISTENING = re.compile(r"listening on (\S+)")
EACH = re.compile(r"([0-9.]+) ms per iteration")
DONE = re.compile(r"iteration ([0-9]+) of ([0-9]+) done")
COST = re.compile(r"Cost after iteration [0-9]+: (\S+)")


@dataclasses.dataclass(frozen=True)
class Fleet:
    """`workers` processes on this machine with `threads` each; 0 workers: one process, the coordinator itself."""

    precision: str
    workers: int
    threads: int

    def __str__(self):
        return name_of_fleet(self.workers)


def name_of_fleet(workers):
    return ["in process", "1 worker"][workers] if workers <= 1 else f"{workers} workers"


def threads_each(workers):
    """All cores shared out, as the coordinator does it by default."""
    return max(1, CORES // max(1, workers))


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a run, or several of one kind, took; None where there are no workers.

    `milliseconds` per iteration; `start_up` in seconds, from the start of the program to the first iteration; peaks of
    resident memory; the first and the last cost.
    """

    milliseconds: float
    start_up: float
    coordinator_kilobytes: typing.Optional[int]
    worker_kilobytes: typing.Optional[int]
    costs: list


def at_median(runs):
    """Median times; the highest memory."""
    def of(name, choose):
        values = [getattr(run, name) for run in runs if getattr(run, name) is not None]
        return choose(values) if values else None

    return Measured(of("milliseconds", statistics.median), of("start_up", statistics.median),
                    of("coordinator_kilobytes", max), of("worker_kilobytes", max), runs[-1].costs)


def accepts(coordinator, precision):
    """Whether this coordinator knows this `--precision`."""
    command = [coordinator, "--precision", precision, "--workers", "1", "--spawn", "--listen", "127.0.0.1:0",
               "--hidden", "none", "--iterations", "1"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ended.returncode != 0 and f"--precision: found `{precision}`" not in ended.stderr:
        fail(command, ended.returncode, ended.stdout + ended.stderr)
    return ended.returncode == 0


def iteration_bytes(coordinator, file, work, fleet, iterations=10):
    """What an iteration sends over TCP, to and fro, headers included: all bytes on the loopback device of a run with workers
    that are started by hand, less those of the same run with one iteration, which has the same columns."""
    several, one = (bytes_by_hand(coordinator, file, work, fleet, count) for count in (iterations + 1, 1))
    return None if several is None or one is None else (several - one) / iterations


def bytes_by_hand(coordinator, file, work, fleet, iterations):
    """All bytes on the loopback device, by whomever, while such a run is made."""
    command = [coordinator, "--train", file, "--hidden", work.hidden, "--init", work.init, "--precision", fleet.precision,
               "--iterations", str(iterations), "--workers", str(fleet.workers), "--listen", "127.0.0.1:0",
               "--even-shards"]
    before = loopback_bytes()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    workers, log = [], []
    try:
        for line in process.stderr:
            log.append(line)
            address = LISTENING.search(line)
            if address:
                worker = [pathlib.Path(coordinator).with_name("worker"), "--connect", address[1], "--threads",
                          str(fleet.threads), "-q"]
                workers += [subprocess.Popen(worker) for _ in range(fleet.workers)]
        if process.wait() != 0 or any(worker.wait() != 0 for worker in workers):
            fail(command, process.returncode, "".join(log))
    finally:
        for started in [process, *workers]:
            started.kill()
    return None if before is None else loopback_bytes() - before


def run(coordinator, file, work, fleet, iterations, options=()):
    command = [coordinator, "--train", file, "--hidden", work.hidden, "--init", work.init, "--seed", "1",
               "--learning-rate", "0.0075", "--precision", fleet.precision, "--iterations", str(iterations),
               "--print-every", str(iterations), "--threads", str(fleet.threads), "--workers", str(fleet.workers),
               *options]
    if fleet.workers:
        command += ["--spawn", "--listen", "127.0.0.1:0"]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        peaks = {}
        watcher = threading.Thread(target=watch_memory, args=(process, peaks))
        watcher.start()
        log, ended = follow(process.stderr)
        printed = process.stdout.read()
        process.wait()
        watcher.join()
    finally:
        process.kill()
    each, costs = EACH.search(log), COST.findall(printed)
    if process.returncode != 0 or not each or not costs or not ended:
        fail(command, process.returncode, printed + log)
    milliseconds = float(each[1])
    return Measured(milliseconds, ended - started - iterations * milliseconds / 1e3, peaks.get("coordinator"),
                    peaks.get("worker"), [float(costs[0]), float(costs[-1])])


def follow(stderr):
    """The log, and when it said that all iterations are done."""
    lines, ended = [], None
    for line in stderr:
        done = DONE.search(line)
        if done and done[1] == done[2]:
            ended = time.monotonic()
        lines.append(line)
    return "".join(lines), ended
