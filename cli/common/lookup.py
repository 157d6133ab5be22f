"""Finds a job, model or text by its id, by the start or the end of its id, or by its name.

Ids begin with the time they were made, so few share their first twelve characters; their ends, which the names of
downloaded files show, are random.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from charloom import Corpus, Job, Model
from cli.common.context import CliContext
from cli.common.exit_codes import Exit, Failure

#: Characters of an id after its prefix.
ID_CHARS = 26
#: Shortest end of an id that is looked for; shorter ones would match too many.
MIN_SUFFIX = 4
#: Newest items that are searched for a name or the end of an id.
MAX_SEARCHED = 1000
#: Matches that an error lists.
MAX_LISTED = 5

Item = TypeVar("Item", Corpus, Job, Model)


def find_job(ctx: CliContext, word: str) -> Job:
    """Return the job that a word names. Raises Failure."""
    return _Lookup[Job](ctx, "job", "job", ctx.client.jobs.get, ctx.client.jobs.list).find(word)


def find_model(ctx: CliContext, word: str, *, newest: bool = True) -> Model:
    """Return the model that a word names; of several with that name the newest, if allowed. Raises Failure."""
    models = ctx.client.models
    return _Lookup[Model](ctx, "mod", "model", models.get, models.list, newest=newest).find(word)


def find_corpus(ctx: CliContext, word: str, *, newest: bool = True) -> Corpus:
    """Return the text that a word names; of several with that name the newest, if allowed. Raises Failure."""
    corpora = ctx.client.corpora
    return _Lookup[Corpus](ctx, "cor", "text", corpora.get, corpora.list, newest=newest).find(word)


class _Lookup(Generic[Item]):
    def __init__(
        self,
        ctx: CliContext,
        prefix: str,
        kind: str,
        get: Callable[[str], Item],
        list_items: Callable[..., Iterator[Item]],
        *,
        newest: bool = False,
    ) -> None:
        self._ctx = ctx
        self._prefix = f"{prefix}_"
        self._kind = kind
        self._get: Callable[[str], Item] = get
        self._list: Callable[..., Iterator[Item]] = list_items
        self._newest = newest

    def find(self, word: str) -> Item:
        if word.startswith(self._prefix):
            if len(word) == len(self._prefix) + ID_CHARS:
                return self._get(word)
            return self._only(word, self._by_start(word))
        newest = list(self._list(limit=MAX_SEARCHED))
        named = [item for item in newest if not isinstance(item, Job) and item.name == word]
        if len(named) > 1 and self._newest:
            self._ctx.stderr.print(f"Using the newest of {len(named)} {self._kind}s called {word}.", style="dim")
            return named[0]
        return self._only(word, named or self._by_part(word, newest))

    def _by_start(self, word: str) -> Sequence[Item]:
        """Return up to two items whose id starts so: in a sorted list they follow the lowest id that starts so."""
        length = len(self._prefix) + ID_CHARS
        lowest = word.lower().ljust(length, "0")
        if len(lowest) > length or not lowest.removeprefix(self._prefix).isalnum():
            return []
        return [item for item in self._list(order="asc", after=lowest, limit=2) if item.id.startswith(word.lower())]

    def _by_part(self, word: str, items: Sequence[Item]) -> Sequence[Item]:
        part = word.lower()
        if len(part) < MIN_SUFFIX:
            return []
        return [item for item in items if item.id.endswith(part) or item.id.removeprefix(self._prefix).startswith(part)]

    def _only(self, word: str, found: Sequence[Item]) -> Item:
        if len(found) == 1:
            return found[0]
        if not found:
            command = {"job": "jobs", "model": "models", "text": "texts"}[self._kind]
            message = f"There is no {self._kind} {word!r}. `charloom {command}` lists all {self._kind}s."
            raise Failure(message, Exit.NOT_FOUND)
        ids = ", ".join(item.id for item in found[:MAX_LISTED])
        raise Failure(f"{word!r} matches several {self._kind}s: {ids}. Use one of these ids.", Exit.USAGE)
