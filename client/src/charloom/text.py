"""The texts of a generation, assembled from its events: every character once and in order."""

from collections.abc import Sequence

from charloom.events import DoneEvent, Event, ResetEvent, TextEvent
from charloom.job_records import Output


class Texts:
    """Collects the texts of one generation.

    A worker that takes over from another generates from the beginning again; characters received before are skipped.
    If events are missing, the rest comes with `done`, which has every text.
    """

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        #: Texts whose end differs from what came before: another worker generated them again, differently.
        self.changed: set[int] = set()

    def __getitem__(self, index: int) -> str:
        """Return a text as far as it has come."""
        return self._texts.get(index, "")

    def __len__(self) -> int:
        """Return how many texts have begun."""
        return len(self._texts)

    def add(self, event: Event) -> Sequence[tuple[int, str]]:
        """Add an event, and return what is new, as (index of the text, characters)."""
        if isinstance(event, TextEvent):
            return self._join(event.data.index, event.data.offset, event.data.delta)
        if isinstance(event, DoneEvent | ResetEvent):
            return self._complete(event.data.outputs)
        return ()

    def _join(self, index: int, offset: int, delta: str) -> Sequence[tuple[int, str]]:
        have = self._texts.setdefault(index, "")
        if offset > len(have):
            return ()  # some are missing; they come with the end
        new = delta[len(have) - offset :]
        self._texts[index] = have + new
        return [(index, new)] if new else ()

    def _complete(self, outputs: Sequence[Output]) -> Sequence[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        for output in outputs:
            have = self._texts.get(output.index, "")
            self._texts[output.index] = output.text
            if not output.text.startswith(have):
                self.changed.add(output.index)
            elif len(output.text) > len(have):
                found.append((output.index, output.text[len(have) :]))
        return found
