"""`charloom usage`: what the caller stores, and may store."""

import click

from charloom import Quota
from cli.common.context import CliContext, examples, server_command
from cli.terminal.tables import print_card
from shared.sizes import size


@click.command(epilog=examples("charloom usage", "charloom usage --json"))
@server_command
def usage(ctx: CliContext) -> None:
    """Show how many texts and models you store, and how many you may.

    You are the API key in CHARLOOM_API_KEY; without keys, everybody counts.
    """
    found = ctx.client.usage()
    if ctx.json:
        ctx.print_json(found)
        return
    rows = [("key", found.owner), ("texts", _said(found.texts)), ("models", _said(found.models))]
    print_card(ctx.stdout, [*rows, ("together", _said(found.bytes, in_bytes=True))])


def _said(quota: Quota, *, in_bytes: bool = False) -> str:
    shown = size if in_bytes else "{:,}".format
    of = "" if quota.limit is None else f" of {shown(quota.limit)}"
    making = f", and {shown(quota.reserved)} in the making" if quota.reserved else ""
    return f"{shown(quota.stored)}{of}{making}"
