"""Results as tables to read and as CSV to go on with."""

import csv
import textwrap


def print_description(described):
    print(textwrap.fill(", ".join(f"{name} {value}" for name, value in described.items()), width=100), flush=True)


def print_table(header, rows):
    print()
    print(row(header))
    print("|" + "---|" * len(header))
    for cells in rows:
        print(row(cells))
    print()


def row(cells):
    return f"| {' | '.join(cells)} |"


def short(number):
    """Three digits, but no more than two after the point."""
    digits = 2 if number < 10 else 1 if number < 100 else 0
    return f"{number:.{digits}f}"


def thousands(number):
    return "" if number is None else f"{number / 1e3:.0f}"


def print_caution(busy):
    if busy >= 0.1:
        print(f"Caution: other programs kept {busy} cores busy. Repeat this on a quiet machine.")


def write_csv(path, described, rows):
    """Rows are dictionaries with the same keys; the description is repeated in each, so that files can be joined."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*described, *(rows[0] if rows else [])])
        for row in rows:
            writer.writerow([*described.values(), *row.values()])
