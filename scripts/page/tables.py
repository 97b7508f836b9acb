"""The tables of the page as Markdown, each from the rows of one file, and the sentences with numbers in them."""

import textwrap

from measure import growth
from measure.coordinator import name_of_fleet
from measure.results import row as markdown_row
from measure.results import short
from page import sources
from page.figures import WORKERS, medians


def all_of(tables):
    """Blocks of Markdown by their names in the page."""
    return {"sources": origin(tables), "kernels": kernels(tables["kernels"]),
            "exactness": exactness(tables["exactness"]), "iterations": iterations(tables["runs"]),
            "costs": costs(tables["runs"]), "model": model_in_words(tables["growth"]),
            "growth": growths(tables["growth"]), "peers": peers(tables["peers"])}


def table(header, rows):
    if not rows:
        return "Not measured yet."
    return "\n".join([markdown_row(header), "|" + "---|" * len(header), *map(markdown_row, rows)])


def origin(tables):
    rows = []
    for name, found in tables.items():
        first = found[0] if found else {}
        machine = [first.get(key, "") for key in ("date", "CPU", "cores", "memory GiB", "system", "Lockstep", "data",
                                                  "rounds")]
        rows.append([f"[{name}.csv](plots/{name}.csv)" if found else f"{name}.csv", f"`{sources.COMMANDS[name]}`",
                     *machine, sources.caution(found)])
    text = table(["file", "command", "date", "CPU", "cores", "GiB", "system", "Lockstep", "data", "rounds", "caution"],
                 rows)
    if any(rows and sources.caution(rows) for rows in tables.values()):
        text += ("\n\n**Numbers with a caution show that a measurement works, not how fast anything is**: on a machine "
                 "that others\nuse as well, times may be several times longer, and ratios may be turned upside down.")
    return text


def kernels(rows):
    def pair(row, ending, form):
        return f"{form(float(row[f'median {ending}']))} ({form(float(row[f'best {ending}']))})" if row[
            f"median {ending}"] else ""

    return table(["work", "type", "threads", "ms", "GFLOP/s", "share of the ceiling"],
                 [[row["work"], row["precision"], row["threads"], pair(row, "ms", "{:.3f}".format),
                   pair(row, "GFLOP/s", "{:.0f}".format), pair(row, "share of peak", "{:.0%}".format)]
                  for row in rows])


def exactness(rows):
    return table(["network", "m", "type", "columns of a block", "ms", "ms in one block", "cost of exactness"],
                 [[row["network"], row["m"], row["precision"], row["block columns"], short(float(row["median ms"])),
                   short(float(row["median ms in one block"])), f"{float(row['cost %']):+.1f} %"] for row in rows])


def iterations(rows):
    """One line for a network, m and type; a column for every number of workers: the median and the best round."""
    cells = {(row["network"], row["m"], row["type"], int(row["workers"])):
             f"{short(float(row['median ms']))} ({short(float(row['best ms']))})" for row in rows}
    keys = list(dict.fromkeys(key[:3] for key in cells))
    return table(["network", "m", "type", *map(name_of_fleet, WORKERS)],
                 [[*key, *(cells.get((*key, workers), "") for workers in WORKERS)] for key in keys])


def costs(rows):
    def megabytes(row, column, unit):
        return short(float(row[column]) / unit) if row[column] and float(row[column]) else ""

    return table(["network", "m", "type", "workers", "start-up, s", "coordinator, MB", "largest worker, MB",
                  "MB per iteration", "by theory"],
                 [[row["network"], row["m"], row["type"], row["workers"], f"{float(row['start-up s']):.2f}",
                   megabytes(row, "coordinator kB", 1e3), megabytes(row, "largest worker kB", 1e3),
                   megabytes(row, "bytes", 1e6), megabytes(row, "bytes by theory", 1e6)] for row in rows])


def model_in_words(rows):
    if not rows:
        return "Not measured yet."
    milliseconds = medians(rows)
    constants = growth.fitted(milliseconds)
    lines = []
    if constants:
        lines.append(f"The constants fitted to these runs: {growth.describe(constants)}. The model is off by "
                     f"{deviations(milliseconds, constants)}.")
    lines += growth.where_second_pays(milliseconds, constants)
    return "\n".join(textwrap.fill(line, 120, initial_indent="- ", subsequent_indent="  ") for line in lines)


def deviations(milliseconds, constants):
    """How far the model is from what was measured, at most and on average, for what it was fitted to and for the rest."""
    parts = []
    for name, holds in ((f"the runs of {growth.NETWORK}", True), ("the other widths, which are forecasts", False)):
        errors = [abs(constants.seconds(case) * 1e3 / measured - 1) for case, measured in milliseconds.items()
                  if (growth.network_of(case) == growth.NETWORK) == holds]
        if errors:
            parts.append(f"{sum(errors) / len(errors):.0%} on average and {max(errors):.0%} at most for {name}")
    return "; by ".join(parts)


def growths(rows):
    return table(["network", "m", "workers", "ms", "by the model, ms", "iterations per second", "coordinator, MB",
                  "largest worker, MB"],
                 [[row["network"], row["m"], row["workers"],
                   f"{short(float(row['median ms']))} ({short(float(row['best ms']))})",
                   short(float(row["model ms"])) if row["model ms"] else "", short(1e3 / float(row["median ms"])),
                   *(short(float(row[column]) / 1e3) if row[column] else ""
                     for column in ("coordinator kB", "largest worker kB"))] for row in rows])


def peers(rows):
    def pair(row, name, ending=""):
        return f"{short(float(row[f'{name} median{ending}']))} ({short(float(row[f'{name} best{ending}']))})"

    return table(["network", "m", "type", "workers", "peer", "ours, ms", "peer, ms", "ratio", "goal", "reached"],
                 [[row["network"], row["m"], row["type"], row["workers"], row["peer"], pair(row, "our", " ms"),
                   pair(row, "peer", " ms"),
                   f"{float(row['ratio of medians']):.2f} ({float(row['ratio of best']):.2f})", row["goal"],
                   row["reached"]] for row in rows])
