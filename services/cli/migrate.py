"""`queqiao migrate SERVICE`: bring a service's schema up to date before its new version is rolled out."""

import asyncio
from pathlib import Path

import services
from services.cli.config import MigrationSettings
from services.runtime.config import load
from services.runtime.postgres import postgres_pool


def migrate(service: str) -> list[str]:
    """Run what has not run yet in the database at DATABASE_URL; answers the names of all migrations, in order.

    Raises:
        StartupError: The database does not answer, refuses us, or a migration fails.
    """
    settings = load(MigrationSettings)
    url = settings.database_url.get_secret_value()
    folder = Path(services.__path__[0]) / service / "migrations"

    async def connected() -> None:
        pooled = settings.database_pooled
        async with postgres_pool(url, schema=service, migrations=folder, connections_max=1, pooled=pooled):
            pass

    asyncio.run(connected())
    return [file.name for file in sorted(folder.glob("[0-9]*.sql"))]
