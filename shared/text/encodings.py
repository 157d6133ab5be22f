"""Encodings that a text can be sent in, by the names that the web uses, and what each is for."""

import codecs
from collections.abc import Mapping

#: Name: (Python's codec, what it is for), the most usual of each script first. Where several codecs go by one name in
#: the wild, the codec is the one that reads all of them (gb18030 for GBK, cp949 for EUC-KR, cp932 for Shift JIS).
_TABLE: Mapping[str, tuple[str, str]] = {
    "utf-8": ("utf-8", "Unicode"),
    "utf-16le": ("utf-16-le", "Unicode"),
    "utf-16be": ("utf-16-be", "Unicode"),
    "windows-1252": ("cp1252", "Western European, Windows and ISO-8859-1"),
    "iso-8859-15": ("iso8859-15", "Western European, ISO"),
    "macintosh": ("mac-roman", "Western European, Mac"),
    "ibm850": ("cp850", "Western European, DOS"),
    "windows-1250": ("cp1250", "Central European, Windows"),
    "iso-8859-2": ("iso8859-2", "Central European, ISO"),
    "windows-1251": ("cp1251", "Cyrillic, Windows"),
    "koi8-r": ("koi8-r", "Cyrillic, Russian"),
    "koi8-u": ("koi8-u", "Cyrillic, Ukrainian"),
    "ibm866": ("cp866", "Cyrillic, DOS"),
    "iso-8859-5": ("iso8859-5", "Cyrillic, ISO"),
    "gbk": ("gb18030", "Chinese, simplified"),
    "big5": ("cp950", "Chinese, traditional"),
    "big5-hkscs": ("big5hkscs", "Chinese, Hong Kong"),
    "shift_jis": ("cp932", "Japanese"),
    "euc-jp": ("euc_jp", "Japanese"),
    "iso-2022-jp": ("iso2022_jp", "Japanese"),
    "euc-kr": ("cp949", "Korean"),
    "windows-1253": ("cp1253", "Greek, Windows"),
    "iso-8859-7": ("iso8859-7", "Greek, ISO"),
    "windows-1254": ("cp1254", "Turkish, Windows"),
    "windows-1255": ("cp1255", "Hebrew, Windows"),
    "iso-8859-8": ("iso8859-8", "Hebrew, ISO"),
    "windows-1256": ("cp1256", "Arabic, Windows"),
    "iso-8859-6": ("iso8859-6", "Arabic, ISO"),
    "windows-1257": ("cp1257", "Baltic, Windows"),
    "windows-1258": ("cp1258", "Vietnamese, Windows"),
    "windows-874": ("cp874", "Thai"),
}
#: What each encoding is for, by name.
ENCODINGS: Mapping[str, str] = {name: about for name, (_, about) in _TABLE.items()}
#: Other codecs by the name of the encoding that reads them.
_READ_AS = {"ascii": "windows-1252", "iso8859-1": "windows-1252", "gb2312": "gbk", "gbk": "gbk", "gb18030": "gbk"} | {
    "big5": "big5",
    "shift_jis": "shift_jis",
    "euc_kr": "euc-kr",
}
_BY_CODEC = _READ_AS | {codecs.lookup(codec).name: name for name, (codec, _) in _TABLE.items()}


def encoding_of(name: str) -> str | None:
    """Return the encoding that goes by a name of its own or of Python's ("latin-1", "cp1252", "sjis"), or None."""
    name = name.strip().lower()
    if name in _TABLE:
        return name
    try:
        return _BY_CODEC.get(codecs.lookup(name).name)
    except (LookupError, ValueError):
        return None


def codec_of(encoding: str) -> str:
    """Return Python's codec of an encoding; of one that isn't listed, that of its name."""
    return _TABLE[encoding][0] if encoding in _TABLE else encoding
