"""Write the tables of docs/api.md from the endpoints: `python -m scripts.api_page`. A test compares them."""

from collections.abc import Iterable
from pathlib import Path

from web import api
from web.http.endpoints import Endpoint
from web.http.errors import CATALOGUE
from web.openapi.error_cases import errors_of

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
_BEGIN, _END = "<!-- made from the code: {} -->\n", "<!-- end -->\n"


def render(page: str) -> str:
    """Return the page with its tables made from the code."""
    for name, rows in (("calls", _calls()), ("cases", _cases())):
        head, begin, rest = page.partition(_BEGIN.format(name))
        _, end, tail = rest.partition(_END)
        page = head + begin + "".join(f"{row}\n" for row in rows) + end + tail
    return page


def _calls() -> Iterable[str]:
    yield "| call | answers | can be refused or fail with |"
    yield "| --- | --- | --- |"
    for call in (call for group in api.ALL for call in group.calls):
        answers = " ".join(f"**{status}** {answer.description}" for status, answer in sorted(call.responses.items()))
        yield f"| `{call.method} {_address(call)}` | {answers} | {' '.join(map(str, errors_of(call)))} |"


def _cases() -> Iterable[str]:
    yield "| status | code | when | what to do |"
    yield "| --- | --- | --- | --- |"
    for error in CATALOGUE:
        yield f"| {error.status} | `{error.code}` | {error.when} | {error.to_do} |"


def _address(call: Endpoint) -> str:
    return call.path.replace("<", "{").replace(">", "}")


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
