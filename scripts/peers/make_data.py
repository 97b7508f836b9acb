"""Writes HDF5 files to measure with: the columns of another file repeated, or random ones."""

import argparse

import h5py
import numpy as np


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

    if arguments.kind == "repeat":
        x, y = repeated(arguments.source, arguments.times)
    else:
        x, y = random_columns(arguments.features, arguments.examples)
    with h5py.File(arguments.target, "w") as file:
        file["train_set_x"] = x
        file["train_set_y"] = y


def repeated(source, times):
    with h5py.File(source) as file:
        x, y = file["train_set_x"][()], file["train_set_y"][()].reshape(-1)
    return np.tile(x, (times,) + (1,) * (x.ndim - 1)), np.tile(y, times)


def random_columns(features, examples):
    random = np.random.default_rng(1)
    return random.standard_normal((examples, features)), random.integers(0, 2, examples)


main()
