"""Encodings: recognized by the bytes, guessed from them, or given; and where a wrong byte is."""

import io

import pytest

from shared.errors import InvalidRequest, UnknownEncoding
from shared.text.encodings import ENCODINGS, codec_of, encoding_of
from shared.volume import Volume
from tests.shared.volume.test_volume import MAX, add, left_behind, volume

__all__ = ["volume"]

#: Texts in usual encodings that can't be recognized from their bytes for certain: the encoding, its codec, the text.
TEXTS = [
    ("windows-1252", "cp1252", "“Don’t,” she said – and the café’s door swung open… It cost €5, naïvely.\n"),
    ("gbk", "gbk", "春天来了，花园里的花都开了。孩子们在草地上奔跑，老人们坐在长椅上聊天。\n"),
    ("big5", "big5", "春天來了，花園裡的花都開了。孩子們在草地上奔跑，老人們坐在長椅上聊天。\n"),
    ("shift_jis", "shift_jis", "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"),
    ("euc-kr", "euc_kr", "봄이 왔다. 정원의 꽃이 모두 피었다. 아이들은 잔디밭에서 뛰어놀고 있다.\n"),
    ("koi8-r", "koi8-r", "Все счастливые семьи похожи друг на друга, каждая несчастливая несчастлива.\n"),
]


@pytest.mark.parametrize(("encoding", "codec", "line"), TEXTS)
@pytest.mark.parametrize("lines", [3, 9000])
def test_an_uncertain_encoding_is_the_first_guess_and_can_be_given(
    volume: Volume, encoding: str, codec: str, line: str, lines: int
) -> None:
    sent = (line * lines).encode(codec)
    with pytest.raises(UnknownEncoding, match=f"perhaps {encoding}") as refused:
        add(volume, sent)
    assert left_behind(volume) == []
    first, shown = refused.value.guesses[0]
    assert first == encoding
    assert " ".join(line[:20].split()) in shown
    corpus, new = volume.corpora.add(io.BytesIO(sent), name="x", max_bytes=MAX, encoding=encoding)
    assert (new, corpus.encoding, "".join(volume.corpora.parts(corpus.id))) == (True, encoding, line * lines)


def test_the_same_bytes_in_another_encoding_are_another_corpus(volume: Volume) -> None:
    sent = ("Grüße aus Köln. " * 9).encode()

    def corpus_of(encoding: str | None) -> tuple[str, bool]:
        corpus, new = volume.corpora.add(io.BytesIO(sent), name="x", max_bytes=MAX, encoding=encoding)
        return corpus.id, new

    right, _ = corpus_of("utf-8")
    assert corpus_of(None) == (right, False)
    wrong, new = corpus_of("windows-1252")
    assert new
    assert corpus_of("windows-1252") == (wrong, False)
    assert "GrÃ¼ÃŸe" in "".join(volume.corpora.parts(wrong))
    volume.corpora.delete(wrong)
    assert corpus_of("utf-8") == (right, False)
    volume.corpora.delete(right)
    assert left_behind(volume) == []


#: What is sent, the encoding given, and what the refusal says.
WRONG = [
    (
        "Grüße\n" * 50_000 + "Käthe\r\n",
        b"I don\x92t stop",
        None,
        "line 50,002, byte offset 400,013: 0x92",
        "I don�t stop",
    ),
    ("Grüße\r" * 9, b"\xff", None, "line 10, byte offset 72: 0xFF", "is not valid UTF-8."),
    ("plain text\r\n" * 30_000, b"I don\x92t", None, "line 30,001, byte offset 360,005: 0x92", "perhaps windows-1252"),
    ("plain\r\n", b"\x81x", "windows-1252", "line 2, byte offset 7: 0x81", "can't be decoded"),
    ("plain\n", "猫".encode("shift_jis") + b"\x82 oh", "shift_jis", "line 2, byte offset 8: 0x82", "猫� oh"),
    ("", "ab".encode("utf-16-le") + b"c", "utf-16le", "line 1, byte offset 4: 0x63", "can't be decoded"),
]


@pytest.mark.parametrize(("before", "bad", "encoding", "place", "words"), WRONG)
def test_a_wrong_byte_is_shown_where_it_is(
    volume: Volume, before: str, bad: bytes, encoding: str | None, place: str, words: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        volume.corpora.add(io.BytesIO(before.encode() + bad), name="x", max_bytes=MAX, encoding=encoding)
    assert place in refused.value.detail
    assert words in refused.value.detail
    assert left_behind(volume) == []


def test_encodings_go_by_their_usual_names() -> None:
    names = {"latin-1": "windows-1252", "CP1252": "windows-1252", "sjis": "shift_jis", "gb2312": "gbk", "UTF8": "utf-8"}
    assert {name: encoding_of(name) for name in names} == names
    assert [encoding_of(name) for name in ("rot13", "base64", "nope", "a\0b", "é")] == [None] * 5
    for name in ENCODINGS:
        assert encoding_of(name) == encoding_of(codec_of(name)) == name
