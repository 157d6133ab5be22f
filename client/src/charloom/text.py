"""The text of a writing put together from its events: every character once and in order."""

from collections.abc import Mapping, Sequence

from charloom.records import Event


class Texts:
    """Collects the variants of one writing.

    A worker that takes over from another one writes from the beginning again; what was there already is passed over.
    Where events are missing, the rest comes with `done`, which holds every text whole.
    """

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        #: Variants whose text at the end isn't what came bit by bit: another worker wrote them again, differently.
        self.changed: set[int] = set()

    def __getitem__(self, index: int) -> str:
        """Return a variant as far as it has come."""
        return self._texts.get(index, "")

    def __len__(self) -> int:
        """Return how many variants have begun."""
        return len(self._texts)

    def add(self, event: Event) -> Sequence[tuple[int, str]]:
        """Take an event in, and return what is new: (variant, characters) each."""
        if event.type == "text":
            index, offset, delta = (event.data.get(name) for name in ("index", "offset", "delta"))
            if isinstance(index, int) and isinstance(offset, int) and isinstance(delta, str):
                return self._join(index, offset, delta)
        elif event.type in ("done", "reset"):
            result = event.data.get("result")
            if isinstance(result, dict):
                return self._complete(result)
        return ()

    def _join(self, index: int, offset: int, delta: str) -> Sequence[tuple[int, str]]:
        have = self._texts.setdefault(index, "")
        if offset > len(have):
            return ()  # some are missing; they come with the end
        new = delta[len(have) - offset :]
        self._texts[index] = have + new
        return [(index, new)] if new else ()

    def _complete(self, result: Mapping[str, object]) -> Sequence[tuple[int, str]]:
        outputs = result.get("outputs")
        found: list[tuple[int, str]] = []
        for output in outputs if isinstance(outputs, list) else ():
            index, text = (output.get("index"), output.get("text")) if isinstance(output, dict) else (None, None)
            if not isinstance(index, int) or not isinstance(text, str):
                continue
            have = self._texts.get(index, "")
            self._texts[index] = text
            if not text.startswith(have):
                self.changed.add(index)
            elif len(text) > len(have):
                found.append((index, text[len(have) :]))
        return found
