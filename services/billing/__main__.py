"""`python -m services.billing`."""

from services.runtime.importing import importing


def main() -> None:
    """Serve until stopped."""
    with importing():
        from services.billing.app import app
        from services.billing.config import BillingSettings
        from services.runtime.process import run

    run("billing", BillingSettings, app)


if __name__ == "__main__":
    main()
