"""`queqiao keys …` against a real database."""

import asyncio

import pytest
from typer.testing import CliRunner

from services.gateway.identity.commands import app
from services.gateway.identity.ids import is_api_key
from tests.integration.gateway.conftest import StartGateway


@pytest.fixture
def database_in_environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


async def run(*arguments: str) -> tuple[int, str]:
    """Run a command, which has an event loop of its own, beside ours."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["keys", *arguments])
    return result.exit_code, result.output


@pytest.mark.usefixtures("database_in_environment")
async def test_a_key_is_printed_and_works_until_it_is_revoked(start_gateway: StartGateway) -> None:
    status, printed = await run("issue", "--user", "ann", "--name", "laptop", "--secret-only")
    key = printed.strip()
    assert status == 0
    assert is_api_key(key)
    gateway = await start_gateway()
    headers = {"Authorization": f"Bearer {key}"}
    async with gateway.http.get(f"{gateway.url}/v1/me", headers=headers) as answer:
        assert answer.status == 200
    status, printed = await run("revoke", "--user", "ann", "--name", "laptop")
    assert status == 0
    assert key[:10] in printed
    assert key not in printed
    # A gateway that has not seen the key refuses it at once; the other within seconds, as a unit test shows.
    other = await start_gateway()
    async with other.http.get(f"{other.url}/v1/me", headers=headers) as answer:
        assert answer.status == 401


@pytest.mark.usefixtures("database_in_environment")
async def test_two_keys_of_one_name_are_one_users() -> None:
    _, first = await run("issue", "--user", "ann", "--name", "one")
    _, second = await run("issue", "--user", "ann", "--name", "two")
    users = [printed.split("(usr_")[1].split(")")[0] for printed in (first, second)]
    assert users[0] == users[1]


@pytest.mark.usefixtures("database_in_environment")
@pytest.mark.parametrize(
    "arguments",
    [
        ("issue", "--user", "has a space", "--name", "x"),
        ("issue", "--user", "ann", "--name", ""),
        ("revoke", "--user", "nobody", "--name", "x"),
    ],
)
async def test_a_wrong_name_is_explained(arguments: tuple[str, ...]) -> None:
    status, printed = await run(*arguments)
    assert status != 0
    assert "Invalid value" in printed
