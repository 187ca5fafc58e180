"""`python -m services.billing`."""

from services.billing.app import app
from services.billing.config import BillingSettings
from services.runtime.process import run


def main() -> None:
    """Serve until stopped."""
    run("billing", BillingSettings, app)


if __name__ == "__main__":
    main()
