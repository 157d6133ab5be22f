"""EPUB: the documents of the spine in reading order, without navigation."""

import posixpath
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from lxml import etree

from shared.errors import BadSourceFile
from worker.extraction.markup import HTML, blocks_of, local_name, parse_xhtml, parse_xml, text_of
from worker.extraction.unpacking import Archive, damaged

_MARKUP = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
#: Encryption of fonts only, which every reader undoes.
_FONT_ONLY = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


class Book:
    """An opened EPUB."""

    def __init__(self, archive: Archive) -> None:
        """Read its package document. Raises BadSourceFile."""
        self._archive = archive
        container = parse_xml(archive.read("META-INF/container.xml"), name=archive.name)
        paths = [one.get("full-path") for one in container.iter(etree.Element) if local_name(one) == "rootfile"]
        if not paths or not paths[0]:
            raise damaged(archive.name, "its container names no package document")
        self._package = parse_xml(archive.read(paths[0]), name=archive.name)
        self._folder = posixpath.dirname(paths[0])

    @property
    def title(self) -> str | None:
        """Its title."""
        return text_of(self._package, "title")

    @property
    def author(self) -> str | None:
        """Its first author."""
        return text_of(self._package, "creator")

    def blocks(self, report: Callable[[float], None]) -> Iterator[str]:
        """Yield the blocks of all documents of the spine. Raises BadSourceFile."""
        spine = list(self._spine())
        self._refuse_drm(spine)
        for number, path in enumerate(spine, 1):
            root = parse_xhtml(self._archive.read(path), name=self._archive.name)
            yield from blocks_of(root, HTML)
            report(number / len(spine))

    def _spine(self) -> Iterator[str]:
        elements = list(self._package.iter(etree.Element))
        contents = {
            self._path(one.get("href", ""))
            for one in elements
            if local_name(one) == "reference" and one.get("type", "").lower() == "toc"
        }
        items = {
            one.get("id"): self._path(one.get("href", ""))
            for one in elements
            if local_name(one) == "item"
            and one.get("media-type") in _MARKUP
            and "nav" not in one.get("properties", "").split()
        }
        for one in elements:
            if local_name(one) == "itemref" and (path := items.get(one.get("idref"))) and path not in contents:
                yield path

    def _path(self, href: str) -> str:
        return posixpath.normpath(posixpath.join(self._folder, unquote(href.partition("#")[0])))

    def _refuse_drm(self, spine: list[str]) -> None:
        names = self._archive.entries
        locked = "META-INF/license.lcpl" in names
        if "META-INF/encryption.xml" in names:
            root = parse_xml(self._archive.read("META-INF/encryption.xml"), name=self._archive.name)
            for one in (one for one in root.iter(etree.Element) if local_name(one) == "encrypteddata"):
                inside = {local_name(part): part for part in one.iter(etree.Element)}
                method, reference = inside.get("encryptionmethod"), inside.get("cipherreference")
                fonts = method is not None and method.get("Algorithm") in _FONT_ONLY
                locked |= not fonts and reference is not None and unquote(reference.get("URI", "")) in spine
        if locked:
            raise BadSourceFile(
                f"{self._archive.name} is protected by DRM: only its shop's reader can open it. Send one without.",
                code="encrypted",
            )
