"""`charloom base`: train a base."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cli.commands.train import REQUEST
from cli.common.context import CliContext, examples, server_command
from cli.common.corpus_argument import take_upload_options, upload_options
from cli.common.exit_codes import Exit, Failure
from cli.common.follow import follow_job
from cli.common.options import check_request, given_options, request_options
from cli.terminal.formatting import describe_corpus
from shared.requests.options import StreamRequest

#: Between two texts.
_GAP = b"\n\n\n"
_options = request_options(StreamRequest, leave_out=["corpus_id", "init_from", "name", "recipe"])


@click.command(
    epilog=examples(
        "charloom base shelf/*.txt --name nordic --max-seconds 1800",
        "charloom model x7k2pq --base        # any stream model can be one",
        "charloom model nordic --no-base     # trainings no longer start from it",
    )
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", required=True, help="The base's name.")
@upload_options
@_options
@server_command
def base(ctx: CliContext, files: Sequence[Path], name: str, **options: Any) -> None:
    """Train a base on several texts.

    Later trainings on texts of that language start from it automatically, where it helps, and learn more in less time.
    Give it megabytes of text and some minutes. Prints the model's id.
    """
    upload = take_upload_options(options)
    given = given_options(options) | {"name": name, "init_from": None}
    check_request(REQUEST, {"corpus_id": "", **given})
    with tempfile.TemporaryDirectory(prefix="charloom-") as folder:
        shelf = Path(folder) / f"{name.replace('/', '-')}.txt"
        try:
            with shelf.open("wb") as joined:
                for path in files:
                    joined.write(path.read_bytes() + _GAP)
        except OSError as exc:
            raise Failure(f"{exc.filename} can't be read: {exc.strerror}.", Exit.USAGE) from exc
        corpus = ctx.client.corpora.add(shelf, **upload)
    ctx.stderr.print(describe_corpus(corpus))
    job = follow_job(ctx, ctx.client.train(corpus, **given))
    ctx.client.models.patch(job.model_id or "", base=True)
