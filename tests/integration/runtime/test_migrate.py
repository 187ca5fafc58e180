"""`queqiao migrate`: the schema before the rollout."""

import asyncio
import sys

import asyncpg
import pytest

from k8s.configuration import SERVICES
from sandbox.processes import minimal_env


async def queqiao(*arguments: str, **env: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", *arguments),
        env=minimal_env() | env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_every_services_schema_is_brought_up_to_date_and_again_changes_nothing(database_url: str) -> None:
    for _ in range(2):
        ran = await asyncio.gather(*(queqiao("migrate", name, DATABASE_URL=database_url) for name in SERVICES))
        for name, (status, said) in zip(SERVICES, ran, strict=True):
            assert (status, f"The schema {name} is up to date" in said) == (0, True)
    connection = await asyncpg.connect(database_url)
    try:
        for name in SERVICES:
            assert await connection.fetchval("SELECT to_regclass($1)", f"{name}.schema_migrations")
    finally:
        await connection.close()


@pytest.mark.parametrize(("service", "status"), [("billing", 2), ("tea", 2)])
async def test_what_is_wrong_with_the_command_is_said(service: str, status: int) -> None:
    ran, said = await queqiao("migrate", service)
    assert ran == status
    assert "DATABASE_URL is not set" in said if service == "billing" else "there is no service" in said
