"""`charloom doctor --volume`: whether a folder can be the volume of several hosts, and whether it is the service's."""

import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cli.doctor.findings import Finding, bad, note, ok, warn
from cli.doctor.volume_probe import CONTESTED, REPLACEMENTS, Measured, Party, ProbeFailed
from shared.errors import CharloomError, VolumeGone
from shared.settings import Settings
from shared.store import Store
from shared.volume import Volume
from shared.volume_guard import VolumeGuard

#: Seconds to wait for the command on the other host.
PARTNER_S = 120.0
#: Milliseconds above which a volume is called slow: a checkpoint takes some dozen of these.
SLOW_FSYNC_MS, SLOW_ROUND_TRIP_MS = 100.0, 2000.0
#: Promises of a volume that Charloom relies on, and how the probe tries them.
_PROMISES = {
    "exclusive file": f"each of {CONTESTED} files was created by one of two",
    "exclusive folder": f"each of {CONTESTED} folders was created by one of two",
    "exclusive link": f"each of {CONTESTED} hard links was created by one of two",
    "atomic rename": f"each of {REPLACEMENTS} replacements was read whole",
    "delete while open": "a file that was deleted elsewhere could be read to its end",
}


def check_volume(folder: Path, *, from_two_hosts: bool) -> Iterator[Finding]:
    """Try a folder, together with the same command on another host or in a second thread."""
    if not folder.is_dir():
        yield bad("volume", f"{folder} isn't a folder", "Mount the volume, or name its folder: --volume PATH.")
        return
    yield _file_system(folder)
    try:
        measured = _probe(folder, from_two_hosts=from_two_hosts)
    except (ProbeFailed, OSError) as exc:
        yield bad("volume", f"{folder} can't be tried: {exc}", "Run the same command on both hosts at the same time.")
        return
    yield from _report(measured, "two hosts" if from_two_hosts else "this host")


def check_bucket(settings: Settings) -> Iterator[Finding]:
    """Try the bucket of the settings."""
    try:
        Volume.of(settings).check()
    except CharloomError as exc:
        yield bad("bucket", exc.detail, "docs/running.md says what a bucket needs.")
    else:
        yield ok("bucket", f"{settings.volume_url} is writable, and its server enforces If-None-Match and If-Match")


def check_mark(settings: Settings, folder: Path | None, *, adopt: bool) -> Iterator[Finding]:
    """Compare a volume's id with Redis', or make it the service's: a folder's, or that of the settings' bucket."""
    store, named = Store.of(settings), settings.volume_url if folder is None else folder
    try:
        volume = Volume.of(settings) if folder is None else Volume(folder)
        if adopt:
            store.volume_id.adopt(volume.mark.write()[0])
        if settings.volume_init and volume.mark.read() is None and store.volume_id.get() is None:
            yield note("mark", f"neither {named} nor Redis has an id yet; the first start writes it")
            return
        VolumeGuard(store, volume, may_init=settings.volume_init).check()
        yield ok("mark", f"{named} is the service's volume, {store.volume_id.get()}")
    except VolumeGone as exc:
        yield bad("mark", exc.detail, "Until then this host takes no jobs.")
    except CharloomError as exc:
        yield warn("mark", f"can't be compared: {exc.detail}", "Set CHARLOOM_REDIS_URL to the service's Redis.")
    finally:
        store.close()


def _probe(folder: Path, *, from_two_hosts: bool) -> Measured:
    host = platform.node()
    if from_two_hosts:
        return Party(folder, host).run(wait_s=PARTNER_S)
    with ThreadPoolExecutor(2) as pool:
        first, _ = [future.result() for future in [pool.submit(Party(folder, host).run, wait_s=10) for _ in range(2)]]
    return first


def _report(measured: Measured, where: str) -> Iterator[Finding]:
    broken = {text.partition(":")[0]: text.partition(": ")[2] for text in measured.broken}
    for promise, tried in _PROMISES.items():
        if promise not in broken:
            yield ok(promise, f"{tried} ({where})")
        elif promise == "delete while open":
            fix = "Jobs that lose a file this way run again; NFS 4 keeps files that are open on the same host only."
            yield warn(promise, broken[promise], fix)
        else:
            yield bad(promise, broken[promise], "Charloom loses data on such a file system; use another one.")
    other = measured.partner if where == "two hosts" else "a second thread"
    speed = (
        f"create {measured.create_ms:.2g} ms, fsync of 4 KiB {measured.fsync_ms:.2g} ms, "
        f"rename {measured.rename_ms:.2g} ms, to {other} and back {measured.round_trip_ms:.2g} ms (medians)"
    )
    if measured.fsync_ms > SLOW_FSYNC_MS or measured.round_trip_ms > SLOW_ROUND_TRIP_MS:
        yield warn("speed", speed, "Save less often (checkpoint_seconds), or use a faster volume.")
    else:
        yield ok("speed", speed)
    yield note("durability", "fsync was called; whether it reaches the disk, only a power cut would show")
    direction = "ahead of" if measured.skew_s > 0 else "behind"
    yield note("volume's clock", f"{abs(measured.skew_s):.2g} s {direction} this host's; nothing depends on it")


def _file_system(folder: Path) -> Finding:
    """Name the file system and its options, as far as they are known."""
    best, found = "", None
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return note("file system", "unknown on this system")
    resolved = f"{folder.resolve()}/"
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if resolved.startswith(f"{point.rstrip('/')}/") and len(point) >= len(best):
            best, found = point, right.split()
    if found is None:
        return note("file system", "unknown")
    kind, source, options = found[0], found[1], found[2].split(",")
    message = f"{kind} from {source}, mounted at {best}"
    if kind.startswith("nfs") and "soft" in options:
        return warn(
            "file system", f"{message}, soft", "Mount it hard: a soft mount drops writes while its server is away."
        )
    return ok("file system", message)
