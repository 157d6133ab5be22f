"""What a caller may meet can be imported from `charloom` itself."""

import inspect

import charloom
from charloom import errors, records


def test_every_error_and_every_record_is_exported() -> None:
    met = {
        name
        for module in (errors, records)
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
    }
    assert met - {"Record", "Listing"} <= set(charloom.__all__)
    assert list(charloom.__all__) == sorted(charloom.__all__)
    assert all(hasattr(charloom, name) for name in charloom.__all__)


def test_every_error_says_in_the_drawing_what_it_is() -> None:
    for name, thing in vars(errors).items():
        if inspect.isclass(thing) and issubclass(thing, charloom.CharloomError):
            assert name in (errors.__doc__ or ""), name
