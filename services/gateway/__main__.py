"""`python -m services.gateway`."""

from services.gateway.app import app
from services.gateway.config import GatewaySettings
from services.runtime.process import run


def main() -> None:
    """Serve until stopped."""
    run("gateway", GatewaySettings, app)


if __name__ == "__main__":
    main()
