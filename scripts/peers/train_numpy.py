"""Full-batch gradient descent in NumPy: the textbook's vectorised steps, into arrays that are allocated once.

dA_0 is not computed, and dZ_L = A_L − Y. X lies column after column in memory, which is as fast as row after row.
"""

import time

import numpy as np
from problem import LEARNING_RATE, arguments, columns, first_weights, report


class Network:
    """Symbols as in the textbook: m columns, W_l of shape n_l × n_{l-1}, b_l of shape n_l × 1, the others n_l × m."""

    def __init__(self, weights, m):
        self.w = weights
        self.b = [np.zeros((len(w), 1)) for w in weights]
        self.dw = [np.empty_like(w) for w in weights]
        self.a = [np.empty((len(w), m)) for w in weights]
        self.dz = [np.empty((len(w), m)) for w in weights]

    def forward(self, x):
        """The last layer's Z = W A + b, of shape 1 × m."""
        last = len(self.w) - 1
        for l, (w, b, a) in enumerate(zip(self.w, self.b, self.a)):
            np.matmul(w, x, out=a)
            a += b
            if l < last:
                np.maximum(a, 0, out=a)
            x = a
        return x

    def backward_and_update(self, x, y, z):
        m = x.shape[1]
        dz = self.dz[-1]
        np.subtract(1 / (1 + np.exp(-z)), y, out=dz)
        dz /= m
        for l in reversed(range(len(self.w))):
            before = self.a[l - 1] if l else x
            np.matmul(dz, before.T, out=self.dw[l])
            db = dz.sum(axis=1, keepdims=True)
            if l:
                dz = np.matmul(self.w[l].T, dz, out=self.dz[l - 1])
                dz *= before > 0
            self.dw[l] *= LEARNING_RATE
            self.w[l] -= self.dw[l]
            self.b[l] -= LEARNING_RATE * db


def train(weights, x, y, iterations):
    """The seconds that it took, and all costs."""
    network = Network(weights, x.shape[1])
    costs = []
    start = time.perf_counter()
    for _ in range(iterations):
        z = network.forward(x)
        costs.append(np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))))
        network.backward_and_update(x, y, z)
    return time.perf_counter() - start, costs


def main():
    run = arguments(__doc__)
    rows, labels, _ = columns(run.data, run.precision)
    x, y = rows.T, labels.reshape(1, -1)
    sizes = [len(x), *run.hidden, 1]
    train(first_weights(sizes, run.init), x, y, 2)
    seconds, costs = train(first_weights(sizes, run.init), x, y, run.iterations)
    report(seconds / run.iterations * 1e3, [costs[0], costs[-1]])


main()
