"""A column of a table: its values one per line, read in pieces, and what is refused."""

import io
import json
from pathlib import Path

import pytest

from shared.errors import InvalidRequest
from shared.text.items import Items
from shared.volume.columns import Column, TableFormat, format_of, values
from shared.volume.volume import Volume

CSV = 'id,text\n1,"a ""b"",\nc"\n2,\n3\n4, d \n'
JSONL = '{"id": 1, "text": "a\\r\\nb"}\n\n{"id": 2}\n{"text": null}\n{"text": 7}\n{"text": "\\ud800"}\n'


def column(text: str, name: str = "text", table: TableFormat = "csv", size: int = 3) -> list[str]:
    parts = [text[begin : begin + size] for begin in range(0, len(text), size)]
    return list(values(parts, Column(name=name, format=table)))


@pytest.mark.parametrize(
    ("table", "text", "found"),
    [
        ("csv", CSV, ['a "b", c\n', "d\n"]),
        ("csv", "\ufefftext;b\nx,y;z\n", ["x,y\n"]),
        ("csv", "text\nlast", ["last\n"]),
        ("tsv", 'id\ttext\n1\t"a"\n', ["a\n"]),
        ("jsonl", JSONL, ["a b\n", "7\n", "?\n"]),
    ],
)
def test_values_come_one_per_line(table: TableFormat, text: str, found: list[str]) -> None:
    assert column(text, table=table) == column(text, table=table, size=10**6) == found


@pytest.mark.parametrize(
    ("table", "text", "words"),
    [
        ("csv", CSV, "There is no column 'name'. The columns are 'id', 'text'."),
        ("jsonl", JSONL, "There is no column 'name'. The columns are 'id', 'text'."),
        ("csv", "", "The columns are none"),
        ("csv", "name\n" + '"' + "x" * 200_000, "can't be read as csv at line 2"),
        ("jsonl", "{}\nnothing\n", "Line 2 isn't JSON"),
        ("jsonl", "[1]\n", "Line 1 isn't a JSON object"),
        ("jsonl", '{"name": [1]}', r"column 'name' holds \[1\] at line 1"),
    ],
)
def test_a_missing_column_and_what_is_no_table_are_refused(table: TableFormat, text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        column(text, name="name", table=table, size=1000)


def test_the_format_is_that_of_the_name_or_else_of_the_type() -> None:
    assert format_of("a.b.TSV", "text/csv") == "tsv"
    assert format_of("posts", "text/csv") == "csv"
    assert format_of("posts.txt", "text/plain") is None


def test_two_columns_of_the_same_bytes_are_two_corpora(data_dir: Path) -> None:
    corpora = Volume(data_dir).corpora
    table = "\n".join(json.dumps({"a": f"first {n % 50}", "b": "same"}) for n in range(100)).encode()

    def add(name: str | None) -> tuple[str, bool, Items | None]:
        wanted = None if name is None else Column(name=name, format="jsonl")
        corpus, new = corpora.add(io.BytesIO(table), name="t", max_bytes=10**6, column=wanted)
        return corpus.id, new, corpus.items

    first, second, whole = add("a"), add("b"), add(None)
    assert len({first[0], second[0], whole[0]}) == 3
    assert first[2] == Items(separator="\n", count=100, unique=50, longest=8)
    assert second[2] is None
    assert add("a") == (first[0], False, first[2])
    meta = corpora.folder(first[0]) / "meta.json"
    old = {name: value for name, value in json.loads(meta.read_text()).items() if name not in ("items", "column")}
    meta.write_text(json.dumps(old))
    assert corpora.get(first[0]).items is None, "a corpus older than lists"
    meta.write_text(json.dumps(old | {"column": {"name": "a", "format": "jsonl"}}))
    corpora.delete(first[0])
    assert add("a")[1]
