"""Full-batch gradient descent in PyTorch, in one process or, with DistributedDataParallel over gloo, in several.

A network is written in two ways: with nn.Linear, where an example is a row, and as W X + b, where it is a column, as in
the textbook. Which is faster depends on the machine, so both are tried first and the faster one is measured.
"""

import datetime
import os
import sys
import tempfile
import time

# Functions of libraries are looked up when they are first called: see environment.py.
sys.setdlopenflags(os.RTLD_LAZY)

import torch
from problem import LEARNING_RATE, arguments, columns, first_weights, report
from torch import distributed, multiprocessing, nn

TRIAL_ITERATIONS = 5


class Rows(nn.Module):
    """Z = A Wᵀ + b by nn.Linear, A of shape m × n_l."""

    def __init__(self, weights):
        super().__init__()
        layers = []
        for w in weights:
            linear = nn.Linear(w.shape[1], w.shape[0], dtype=w.dtype)
            linear.weight = nn.Parameter(w.clone())
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x):
        return self.layers(x).reshape(-1)


class Columns(nn.Module):
    """Z = W A + b, A of shape n_l × m; X is a transposed view."""

    def __init__(self, weights):
        super().__init__()
        self.w = nn.ParameterList(w.clone() for w in weights)
        self.b = nn.ParameterList(torch.zeros(len(w), 1, dtype=w.dtype) for w in weights)
        # A ParameterList costs a look-up of each name in each iteration.
        *self.hidden, self.last = zip(self.w, self.b)

    def forward(self, x):
        a = x.t()
        for w, b in self.hidden:
            a = torch.relu(torch.addmm(b, w, a))
        w, b = self.last
        return torch.addmm(b, w, a).reshape(-1)


def train(network, x, y, m, processes, iterations):
    """The seconds that it took, and this process's part of the first and the last cost."""
    if processes > 1:
        network = nn.parallel.DistributedDataParallel(network, gradient_as_bucket_view=True)
        distributed.barrier()
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    # DDP takes the mean over processes, but shards may differ by a column: this makes it the mean over all columns.
    criterion = nn.BCEWithLogitsLoss(reduction="sum")
    costs = []
    start = time.perf_counter()
    for _ in range(iterations):
        optimizer.zero_grad()
        cost = criterion(network(x), y) * (processes / m)
        cost.backward()
        optimizer.step()
        costs.append(cost.detach())
    return time.perf_counter() - start, torch.stack([costs[0], costs[-1]])


def faster_way(train_way, processes):
    """The same one in all processes."""
    ways = [Rows, Columns]
    for way in ways:
        train_way(way, 2)
    seconds = torch.tensor([train_way(way, TRIAL_ITERATIONS)[0] for way in ways])
    means = mean_over_processes(seconds, processes)
    return ways[means.index(min(means))]


def mean_over_processes(tensor, processes):
    if processes > 1:
        distributed.all_reduce(tensor)
    return (tensor / processes).tolist()


def work(rank, run, rendezvous):
    torch.set_num_threads(run.threads)
    if run.processes > 1:
        distributed.init_process_group("gloo", init_method=f"file://{rendezvous}/store", rank=rank,
                                       world_size=run.processes, timeout=datetime.timedelta(minutes=2))
    rows, labels, m = columns(run.data, run.precision, rank, run.processes)
    # Copies, since PyTorch aligns its arrays to cache lines and NumPy does not.
    x, y = torch.tensor(rows), torch.tensor(labels)
    weights = [torch.from_numpy(w).to(x.dtype) for w in first_weights([x.shape[1], *run.hidden, 1], run.init)]

    def train_way(way, iterations):
        return train(way(weights), x, y, m, run.processes, iterations)

    seconds, costs = train_way(faster_way(train_way, run.processes), run.iterations)
    costs = mean_over_processes(costs, run.processes)
    if rank == 0:
        report(seconds / run.iterations * 1e3, costs)
    if run.processes > 1:
        # Threads of gloo may still hold tensors, and would now and then abort an interpreter that shuts down.
        sys.stdout.flush()
        os._exit(0)


def main():
    run = arguments(__doc__)
    with tempfile.TemporaryDirectory() as rendezvous:
        if run.processes == 1:
            work(0, run, rendezvous)
        else:
            multiprocessing.spawn(work, (run, rendezvous), nprocs=run.processes)


if __name__ == "__main__":
    main()
