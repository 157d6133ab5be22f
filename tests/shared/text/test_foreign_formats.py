"""Files that no text is taken from are named, with what to send instead; texts that begin like one are texts."""

import io

import pytest

from shared.errors import InvalidRequest
from shared.text.foreign_formats import by_bytes
from shared.volume import Volume
from tests.shared.volume.test_volume import MAX, left_behind, volume

__all__ = ["volume"]


def at(place: int, mark: bytes, before: bytes = b"\0") -> bytes:
    return before.ljust(place, b"\0") + mark + b"\0" * 64


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (at(60, b"BOOKMOBI", b"A_Bear"), "an e-book for Kindle (MOBI, AZW or AZW3). Convert it to EPUB, with calibre"),
        (at(60, b"TEXtREAd", b"A Bear"), "an e-book for Palm"),
        (b"ITOLITLS\1\0\0\0", "LIT"),
        (b"AT&TFORM\0\0\0\x80DJVM", "a scan (DjVu). Save its text layer"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture (PNG). Have its text recognized first (OCR)."),
        (b"\xff\xd8\xff\xe1Exif", "a picture (JPEG)"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "a picture (WebP)"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "a sound recording (WAV). Have what is said transcribed"),
        (b"\0\0\0\x18ftypheic", "a picture (HEIC)"),
        (b"\0\0\0\x18ftypM4B \0", "an audiobook (M4B)"),
        (b"\0\0\0\x18ftypisom\0", "a video (MP4)"),
        (b"ID3\4\0\0\0", "a sound recording (MP3)"),
        (b"\xff\xfb\x90\x64", "a sound recording (MP3)"),
        (b"Rar!\x1a\7\1\0", "an archive (RAR). Unpack it"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "an archive (7z)"),
        (at(257, b"ustar", b"bear.txt"), "an archive (tar)"),
        (b"BZh91AY&SY\xd8", "compressed with bzip2"),
        (b"\xfd7zXZ\0\0\4", "compressed with xz"),
        (b"\x28\xb5\x2f\xfd\4", "compressed with zstd"),
        (b"\0\1\2\3", "binary"),
    ],
)
def test_a_file_that_is_no_text_is_named_and_nothing_of_it_is_kept(volume: Volume, content: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        volume.corpora.add(io.BytesIO(content), name="x", max_bytes=MAX)
    assert words in refused.value.detail
    assert left_behind(volume) == []


@pytest.mark.parametrize("text", ["BMW fährt", "ID3 weiß es", "OggS à la carte", "\x1a", "GIF89a"])
def test_a_text_that_begins_like_one_is_a_text(text: str) -> None:
    assert by_bytes(text.encode("cp1252")) is None
