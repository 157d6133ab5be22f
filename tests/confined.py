"""Commands run as the compose file would have them: nothing can be written but the volume and a /tmp of their own."""

import subprocess
from pathlib import Path

import pytest

from cli.service.service import ROOT

#: Where the volume is seen in there: a folder that every Linux has, empty.
VOLUME = Path("/srv")
#: $0 the volume's folder outside; "$@" the command. A mount namespace of its own, all of it read-only, then no
#: capability and no way to get one. A checkout below /tmp is carried over into the new one.
_SCRIPT = f"""
here=$(pwd)
mount --bind "$0" {VOLUME} && mount --bind "$here" /mnt && mount -t tmpfs -o size=64m none /tmp || exit 125
if [ ! -d "$here" ]; then
    mkdir -p "$here" && mount --bind /mnt "$here" && mount -o remount,bind,ro "$here" || exit 125
fi
umount /mnt && mount -o remount,bind,ro / || exit 125
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def confined(words: list[str], data_dir: Path) -> list[str]:
    """Return the words that run a command so; skip the test where the machine doesn't let us."""
    prefix = ["unshare", "--mount", "sh", "-c", _SCRIPT, str(data_dir)]
    try:
        tried = _run(prefix, "/usr/here", "/here")
        made = _run(prefix, f"{VOLUME}/here", "/tmp/here")  # noqa: S108
    except FileNotFoundError:
        pytest.skip("There is no unshare or setpriv here.")
    if made.returncode:
        pytest.skip("This user may not make a read-only view of the file system here.")
    assert tried.stderr.count("Read-only file system") == 2, tried.stderr
    assert (data_dir / "here").exists()
    return [*prefix, *words]


def _run(prefix: list[str], *touched: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*prefix, "touch", *touched], cwd=ROOT, capture_output=True, text=True, check=False)
