"""Provides NumPy, PyTorch and h5py in a virtual environment in .tools/peers, whole or not at all.

Of PyTorch only the CPU part is measured, but its usual wheel for Linux is built for CUDA, and its libraries name those
of CUDA. Four packages of these are truly needed to load it and are installed. The others, 1.8 GB to download and 2.4 GB
on disk, are never called here, so placeholders stand in for them: links to a library of PyTorch that has no functions.
That works because functions are looked up when they are first called (RTLD_LAZY, see train_torch.py).
"""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".tools/peers"
REQUIREMENTS = ROOT / "scripts/requirements/peers.txt"
COMPLETE = FOLDER / ".wheels"
PYTHON = FOLDER / "bin/python"

SIZE = "0.7 GB to download, of which PyTorch's wheel is 0.54 GB, and 1.6 GB on disk"

NEVER_CALLED = ["libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9", "libcufft.so.12", "libcusparse.so.12",
                "libcusparseLt.so.0", "libnccl.so.2", "libnvrtc.so.13"]


def provide():
    """The Python in which the peers run. Says what it installs before it does, and nothing if all is there."""
    if is_complete():
        return PYTHON
    print(f"bench-peers: installing NumPy, PyTorch and h5py into {FOLDER.relative_to(ROOT)}, to measure against them: "
          f"{SIZE}", file=sys.stderr, flush=True)
    run([os.environ.get("PYTHON") or sys.executable, "-m", "venv", "--clear", FOLDER],
        "install Python's venv (python3-venv on Debian), or name another Python in PYTHON")
    run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
         "--only-binary", ":all:", "--requirement", REQUIREMENTS],
        "see pip's message above; it needs the network once, 3 GB of disk, and Python 3.11 or newer")
    link_placeholders()
    run([PYTHON, "-c", "import os, sys; sys.setdlopenflags(os.RTLD_LAZY); import h5py, torch"],
        "what was installed does not load; name another Python in PYTHON and try again")
    COMPLETE.write_text(REQUIREMENTS.read_text())
    return PYTHON


def is_complete():
    """Whether all was installed, and from the versions of today for the Python of today."""
    return (PYTHON.exists() and COMPLETE.exists() and COMPLETE.read_text() == REQUIREMENTS.read_text()
            and subprocess.run([PYTHON, "-c", "import h5py"], stderr=subprocess.DEVNULL).returncode == 0)


def link_placeholders():
    for libraries in FOLDER.glob("lib/python*/site-packages/torch/lib"):
        # Wheels for other systems have no CUDA.
        if (libraries / "libtorch_cuda.so").exists():
            for name in NEVER_CALLED:
                (libraries / name).symlink_to("libtorch_global_deps.so")


def run(command, hint):
    """Runs what prints its own errors."""
    # A machine's settings may contradict a virtual environment.
    settings = {**os.environ, "PIP_USER": "0"}
    if subprocess.run(command, env=settings, stdout=sys.stderr).returncode != 0:
        sys.exit(f"error: `{' '.join(map(str, command))}` failed\nhint: {hint}")
