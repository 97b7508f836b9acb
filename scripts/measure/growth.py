"""The cases of scripts/bench-growth, and what follows from their times."""

import math

from measure import model
from measure.coordinator import name_of_fleet
from measure.machine import CORES
from measure.works import CAT_COLUMNS, Work

NETWORK = "12288-20-7-5-1"

# All of them multiples of the columns that there are.
COLUMNS = [209, 836, 3344, 8360, 20900, 83600]
MOST_COLUMNS, QUICK_COLUMNS = COLUMNS[-1], 8360

# The second series: so many workers, on few columns and on many.
WORKERS = [1, 2, 4, 8]
WORKERS_COLUMNS = [209, 8360]

# The third series: n_1, on columns that are neither few nor many.
WIDTHS = [5, 20, 80, 320]
WIDTHS_COLUMNS = 836

# What a run is to compute: about two seconds on one core. Of small batches no more iterations than are needed.
RUN_FLOP = 2e11
LEAST_ITERATIONS, MOST_ITERATIONS = 6, 400


def cases(most_columns):
    """Each once, in a fixed order."""
    columns = [case_of(NETWORK, m, workers) for m in COLUMNS for workers in (1, 2)]
    workers = [case_of(NETWORK, m, workers) for m in WORKERS_COLUMNS for workers in WORKERS]
    widths = [case_of_width(n, workers) for n in WIDTHS for workers in (1, 2)]
    return [case for case in dict.fromkeys(columns + workers + widths) if case.m <= most_columns]


def case_of(network, m, workers, cores=CORES):
    return model.Case(tuple(int(size) for size in network.split("-")), m, "f64", workers, 1, cores)


def case_of_width(n, workers, cores=CORES):
    return model.Case((12288, n, 7, 5, 1), WIDTHS_COLUMNS, "f64", workers, 1, cores)


def network_of(case):
    return "-".join(map(str, case.sizes))


def name_of(case):
    return f"{network_of(case)}, m = {case.m}, {name_of_fleet(case.workers)}"


def work_of(case, quick):
    flop = RUN_FLOP / (10 if quick else 1)
    iterations = max(LEAST_ITERATIONS, min(MOST_ITERATIONS, round(flop / model.flop(case.sizes, case.m))))
    return Work(network_of(case), case.m, "cats", "scaled", iterations)


def fitted(milliseconds):
    """The model's constants, from the times by case; None if there are too few."""
    known = [case for case in milliseconds if network_of(case) == NETWORK]
    if len(known) < 4:
        return None
    return model.fit(known, [milliseconds[case] / 1e3 for case in known])


def describe(constants):
    rate = f"{1e-9 / constants.seconds_per_flop:.0f} GFLOP/s on each core" if constants.seconds_per_flop else "no rate"
    byte = f"{constants.seconds_per_byte * 1e9:.2f} ns for a byte"
    return f"{rate}, {byte} (all workers' bytes, to and fro), {constants.fixed_seconds * 1e3:.2f} ms fixed"


def speed_ups(milliseconds, network=NETWORK):
    """(m, time of one worker by that of two), by ascending m, where both were measured."""
    return sorted((case.m, median / milliseconds[two]) for case, median in milliseconds.items()
                  if case.workers == 1 and network_of(case) == network
                  and (two := case_of(network, case.m, 2, case.cores)) in milliseconds)


def crossing(points):
    """Where the speed-up first exceeds 1, between neighbouring columns in the logarithm of m; as text."""
    if not points:
        return "not measured"
    if points[0][1] >= 1:
        return f"below m = {points[0][0]}, the fewest that were measured"
    for (m, low), (next_m, high) in zip(points, points[1:]):
        if low < 1 <= high:
            share = (1 - low) / (high - low)
            return f"from about m = {math.exp(math.log(m) + share * math.log(next_m / m)):.0f}"
    return f"nowhere up to m = {points[-1][0]}"


def where_second_pays(milliseconds, constants):
    """Lines that say from which m two workers are faster than one."""
    yield f"The second worker pays, measured: {crossing(speed_ups(milliseconds))}."
    if constants:
        cores = next(iter(milliseconds)).cores
        m = model.where_second_worker_pays(constants, case_of(NETWORK, CAT_COLUMNS, 1).sizes, "f64", cores)
        where = "nowhere" if m is None else "from the first column on" if m < 1 else f"from about m = {m:.0f}"
        yield f"The second worker pays, by the model: {where}."
