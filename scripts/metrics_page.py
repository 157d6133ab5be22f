"""Write the table of docs/metrics.md from the catalogue: `python -m scripts.metrics_page`. A test compares them."""

from pathlib import Path

from shared.metrics.catalogue import CATALOGUE, Source

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"
_BEGIN, _END = "<!-- made from the code: metrics -->\n", "<!-- end -->\n"
_SOURCES = {Source.FLEET: "fleet", Source.WEB: "web", Source.WORKER: "worker", Source.PROCESS: "web, worker"}


def render(page: str) -> str:
    """Return the page with its table made from the catalogue."""
    head, begin, rest = page.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    rows = ["| metric | type | labels | of | what it is |\n", "| --- | --- | --- | --- | --- |\n"]
    for entry in CATALOGUE:
        labels = " ".join(f"`{label}`" for label in entry.labels) or "–"
        rows.append(f"| `{entry.name}` | {entry.kind} | {labels} | {_SOURCES[entry.source]} | {entry.help} |\n")
    return head + begin + "".join(rows) + end + tail


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
