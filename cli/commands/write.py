"""`charloom write`: generate text with a model."""

import sys
from typing import Any

import click
from pydantic import TypeAdapter

from cli.common.context import CliContext, examples, server_command
from cli.common.exit_codes import Exit, Failure
from cli.common.generation import show_generation
from cli.common.items import items_options, nest_items
from cli.common.lookup import find_model
from cli.common.options import check_request, given_options, request_options
from shared.requests.writing import GenerateRequest, WriteItems

_REQUEST: TypeAdapter[Any] = TypeAdapter(GenerateRequest)
_ITEMS: TypeAdapter[Any] = TypeAdapter(WriteItems)


@click.command(
    epilog=examples(
        "charloom write reeds",
        'charloom write reeds --prompt "There was a " --length 200',
        "charloom write mod_01jd --temperature 1.2 --n 3",
        "charloom write surnames --items 1000 --new > new.txt",
        "head -c 300 book.txt | charloom write reeds --prompt - > next.txt",
    )
)
@click.argument("model", metavar="MODEL")
@request_options(GenerateRequest, leave_out=["model_id", "items"])
@items_options
@server_command
def write(ctx: CliContext, model: str, **options: Any) -> None:
    """Generate text with a model.

    MODEL is a model's name, its id, or the start or end of its id. --prompt - reads the prompt from standard input.

    The text goes to standard output as it is generated; several variants follow one another. With --items, the items of
    a list follow when all are written. Ctrl-C stops and keeps the text so far.
    """
    given = nest_items(given_options(options))
    if given.get("prompt") == "-":
        try:
            given["prompt"] = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Failure("The prompt on standard input isn't UTF-8.", Exit.USAGE) from exc
    check_request(_ITEMS, given.get("items", {"count": 1}))
    check_request(_REQUEST, {"model_id": "", **given})
    job = show_generation(ctx, ctx.client.generate(find_model(ctx, model), **given), cancel_on_exit=True)
    if ctx.json:
        ctx.print_json(job)
    job.check()
