"""The files of the works: the cat images if LOCKSTEP_CAT_DIR names their folder, else the built-in ones of that shape."""

import os
import pathlib

from measure.commands import finish
from measure.works import CAT_COLUMNS

MAKE_DATA = pathlib.Path(__file__).resolve().parent / "make_data.py"


def source():
    """What to call the data of `cats`."""
    return "cat images" if os.environ.get("LOCKSTEP_CAT_DIR") else "built-in images"


def provide(coordinator, python, folder, works):
    """Writes to `folder` what the works need; the paths by Work.file_name. `python` must have h5py."""
    folder = pathlib.Path(folder)
    cats = cat_file(coordinator, folder)
    files = {}
    for work in works:
        target = folder / work.file_name
        if work.file_name in files:
            continue
        if work.data == "random":
            finish([python, MAKE_DATA, "random", str(work.sizes[0]), str(work.m), target])
        elif work.m == CAT_COLUMNS:
            target = cats
        else:
            finish([python, MAKE_DATA, "repeat", cats, str(work.m // CAT_COLUMNS), target])
        files[work.file_name] = target
    return files


def cat_file(coordinator, folder):
    cats = os.environ.get("LOCKSTEP_CAT_DIR")
    if cats:
        return pathlib.Path(cats) / "train_catvnoncat.h5"
    finish([coordinator, "demo-data", folder])
    return folder / "train.h5"
