"""Commands that must end well."""

import subprocess
import sys


def finish(command, variables=None):
    """What the command printed once it has ended well; else shows it and ends."""
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)
    if ended.returncode != 0:
        fail(command, ended.returncode, ended.stdout + ended.stderr)
    return ended


def fail(command, code, printed):
    sys.exit(f"error: `{' '.join(map(str, command))}` ended with code {code} after this:\n{printed}")
