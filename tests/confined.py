"""Commands run as the compose file would have them: nothing can be written but the volume and a /tmp of their own."""

import subprocess
from pathlib import Path

import pytest

#: Where the volume is seen in there: a folder that every Linux has, empty.
VOLUME = Path("/srv")
#: $0 the volume's folder outside; "$@" the command. A mount namespace of its own, all of it read-only, then no
#: capability and no way to get one.
_SCRIPT = f"""
mount --bind "$0" {VOLUME} && mount -t tmpfs -o size=64m none /tmp && mount -o remount,bind,ro / || exit 125
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def confined(words: list[str], data_dir: Path) -> list[str]:
    """Return the words that run a command so; skip the test where the machine doesn't let us."""
    prefix = ["unshare", "--mount", "sh", "-c", _SCRIPT, str(data_dir)]
    try:
        tried = subprocess.run([*prefix, "touch", "/usr/here", "/here"], capture_output=True, text=True, check=False)
        made = subprocess.run([*prefix, "touch", f"{VOLUME}/here", "/tmp/here"], capture_output=True, check=False)  # noqa: S108
    except FileNotFoundError:
        pytest.skip("There is no unshare or setpriv here.")
    if made.returncode:
        pytest.skip("This user may not make a read-only view of the file system here.")
    assert tried.stderr.count("Read-only file system") == 2, tried.stderr
    assert (data_dir / "here").exists()
    return [*prefix, *words]
