"""`charloom backup`: copy the volume while it is used."""

from pathlib import Path

import click

from cli.common.context import CliContext, examples, server_command
from cli.common.exit_codes import Exit, Failure
from cli.common.server_url import data_dir, volume_url
from shared.errors import NewerVersion, VolumeUnavailable
from shared.sizes import size
from shared.volume import Volume
from shared.volume.backup import back_up


@click.command(epilog=examples("CHARLOOM_DATA_DIR=/srv/charloom charloom backup /backup/charloom"))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@server_command
def backup(ctx: CliContext, folder: Path) -> None:
    """Copy the volume (CHARLOOM_DATA_DIR) to a folder, while the service runs.

    A later backup to the same folder copies only what has changed, and removes what was deleted. To restore: copy the
    folder to an empty volume and start the service with an empty Redis. Running trainings continue from their last
    checkpoint.
    """
    if url := volume_url():
        raise Failure(f"The volume is {url}: copy it with a tool for S3, such as rclone.", Exit.USAGE)
    source = data_dir()
    if not source.is_dir():
        raise Failure(f"{source} isn't there. Set CHARLOOM_DATA_DIR.", Exit.USAGE)
    if folder.resolve().is_relative_to(source):
        raise Failure(f"{folder} is inside the volume. Name a folder elsewhere, best on another disk.", Exit.USAGE)
    try:
        copied = back_up(Volume(source), folder)
    except (NewerVersion, VolumeUnavailable, OSError) as exc:
        raise Failure(f"The backup is incomplete: {exc}", Exit.JOB_FAILED) from exc
    if ctx.json:
        ctx.print_json({"object": "backup", **vars(copied)})
    else:
        ctx.stderr.print(
            f"{copied.files:,} files ({size(copied.bytes)}) copied, {copied.unchanged:,} unchanged, "
            f"{copied.removed:,} removed."
        )
