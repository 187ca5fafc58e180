"""What the command line's own commands can be told."""

from pydantic import Field, SecretStr

from services.runtime.config import MeshSettings, Pooled


class MigrationSettings(MeshSettings):
    """What `queqiao migrate` needs."""

    database_url: SecretStr = Field(description="The service's PostgreSQL, as postgresql://…")
    database_pooled: Pooled = False
