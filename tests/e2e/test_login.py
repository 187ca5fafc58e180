"""Login: two people are two people."""

import aiohttp
import pytest

from sandbox.mesh import Mesh
from tests.e2e.conftest import People

pytestmark = pytest.mark.xdist_group("mesh")


async def test_the_same_code_is_the_same_person_with_trial_credit_given_once(people: People) -> None:
    first, again, other = await people.login("alice"), await people.login("alice"), await people.login("bob")
    assert first.id == again.id != other.id
    assert await again.wallet() == await other.wallet() == (1_000_000, 0)


async def test_me_says_who_and_how_much(people: People) -> None:
    user = await people.login()
    async with user.http.get(f"{user.url}/v1/me") as answer:
        me = await answer.json()
    assert me["user"]["id"] == user.id
    assert me["wallet"]["available_micros"] == 1_000_000


async def test_a_code_that_wechat_refuses_is_told_in_a_sentence(mesh: Mesh) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{mesh.url}/v1/auth/wechat", json={"code": "invalid-code"}) as answer:
            body = await answer.json()
    assert answer.status == 400
    assert body["error"]["code"] == "invalid_request_error"


async def test_a_refresh_token_works_once_and_its_theft_ends_the_session(mesh: Mesh) -> None:
    async with aiohttp.ClientSession() as http:

        async def refresh(token: str) -> tuple[int, dict[str, str]]:
            async with http.post(f"{mesh.url}/v1/auth/refresh", json={"refresh_token": token}) as answer:
                return answer.status, await answer.json()

        async with http.post(f"{mesh.url}/v1/auth/wechat", json={"code": "carol"}) as answer:
            session = await answer.json()
        status, renewed = await refresh(session["refresh_token"])
        assert status == 200
        assert renewed["access_token"]
        assert (await refresh(session["refresh_token"]))[0] == 401
        assert (await refresh(renewed["refresh_token"]))[0] == 401
