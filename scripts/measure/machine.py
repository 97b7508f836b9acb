"""What a measurement should say about the machine, and whether others use it."""

import datetime
import os
import pathlib
import platform
import time

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def description():
    return {"date": datetime.date.today().isoformat(), "CPU": cpu_model(), "cores": CORES,
            "memory GiB": memory_gibibytes(), "system": f"{platform.system()} {platform.release()}"}


def cpu_model():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_gibibytes():
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (OSError, ValueError):
        return "unknown"


def cores_busy():
    """How many cores compute while this program sleeps; 0 where the system does not tell."""
    before = processor_seconds()
    time.sleep(0.5)
    return (processor_seconds() - before) / 0.5


def processor_seconds():
    """Of all programs on all cores since the system started, and of other machines that share the cores."""
    try:
        user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(
            int, pathlib.Path("/proc/stat").read_text().split(maxsplit=9)[1:9])
    except (OSError, ValueError):
        return 0
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")
