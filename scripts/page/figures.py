"""The plots of the page, each from the rows of one file."""

from measure import growth
from page import charts
from page.charts import Panel, Row, Series

PRECISIONS = ["f64", "mixed", "f32"]
WORKERS = [0, 1, 2, 4]
FOUR_LAYERS = "12288-20-7-5-1"


def all_of(tables):
    """Drawings by name; what was not measured is left out."""
    drawings = {}
    if tables["kernels"]:
        drawings.update(kernels(tables["kernels"]))
    if tables["runs"]:
        drawings["iterations"] = iterations(tables["runs"])
        drawings["costs"] = costs(tables["runs"])
    if tables["growth"]:
        drawings.update(growths(tables["growth"]))
    if tables["peers"]:
        drawings["peers"] = peers(tables["peers"])
    return drawings


def kernels(rows):
    """Kernels and whole iterations, each in a drawing of its own."""
    drawings = {"kernels": ("Kernels against the measured ceiling", [row for row in rows if is_kernel(row)]),
                "kernels-iterations": ("Whole iterations against the measured ceiling",
                                       [row for row in rows if row["work"].startswith("iteration")])}
    return {name: shares(title, of) for name, (title, of) in drawings.items() if of}


def is_kernel(row):
    return row["work"] != "peak" and not row["work"].startswith("iteration")


def shares(title, rows):
    precisions = present(rows, "precision")
    rows = [row for row in rows if row["median share of peak"]]
    bars = [Row(f"{row['work'].replace('iteration, ', '')}, {threads(row['threads'])}",
                100 * float(row["median share of peak"]), f"{float(row['median GFLOP/s']):.0f} GFLOP/s",
                precisions.index(row["precision"])) for row in rows]
    return charts.rows(title, "Percent of what fused multiply-adds alone reach on as many threads; "
                       "at the bars' ends GFLOP/s", bars, precisions, 330, most=max(100, *(bar.value for bar in bars)))


def threads(number):
    return "1 thread" if int(number) == 1 else f"{number} threads"


def present(rows, key):
    """The precisions that occur, in the usual order."""
    found = {row[key] for row in rows}
    return [name for name in PRECISIONS if name in found]


def iterations(rows):
    precisions = present(rows, "type")
    works = list(dict.fromkeys((row["network"], row["m"]) for row in rows))
    return charts.panels("Milliseconds per iteration", "Median of the rounds, by workers; 0 is one process. "
                         "Each panel has a scale of its own", precisions,
                         [by_workers(rows, precisions, work, f"{work[0]}, m = {int(work[1]):,}", "median ms")
                          for work in works], 3, "workers")


def by_workers(rows, precisions, work, title, column, unit=1):
    """A panel of one column of the file, in its unit."""
    values = {(int(row["workers"]), precisions.index(row["type"])): float(row[column]) / unit
              for row in rows if (row["network"], row["m"]) == work and row[column]}
    return Panel(title, [workers for workers in WORKERS if any(group == workers for group, _ in values)], values)


def costs(rows):
    precisions = present(rows, "type")
    several = [row for row in rows if row["network"] == FOUR_LAYERS] or rows
    work = (several[0]["network"], max((row["m"] for row in several), key=int))
    panel = [("start-up, s", "start-up s", 1), ("MB on the wire per iteration", "bytes", 1e6),
             ("memory of the coordinator, MB", "coordinator kB", 1e3),
             ("memory of the largest worker, MB", "largest worker kB", 1e3)]
    panel = [by_workers(rows, precisions, work, *of) for of in panel]
    return charts.panels("Start-up, traffic and memory", f"{work[0]} on {int(work[1]):,} columns, by workers; "
                         "0 is one process", precisions, [one for one in panel if one.values], 2, "workers")


def growths(rows):
    milliseconds = medians(rows)
    cores = int(rows[0]["cores"])
    constants = growth.fitted(milliseconds)
    drawings = {"growth-columns": growth_columns(milliseconds, constants, cores),
                "growth-second-worker": growth_second_worker(milliseconds, constants, cores),
                "growth-workers": growth_workers(milliseconds, constants, cores),
                "growth-width": growth_width(milliseconds, constants, cores)}
    return {name: drawing for name, drawing in drawings.items() if drawing}


def medians(rows):
    """Milliseconds by case."""
    return {growth.case_of(row["network"], int(row["m"]), int(row["workers"]), int(row["cores"])):
            float(row["median ms"]) for row in rows}


MODEL = "Points are measured, lines are the model; f64, workers of one thread"


def series_of(name, milliseconds, constants, case, values):
    """Iterations per second: of each case(value) that was measured, and by the model also between them."""
    points = [(value, 1e3 / milliseconds[case(value)]) for value in values if case(value) in milliseconds]
    if len(points) < 2:
        return None
    line = [(value, 1 / constants.seconds(case(value))) for value in between(points)] if constants else []
    return Series(name, points, line)


def between(points):
    """Values of x from the first point to the last, evenly in their logarithms."""
    first, last, steps = points[0][0], points[-1][0], 60
    return [first * (last / first) ** (step / steps) for step in range(steps)] + [last]


def drawn(title, x_name, series, ticks, subtitle=MODEL):
    series = [one for one in series if one]
    return charts.points(title, subtitle, (x_name, "iterations per second"), series, ticks) if series else None


def growth_columns(milliseconds, constants, cores):
    series = [series_of(growth.name_of_fleet(workers), milliseconds, constants,
                        lambda m: growth.case_of(growth.NETWORK, m, workers, cores), growth.COLUMNS)
              for workers in (1, 2)]
    return drawn(f"Iterations per second against columns, {growth.NETWORK}", "columns m", series, growth.COLUMNS)


def growth_second_worker(milliseconds, constants, cores):
    points = growth.speed_ups(milliseconds)
    if len(points) < 2:
        return None

    def modelled(m):
        one, two = (constants.seconds(growth.case_of(growth.NETWORK, m, workers, cores)) for workers in (1, 2))
        return one / two

    line = [(m, modelled(m)) for m in between(points)] if constants else []
    return charts.points(f"What a second worker gains, {growth.NETWORK}",
                         f"{MODEL}; dotted: two workers take as long as one",
                         ("columns m", "time of one worker / time of two"), [Series("speed-up", points, line)],
                         growth.COLUMNS, rule=1)


def growth_workers(milliseconds, constants, cores):
    series = [series_of(f"m = {m:,}", milliseconds, constants,
                        lambda workers: growth.case_of(growth.NETWORK, m, workers, cores), growth.WORKERS)
              for m in growth.WORKERS_COLUMNS]
    return drawn(f"Iterations per second against workers, {growth.NETWORK} on {cores} cores", "workers", series,
                 growth.WORKERS)


def growth_width(milliseconds, constants, cores):
    series = [series_of(growth.name_of_fleet(workers), milliseconds, constants,
                        lambda n: growth.case_of_width(n, workers, cores), growth.WIDTHS)
              for workers in (1, 2)]
    return drawn("Iterations per second against the width of layer 1, 12288-n-7-5-1, "
                 f"m = {growth.WIDTHS_COLUMNS}", "units n in layer 1", series, growth.WIDTHS,
                 f"{MODEL}, fitted to n = 20 alone")


def peers(rows):
    programs = ["NumPy", "PyTorch", "DDP", "1 worker"]
    names = ["NumPy", "PyTorch", "PyTorch DDP", "one worker of ours"]

    def program(row):
        return next(i for i, name in enumerate(programs) if row["peer"].startswith(name))

    bars = [Row(f"{row['network']}, m = {int(row['m']):,}, {row['type']}, {workers(row)} / {row['peer']}",
                float(row["ratio of medians"]), f"{float(row['ratio of medians']):.2f}", program(row),
                float(row["goal"].split()[1]) if row["goal"] else None) for row in rows]
    return charts.rows("How many times as fast as its peers", "Peer's time by ours, of the medians of one run; "
                       "the upright marks are goals", bars, names, 400, rule=1)


def workers(row):
    return "in process" if row["workers"] == "0" else f"{row['workers']} workers"
