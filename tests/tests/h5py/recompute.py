import sys

import h5py
import numpy as np

with h5py.File(sys.argv[1]) as model, h5py.File(sys.argv[2]) as data:
    m = data["test_set_x"].shape[0]
    a = data["test_set_x"][:].reshape(m, -1).T * model.attrs["scale"]
    for l, activation in enumerate(model.attrs["activations"], start=1):
        z = model[f"W{l}"][:] @ a + model[f"b{l}"][:]
        a = np.maximum(z, 0) if activation == b"relu" else 1 / (1 + np.exp(-z))
    accuracy = np.mean((a[0] > 0.5) == data["test_set_y"][:])
    print(float(accuracy))
    print(model.attrs["digest"].decode())
