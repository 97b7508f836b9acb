"""The CSV files of which the page is made: those of the last measurement, kept beside the plots."""

import csv
import shutil

from measure import model

# By the names of the files: the command that measures them.
COMMANDS = {"kernels": "make bench", "exactness": "make bench", "runs": "make bench", "growth": "make bench-growth",
            "peers": "make bench-peers"}


def take_over(measured, kept):
    """Copies what was measured to where it is kept; the names of the copied ones."""
    kept.mkdir(parents=True, exist_ok=True)
    found = [name for name in COMMANDS if (measured / f"{name}.csv").exists()]
    for name in found:
        shutil.copyfile(measured / f"{name}.csv", kept / f"{name}.csv")
    return found


def read(kept):
    """The rows of each file as dictionaries of text; no rows of one that is missing."""
    return {name: rows_of(kept / f"{name}.csv") for name in COMMANDS}


def rows_of(path):
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def caution(rows):
    """What makes the numbers of a file doubtful, or nothing."""
    if not rows:
        return "not measured"
    busy = float(rows[0].get("cores busy with others") or 0)
    doubts = ["few iterations (`--quick`)"] * (rows[0].get("quick") == "yes")
    doubts += [f"other programs kept {busy:.1f} cores busy"] * (busy >= 0.1)
    odd = any(model.is_odd(float(row["bytes"]), float(row["bytes by theory"]))
              for row in rows if row.get("bytes"))
    doubts += ["traffic is not that of the theory"] * odd
    return "; ".join(doubts)
