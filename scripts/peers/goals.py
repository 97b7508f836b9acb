"""The goals: who does which work, against whom, and how many times as fast we want to be."""

import dataclasses

from measure.coordinator import name_of_fleet
from measure.machine import CORES
from measure.works import FOUR_LAYERS, FOUR_LAYERS_MANY_COLUMNS, LARGE_LAYERS, TWO_LAYERS, Work

# Of one process: the goals were set on two cores.
THREADS = 2


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Who does the work. `processes` counts the workers of Lockstep; with 0 it works in process."""

    program: str
    precision: str
    processes: int
    threads: int

    def __str__(self):
        if self.program == "numpy":
            return "NumPy"
        if self.program == "torch":
            return f"DDP {self.processes}" if self.processes > 1 else "PyTorch"
        return name_of_fleet(self.processes)


def ours(precision, workers=0, threads=None):
    return Fleet("lockstep", precision, workers, threads or threads_each(workers))


def numpy():
    return Fleet("numpy", "f64", 1, THREADS)


def torch(precision, processes=1):
    return Fleet("torch", precision, processes, threads_each(processes))


def threads_each(processes):
    """All cores shared out among two processes, and one for each of more."""
    if processes <= 1:
        return THREADS
    return max(1, CORES // 2) if processes == 2 else 1


@dataclasses.dataclass(frozen=True)
class Row:
    work: Work
    ours: Fleet
    peer: Fleet
    goal: str

    def __str__(self):
        return f"{self.work}, {self.ours.precision}, {self.ours}, {self.peer_name}"

    @property
    def peer_name(self):
        return str(self.peer) if self.peer.precision == self.ours.precision else f"{self.peer} {self.peer.precision}"

    @property
    def cells(self):
        return [self.work.network, str(self.work.m), self.ours.precision, str(self.ours.processes), self.peer_name]


ROWS = [
    Row(FOUR_LAYERS, ours("f64"), numpy(), "≥ 4.5"),
    Row(FOUR_LAYERS, ours("f64"), torch("f64"), "≥ 2.4"),
    Row(FOUR_LAYERS, ours("f32"), torch("f32"), "≥ 2.6"),
    Row(TWO_LAYERS, ours("f64"), numpy(), "≥ 7"),
    Row(TWO_LAYERS, ours("f64"), torch("f64"), ""),
    Row(FOUR_LAYERS, ours("f64", 2), torch("f64", 2), "≥ 3"),
    Row(FOUR_LAYERS, ours("f64", 4), torch("f64", 4), "≥ 3"),
    Row(FOUR_LAYERS, ours("mixed", 4), torch("f32", 4), "≥ 4"),
    Row(FOUR_LAYERS_MANY_COLUMNS, ours("f64", 2), torch("f64", 2), "≥ 3"),
    Row(FOUR_LAYERS_MANY_COLUMNS, ours("f64", 2, threads=1), ours("f64", 1, threads=1), "≥ 1.85"),
    Row(LARGE_LAYERS, ours("f64"), numpy(), "≥ 1.3"),
    Row(LARGE_LAYERS, ours("f64"), torch("f64"), "> 1"),
]
