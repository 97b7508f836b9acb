"""What the peers have in common: their arguments, the data, the first weights, and how they report.

The file and the first weights are those of our own runs, so that the costs must agree.
"""

import argparse
import json
import pathlib

import h5py
import numpy as np

LEARNING_RATE = 0.0075


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--hidden", required=True, type=lambda text: [int(size) for size in text.split(",")])
    parser.add_argument("--init", required=True, choices=["scaled", "small"])
    parser.add_argument("--precision", required=True, choices=["f64", "f32"])
    parser.add_argument("--iterations", required=True, type=int)
    parser.add_argument("--processes", required=True, type=int)
    parser.add_argument("--threads", required=True, type=int)
    return parser.parse_args()


def columns(path, precision, part=0, parts=1):
    """The part-th of `parts` shards: X with a column of the batch in each row (shard × n_0), y (shard), and m of all.

    NumPy's and PyTorch's products take X and its transpose alike, without a copy.
    """
    dtype = {"f64": np.float64, "f32": np.float32}[precision]
    with h5py.File(path) as file:
        examples, labels = file["train_set_x"], file["train_set_y"]
        m = len(examples)
        shard = slice(part * m // parts, (part + 1) * m // parts)
        x = examples[shard].reshape(shard.stop - shard.start, -1)
        scale = dtype(255 if x.dtype == np.uint8 else 1)
        return x / scale, labels[shard].astype(dtype), m


def first_weights(sizes, init):
    """W_1 … W_L in f64, W_l of shape n_l × n_{l-1}, as `coordinator --seed 1` draws them; b_l = 0."""
    random = np.random.RandomState(1)
    factor = {"scaled": lambda n: 1 / np.sqrt(n), "small": lambda n: 0.01}[init]
    return [random.randn(n, inputs) * factor(inputs) for inputs, n in zip(sizes, sizes[1:])]


def report(milliseconds, costs):
    """Per iteration; the costs of the first and the last iteration, each before its update."""
    print(json.dumps({"milliseconds": milliseconds, "costs": costs}))
