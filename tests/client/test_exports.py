"""What a caller may meet can be imported from `client` itself."""

import inspect

import client
from client import errors, records


def test_every_error_and_every_record_is_exported() -> None:
    met = {
        name
        for module in (errors, records)
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
    }
    assert met - {"Record", "Listing"} <= set(client.__all__)
    assert list(client.__all__) == sorted(client.__all__)
    assert all(hasattr(client, name) for name in client.__all__)


def test_every_error_says_in_the_drawing_what_it_is() -> None:
    for name, thing in vars(errors).items():
        if inspect.isclass(thing) and issubclass(thing, client.CharloomError):
            assert name in (errors.__doc__ or ""), name
