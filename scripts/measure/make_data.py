"""Writes HDF5 files to measure with: the columns of another file repeated, or random ones."""

import argparse

import h5py
import numpy as np

# What is held in memory of a file that is written.
PIECE_BYTES = 1 << 27


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    repeat = kinds.add_parser("repeat")
    repeat.add_argument("source")
    repeat.add_argument("times", type=int)
    random = kinds.add_parser("random")
    random.add_argument("features", type=int)
    random.add_argument("examples", type=int)
    for kind in repeat, random:
        kind.add_argument("target")
    arguments = parser.parse_args()

    with h5py.File(arguments.target, "w") as file:
        if arguments.kind == "repeat":
            write_repeated(file, arguments.source, arguments.times)
        else:
            write_random(file, arguments.features, arguments.examples)


def write_repeated(file, source, times):
    with h5py.File(source) as original:
        x, y = original["train_set_x"][()], original["train_set_y"][()].reshape(-1)
    file["train_set_y"] = np.tile(y, times)
    target = file.create_dataset("train_set_x", (len(x) * times, *x.shape[1:]), x.dtype)
    at_once = max(1, PIECE_BYTES // x.nbytes)
    for first in range(0, times, at_once):
        copies = min(at_once, times - first)
        target[first * len(x):(first + copies) * len(x)] = np.tile(x, (copies,) + (1,) * (x.ndim - 1))


def write_random(file, features, examples):
    random = np.random.default_rng(1)
    file["train_set_x"] = random.standard_normal((examples, features))
    file["train_set_y"] = random.integers(0, 2, examples)


main()
