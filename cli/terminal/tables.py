"""Lists as tables and single objects as cards: fitted to a terminal's width, complete in a pipe."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.terminal.console import printable

#: Spaces between two columns.
GAP = 2
#: Narrowest width, in cells, that a truncated column is still useful at.
MIN_TRUNCATED = 12
_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "running": "cyan",
    "cancelling": "yellow",
    "cancelled": "yellow",
    "queued": "dim",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table."""

    title: str
    #: Where there is no room, columns of the highest rank are left out first; those of rank 0 never.
    rank: int = 0
    right: bool = False
    #: Whether its cells may be truncated.
    truncate: bool = False


def print_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; columns that a terminal has no room for are left out."""
    cells = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(cell_len, (column.title, *(row[at] for row in cells)))) for at, column in enumerate(columns)]
    kept = list(range(len(columns)))
    if console.is_terminal:
        while _is_too_wide(columns, widths, kept, console.width):
            kept.remove(max(kept, key=lambda at: columns[at].rank))
        excess = sum(widths[at] + GAP for at in kept) - GAP - console.width
        for at in kept:
            if columns[at].truncate and excess > 0:
                narrower = max(MIN_TRUNCATED, widths[at] - excess)
                excess -= widths[at] - narrower
                widths[at] = narrower
    console.print(_line(columns, widths, kept, [column.title for column in columns]), style="dim", soft_wrap=True)
    for row in cells:
        console.print(_line(columns, widths, kept, row), soft_wrap=True)


def print_card(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values, one pair a row; pairs with an empty value are left out."""
    shown = [(name, printable(value)) for name, value in rows if value]
    if not console.is_terminal:
        width = max(len(name) for name, _ in shown) + GAP
        for name, value in shown:
            console.print(f"{name:<{width}}{value}")
        return
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in shown:
        grid.add_row(name, Text(value, style=_STYLES.get(value.partition(",")[0], "")))
    console.print(grid)


def _is_too_wide(columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int], room: int) -> bool:
    least = sum((min(widths[at], MIN_TRUNCATED) if columns[at].truncate else widths[at]) + GAP for at in kept) - GAP
    return least > room and any(columns[at].rank for at in kept)


def _line(columns: Sequence[Column], widths: Sequence[int], kept: Sequence[int], cells: Sequence[str]) -> Text:
    line = Text()
    for at in kept:
        cell, width = cells[at], widths[at]
        if cell_len(cell) > width:
            cell = set_cell_size(cell, width - 1).rstrip() + "…"
        space = " " * (width - cell_len(cell))
        if line:
            line.append(" " * GAP)
        line.append(space + cell if columns[at].right else cell + space, style=_STYLES.get(cells[at], ""))
    line.rstrip()
    return line
