"""Static files, which a browser may keep."""

import re

from tests.web.world import World


def test_static_files_are_kept_for_a_year_under_an_address_with_a_hash(world: World) -> None:
    page = world.http.get("/").text
    addresses = re.findall(r'"(/static/[^"]+)"', page)
    assert len(addresses) >= 3
    for address in addresses:
        assert re.fullmatch(r"/static/[0-9a-f]{12}/[a-z]+\.\w+", address)
        answer = world.http.get(address, buffered=True)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        plain = world.http.get(f"/static/{address.rpartition('/')[2]}", buffered=True)
        old = world.http.get(re.sub(r"[0-9a-f]{12}", "0" * 12, address), buffered=True)
        assert answer.data == plain.data == old.data
        assert plain.headers["Cache-Control"] == old.headers["Cache-Control"] == "no-cache"
    for name in ("nothing.css", "..%2fapp.py", "../app.py"):
        assert world.http.get(f"/static/{name}").status_code == 404
