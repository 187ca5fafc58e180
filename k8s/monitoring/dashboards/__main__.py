"""Write the dashboards' JSON: `python -m k8s.monitoring.dashboards [folder]`."""

import sys
from pathlib import Path

from k8s.monitoring.dashboards.catalogue import DASHBOARDS
from k8s.monitoring.dashboards.grafana import to_json


def main() -> None:
    """Write one file a dashboard, and remove those of dashboards that are no more."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("generated")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for page in DASHBOARDS:
        (folder / f"{page.uid}.json").write_text(to_json(page), encoding="utf-8")


if __name__ == "__main__":
    main()
