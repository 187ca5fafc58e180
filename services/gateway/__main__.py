"""`python -m services.gateway`."""

from services.runtime.importing import importing


def main() -> None:
    """Serve until stopped."""
    with importing():
        from services.gateway.app import app
        from services.gateway.config import GatewaySettings
        from services.runtime.process import run

    run("gateway", GatewaySettings, app)


if __name__ == "__main__":
    main()
