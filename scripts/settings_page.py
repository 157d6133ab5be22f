"""Write docs/settings.md from the settings: `python -m scripts.settings_page`. A test holds them together."""

from pathlib import Path

from shared.settings import CLIENT_VARIABLES, PREFIX, Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

_HEAD = f"""\
# Settings

Every process (`gunicorn "web:create_app()"`, `celery -A worker worker`, `charloom up`) reads the same environment
variables, once, when it starts. A wrong value, or a `{PREFIX}` variable that isn't listed here, stops the start with
its name. This page is made from `shared/settings.py` by `python -m scripts.settings_page`.

| variable | default | what it is |
| --- | --- | --- |
"""

_FOOT = """
The command line, the tests and the benches also know {clients}; the service doesn't read them.
"""


def render() -> str:
    """Return the page."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field.get_default())} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    ]
    clients = [f"`{PREFIX}{name.upper()}`" for name in sorted(CLIENT_VARIABLES)]
    return _HEAD + "".join(rows) + _FOOT.format(clients=", ".join(clients[:-1]) + " and " + clients[-1])


def _default(value: object) -> str:
    reveal = getattr(value, "get_secret_value", None)
    shown = reveal() if reveal is not None else value
    if shown in (None, [], (), ""):
        return "–"
    return f"`{int(shown) if isinstance(shown, bool) else shown}`"


if __name__ == "__main__":
    PAGE.write_text(render())
