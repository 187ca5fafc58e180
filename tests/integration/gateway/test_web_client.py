"""The H5 client, served at `/` beside the API."""

from pathlib import Path

import pytest

from tests.integration.gateway.conftest import Gateway, StartGateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A client that has been built."""
    built = tmp_path / "client"
    (built / "assets").mkdir(parents=True)
    (built / "static").mkdir()
    (built / "index.html").write_text("<!doctype html><title>鹊桥</title>", encoding="utf-8")
    (built / "assets" / "index-1a2b.js").write_text("start()", encoding="utf-8")
    (built / "static" / "logo.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("not yours", encoding="utf-8")
    return built


@pytest.mark.parametrize(
    ("path", "media", "caching", "text"),
    [
        ("/", "text/html", "no-cache", "鹊桥"),
        ("/assets/index-1a2b.js", "javascript", "immutable", "start()"),
        ("/static/logo.svg", "image/svg+xml", "no-cache", "<svg/>"),
    ],
)
async def test_the_client_is_served_and_only_hashed_files_are_kept(
    start_gateway: StartGateway, folder: Path, path: str, media: str, caching: str, text: str
) -> None:
    gateway = await start_gateway(web_client_dir=folder)
    async with gateway.http.get(gateway.url + path) as answer:
        assert answer.status == 200
        assert media in answer.headers["Content-Type"]
        assert caching in answer.headers["Cache-Control"]
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert text in await answer.text()


@pytest.mark.parametrize(
    "path", ["/assets/%2e%2e/%2e%2e/secret.txt", "/static/..%2f..%2fsecret.txt", "/assets/none.js"]
)
async def test_nothing_outside_of_the_client_is_served(start_gateway: StartGateway, folder: Path, path: str) -> None:
    gateway = await start_gateway(web_client_dir=folder)
    async with gateway.http.get(gateway.url + path) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "not_found"


async def test_a_client_that_is_built_later_takes_the_place_of_the_plain_page(
    start_gateway: StartGateway, tmp_path: Path
) -> None:
    gateway = await start_gateway(web_client_dir=tmp_path / "later")
    async with gateway.http.get(f"{gateway.url}/") as answer:
        assert "/docs" in await answer.text()
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "index.html").write_text("<title>client</title>", encoding="utf-8")
    async with gateway.http.get(f"{gateway.url}/") as answer:
        assert await answer.text() == "<title>client</title>"


async def test_who_cannot_send_patch_says_so_in_a_header(gateway: Gateway) -> None:
    _, session = await gateway.login("override")
    headers = {"Authorization": f"Bearer {session}", "X-HTTP-Method-Override": "PATCH"}
    async with gateway.http.post(f"{gateway.url}/v1/me", json={"minor_mode": True}, headers=headers) as answer:
        assert answer.status == 200
        assert (await answer.json())["policy"]["minor_mode"] is True


async def test_no_other_method_can_be_put_in_the_place_of_post(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {gateway.key}", "X-HTTP-Method-Override": "DELETE"}
    async with gateway.http.post(f"{gateway.url}/v1/conversations", json={"id": "kept"}, headers=headers) as answer:
        assert answer.status == 201
