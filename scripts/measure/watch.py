"""What /proc tells of running programs: memory and traffic."""

import pathlib
import re
import time


def watch_memory(process, peaks):
    """Keeps the highest resident kB of the coordinator and of any of its workers in `peaks`, until it has ended."""
    while process.poll() is None:
        note_peak(process.pid, peaks)
        for children in pathlib.Path(f"/proc/{process.pid}/task").glob("*/children"):
            try:
                for child in children.read_text().split():
                    note_peak(child, peaks)
            except OSError:
                pass
        time.sleep(0.05)


def note_peak(pid, peaks):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return
    # Between fork and exec a child still has its parent's memory, and its name.
    name = re.search(r"^Name:\s+(coordinator|worker)$", status, re.MULTILINE)
    peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    if name and peak:
        peaks[name[1]] = max(peaks.get(name[1], 0), int(peak[1]))


def loopback_bytes():
    """What all programs have sent over the loopback device until now; None where the system does not tell."""
    try:
        devices = pathlib.Path("/proc/net/dev").read_text()
    except OSError:
        return None
    sent = re.search(r"^\s*lo:\s*(\d+)", devices, re.MULTILINE)
    return int(sent[1]) if sent else None
