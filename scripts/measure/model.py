"""What an iteration costs by theory: operations, bytes, and the time that follows from both.

Symbols: m columns, n_0 … n_L units, P = Σ_l n_l (n_{l-1} + 1) parameters.
"""

import dataclasses
import itertools
import math

# Bytes of a number on the wire. In `mixed` workers have their parameters in f64, but only sums travel, in f32.
WIDTHS = {"f64": 8, "mixed": 4, "f32": 4}


def parameters(sizes):
    return sum(n * (inputs + 1) for inputs, n in zip(sizes, sizes[1:]))


def flop(sizes, m):
    """Multiplications and additions: 2 n_l n_{l-1} m each for Z_l, for dW_l and, from layer 2 on, for dA_{l-1}."""
    products = [2 * n * inputs * m for inputs, n in zip(sizes, sizes[1:])]
    return 2 * sum(products) + sum(products[1:])


def wire_bytes(sizes, precision, workers):
    """Of an iteration: to every worker P numbers (parameters, or in `mixed` the sums over the batch), and back P + 1 for
    each node: the sums of dW, db and the loss.

    A worker has one node if it is one of 1, 2, 4, 8, … equal ones.
    """
    return workers * (2 * parameters(sizes) + 1) * WIDTHS[precision]


def is_odd(measured_bytes, bytes_by_theory):
    """Whether other programs have used the device on which these bytes were counted, or shards were moved."""
    return abs(measured_bytes / bytes_by_theory - 1) > 0.05


@dataclasses.dataclass(frozen=True)
class Constants:
    """t = FLOP / (rate · cores computing) + bytes · cost per byte + fixed, all in seconds and on one machine."""

    seconds_per_flop: float
    seconds_per_byte: float
    fixed_seconds: float

    def seconds(self, case):
        return sum(constant * amount for constant, amount in zip(dataclasses.astuple(self), amounts(case)))


@dataclasses.dataclass(frozen=True)
class Case:
    """Workers with `threads` each on a machine with `cores`, which train a network on m columns."""

    sizes: tuple
    m: int
    precision: str
    workers: int
    threads: int
    cores: int


def amounts(case):
    """What each of the constants is multiplied by."""
    computing = min(case.workers * case.threads, case.cores)
    return flop(case.sizes, case.m) / computing, wire_bytes(case.sizes, case.precision, case.workers), 1


def fit(cases, seconds):
    """The constants, none below 0, with the least sum of squares of (model / measured − 1)."""
    rows = [[amount / measured for amount in amounts(case)] for case, measured in zip(cases, seconds)]
    best, least = None, math.inf
    for kept in itertools.chain.from_iterable(itertools.combinations(range(3), size) for size in (1, 2, 3)):
        solution = least_squares([[row[column] for column in kept] for row in rows])
        if solution is None or min(solution) < 0:
            continue
        constants = Constants(*(solution[kept.index(column)] if column in kept else 0.0 for column in range(3)))
        error = sum((constants.seconds(case) / measured - 1) ** 2 for case, measured in zip(cases, seconds))
        if error < least:
            best, least = constants, error
    return best


def least_squares(rows):
    """The x for which every row's scalar product with x is closest to 1; None if there is no single one."""
    size = len(rows[0])
    matrix = [[sum(row[i] * row[j] for row in rows) for j in range(size)] + [sum(row[i] for row in rows)]
              for i in range(size)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda row: abs(matrix[row][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        if matrix[i][i] == 0:
            return None
        matrix[i] = [value / matrix[i][i] for value in matrix[i]]
        for j in range(size):
            if j != i:
                matrix[j] = [a - matrix[j][i] * b for a, b in zip(matrix[j], matrix[i])]
    return [row[-1] for row in matrix]


def where_second_worker_pays(constants, sizes, precision, cores):
    """The m from which two workers of one thread are faster than one, by the model; None if never."""
    def gain(m):
        one, two = (Case(tuple(sizes), m, precision, workers, 1, cores) for workers in (1, 2))
        return constants.seconds(one) - constants.seconds(two)

    # Both times are linear in m.
    slope, start = gain(1) - gain(0), gain(0)
    return -start / slope if slope > 0 else None
