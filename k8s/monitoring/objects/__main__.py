"""The alerts as objects of Prometheus' operator, from the rules that Prometheus itself reads.

python -m k8s.monitoring.objects > k8s/monitoring/objects/rules.yaml
"""

import sys
from pathlib import Path

import yaml

RULES = Path(__file__).parents[1] / "rules"


def document() -> str:
    """One PrometheusRule for each file."""
    head = "# Written by `make dashboards` from k8s/monitoring/rules; `make check` compares.\n"
    objects = [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": f"queqiao-{file.stem}"},
            "spec": yaml.safe_load(file.read_text(encoding="utf-8")),
        }
        for file in sorted(RULES.glob("*.yaml"))
    ]
    return head + yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    sys.stdout.write(document())
