"""What a person means by a word: a whole id, its beginning or its end, or a model's or text's name.

Ids begin with the time of their making, so few of them share a beginning of twelve characters; their ends, which file
names of downloads show, are chance.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from charloom import Corpus, Job, Model
from cli.common.context import CliContext
from cli.common.exit_codes import Exit, Failure

#: Characters after a kind's prefix.
ID_CHARS = 26
#: Fewer characters of an id's end would fit too many.
MIN_SUFFIX = 4
#: Newest items that are looked through for a name or an end.
MAX_SEARCHED = 1000
#: Candidates that a failure names.
MAX_NAMED = 5

Item = TypeVar("Item", Corpus, Job, Model)


def find_job(ctx: CliContext, word: str) -> Job:
    """Return the job that is meant. Raises Failure."""
    return _Search[Job](ctx, "job", "job", ctx.client.jobs.get, ctx.client.jobs.list).find(word)


def find_model(ctx: CliContext, word: str, *, newest: bool = True) -> Model:
    """Return the model that is meant; of several with one name the newest, unless only one will do. Raises Failure."""
    return _Search[Model](ctx, "mod", "model", ctx.client.models.get, ctx.client.models.list, newest=newest).find(word)


def find_corpus(ctx: CliContext, word: str, *, newest: bool = True) -> Corpus:
    """Return the text that is meant; of several with one name the newest, unless only one will do. Raises Failure."""
    return _Search[Corpus](ctx, "cor", "text", ctx.client.corpora.get, ctx.client.corpora.list, newest=newest).find(
        word
    )


class _Search(Generic[Item]):
    def __init__(
        self,
        ctx: CliContext,
        prefix: str,
        kind: str,
        get: Callable[[str], Item],
        listed: Callable[..., Iterator[Item]],
        *,
        newest: bool = False,
    ) -> None:
        self._ctx = ctx
        self._prefix = f"{prefix}_"
        self._kind = kind
        self._get: Callable[[str], Item] = get
        self._list: Callable[..., Iterator[Item]] = listed
        self._newest = newest

    def find(self, word: str) -> Item:
        if word.startswith(self._prefix):
            if len(word) == len(self._prefix) + ID_CHARS:
                return self._get(word)
            return self._one(word, self._beginning(word))
        looked = list(self._list(limit=MAX_SEARCHED))
        named = [item for item in looked if not isinstance(item, Job) and item.name == word]
        if len(named) > 1 and self._newest:
            self._ctx.stderr.print(f"{len(named)} {self._kind}s are called {word}; this is the newest.", style="dim")
            return named[0]
        return self._one(word, named or self._part(word, looked))

    def _beginning(self, word: str) -> Sequence[Item]:
        """Return up to two whose id begins so: lists are sorted, and those after the lowest possible id come first."""
        whole = len(self._prefix) + ID_CHARS
        lowest = word.lower().ljust(whole, "0")
        if len(lowest) > whole or not lowest.removeprefix(self._prefix).isalnum():
            return []
        return [item for item in self._list(order="asc", after=lowest, limit=2) if item.id.startswith(word.lower())]

    def _part(self, word: str, looked: Sequence[Item]) -> Sequence[Item]:
        low = word.lower()
        if len(low) < MIN_SUFFIX:
            return []
        return [item for item in looked if item.id.endswith(low) or item.id.removeprefix(self._prefix).startswith(low)]

    def _one(self, word: str, found: Sequence[Item]) -> Item:
        if len(found) == 1:
            return found[0]
        command = {"job": "jobs", "model": "models", "text": "corpora"}[self._kind]
        if not found:
            said = f"There is no {self._kind} {word!r}. `charloom {command}` lists those there are."
            raise Failure(said, Exit.NOT_FOUND)
        ids = ", ".join(item.id for item in found[:MAX_NAMED])
        raise Failure(f"{word!r} fits several {self._kind}s: {ids}. Write more of the id.", Exit.USAGE)
