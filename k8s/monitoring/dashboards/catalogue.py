"""Every dashboard."""

from k8s.monitoring.dashboards.model import Dashboard
from k8s.monitoring.dashboards.moderation import MODERATION
from k8s.monitoring.dashboards.money import MONEY
from k8s.monitoring.dashboards.owner import OWNER
from k8s.monitoring.dashboards.service import SERVICE
from k8s.monitoring.dashboards.upstream import UPSTREAM

DASHBOARDS: tuple[Dashboard, ...] = (OWNER, SERVICE, MONEY, MODERATION, UPSTREAM)
