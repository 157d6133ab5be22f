"""Server-sent events are read as the HTML standard says, wherever the bytes are cut."""

import pytest

from charloom.sse import Message, Parser

STREAM = (
    b"retry: 3000\n\n: ping\n\n"
    b'id: 1-0\nevent: text\ndata: {"delta":"a\xe2\x80\xa8b\xc2\x85c\x0bd"}\n\n'
    b"event:status\r\ndata:one\r\ndata: two\r\n\r\n"
    b"id: 2-0\rdata: last\r\r"
    b"data: never whole"
)
WANTED = [
    Message(id="1-0", event="text", data='{"delta":"a\u2028b\x85c\x0bd"}'),
    Message(id="1-0", event="status", data="one\ntwo"),
    Message(id="2-0", event="message", data="last"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, len(STREAM)])
def test_messages_are_the_same_however_the_bytes_come(size: int) -> None:
    parser = Parser()
    chunks = (STREAM[at : at + size] for at in range(0, len(STREAM), size))
    assert [message for chunk in chunks for message in parser.feed(chunk)] == WANTED
