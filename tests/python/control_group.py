"""Programs that find other control groups than this process is in: files mounted over the system's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_MOUNTED = """
mount --bind "$1" /sys/fs/cgroup && mount --bind "$2" /proc/$$/cgroup || exit 77
exec "$3" -c "$4"
"""


def run_in_control_group(folder: Path, own: str, files: dict[str, str], program: str) -> str:
    """What a program prints when `/proc/self/cgroup` is `own` and `/sys/fs/cgroup` has these files.

    Skips the test where a process may not have mounts of its own.
    """
    root = folder / "cgroup"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    (folder / "own").write_text(own + "\n")
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare")
    command = [unshare, "--map-root-user", "--mount", "sh", "-c", _MOUNTED, "sh"]
    command += [str(root), str(folder / "own"), sys.executable, program]
    environment = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip("a process may not have mounts of its own here")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
