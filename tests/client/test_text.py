"""Generated text is complete despite repeats, gaps and changes."""

from typing import Any

from charloom import DoneEvent, Event, Outcome, TextData, TextEvent, Texts


def _text(index: int, offset: int, delta: str) -> Event:
    return TextEvent(data=TextData(index=index, offset=offset, delta=delta))


def _done(*texts: str) -> Event:
    outputs = [{"index": index, "text": text} for index, text in enumerate(texts)]
    return DoneEvent(data=Outcome(status="succeeded", result={"outputs": outputs}))


def _new(texts: Texts, *events: Event) -> list[Any]:
    return [new for event in events for new in texts.add(event)]


def test_text_received_twice_is_returned_once() -> None:
    texts = Texts()
    seen = _new(
        texts,
        _text(0, 0, "the "),
        _text(1, 0, "a"),
        _text(0, 0, "the loom"),
        _text(0, 4, "loom"),
        _done("the loom", "a"),
    )
    assert seen == [(0, "the "), (1, "a"), (0, "loom")]
    assert (texts[0], texts[1], len(texts), texts.changed) == ("the loom", "a", 2, set())


def test_missing_text_comes_with_the_end() -> None:
    texts = Texts()
    assert _new(texts, _text(0, 0, "the "), _text(0, 9, "late"), _done("the loom late")) == [
        (0, "the "),
        (0, "loom late"),
    ]


def test_a_text_that_was_generated_again_differently_is_marked() -> None:
    texts = Texts()
    assert _new(texts, _text(0, 0, "the loom"), _done("the river")) == [(0, "the loom")]
    assert (texts.changed, texts[0]) == ({0}, "the river")


def test_a_job_that_ended_without_a_result_adds_nothing() -> None:
    assert _new(Texts(), DoneEvent(data=Outcome(status="failed"))) == []


def test_outputs_of_another_shape_add_nothing() -> None:
    outputs = [None, {}, {"index": "first", "text": "the"}, {"index": 1, "text": "loom"}]
    assert _new(Texts(), DoneEvent(data=Outcome(status="succeeded", result={"outputs": outputs}))) == [(1, "loom")]
    assert _new(Texts(), DoneEvent(data=Outcome(status="succeeded", result={"outputs": 7}))) == []
