"""A book that is sent on the page: its job's page, and from there to the text that it became."""

import io
from pathlib import Path

from shared.ids import corpus_id_of
from shared.text.source_formats import SourceFormat
from shared.volume import Source
from tests.web.pages.test_pages import token_of
from tests.web.world import BOOK, World


def test_a_book_is_extracted_and_its_text_is_then_chosen(world: World, tmp_path: Path) -> None:
    page = world.http.get("/").text
    assert ".epub" in page
    sent = world.http.post(
        "/corpora", data={"csrf_token": token_of(world), "file": [(io.BytesIO(b"%PDF-1"), "reeds.pdf")]}
    )
    assert sent.status_code == 303
    address = sent.headers["Location"]
    assert address.endswith("?then=train")
    waiting = world.http.get(address).text
    assert "The text is extracted from the file." in waiting
    assert "data-next" not in waiting

    job_id = address.partition("?")[0].rpartition("/")[2]
    claim = world.claim(job_id)
    (tmp_path / "text.txt").write_text(BOOK)
    corpus = world.services.volume.corpora.adopt(
        tmp_path / "text.txt",
        corpus_id=corpus_id_of(job_id),
        name="reeds",
        sha256="0" * 64,
        source=Source(format=SourceFormat.PDF, filename="reeds.pdf", title="The <Reeds>", author="A. B."),
    )
    world.finish(claim, {"corpus_id": corpus.id, "skipped": ["cover.png"]})
    assert world.http.get(address).headers["Location"] == f"/?corpus_id={corpus.id}#recipes"
    done = world.http.get(f"/jobs/{job_id}").text
    assert f'data-next="/?corpus_id={corpus.id}#recipes"' in done
    assert "The &lt;Reeds&gt;</cite>, A. B." in done
    assert "Left out, since they are no text: cover.png." in done
    assert "<bdi>reeds.pdf</bdi> (pdf)" in world.http.get(f"/texts/{corpus.id}").text


def test_a_refused_book_says_why(world: World) -> None:
    files = [(io.BytesIO(b"One"), "1.txt"), (io.BytesIO(b"Two"), "2.txt")]
    address = world.http.post("/corpora", data={"csrf_token": token_of(world), "file": files}).headers["Location"]
    world.fail(world.claim(address.partition("?")[0].rpartition("/")[2]))
    page = world.http.get(address).text
    assert "The loss blew up." in page
    assert "Upload another file" in page
