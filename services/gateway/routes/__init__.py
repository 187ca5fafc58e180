"""The public paths."""

from collections.abc import Mapping

from starlette.routing import Route, Router

from services.gateway.routes.auth import AuthRoutes
from services.gateway.routes.callbacks import CallbackRoutes
from services.gateway.routes.chat import ChatCompletions
from services.gateway.routes.conversations import ConversationRoutes
from services.gateway.routes.health import HealthRoutes
from services.gateway.routes.models import ModelRoutes
from services.gateway.routes.moderations import ModerationRoutes
from services.gateway.routes.orders import OrderRoutes
from services.gateway.routes.prices import PriceRoutes
from services.gateway.routes.streams import ChatStreams
from services.gateway.routes.wallet import WalletRoutes


def router(
    *,
    health: HealthRoutes,
    auth: AuthRoutes,
    models: ModelRoutes,
    moderations: ModerationRoutes,
    wallet: WalletRoutes,
    prices: PriceRoutes,
    orders: OrderRoutes,
    callbacks: CallbackRoutes,
    completions: ChatCompletions,
    streams: ChatStreams,
    conversations: ConversationRoutes,
) -> Router:
    """All routes."""
    return Router(
        [
            Route("/v1/chat/completions", completions, methods=["POST"]),
            Route("/v1/chat/streams/{request_id}", streams, methods=["GET", "DELETE"]),
            Route("/v1/conversations", conversations.conversations, methods=["GET", "POST"]),
            Route(
                "/v1/conversations/{conversation_id}", conversations.conversation, methods=["GET", "PATCH", "DELETE"]
            ),
            Route("/v1/conversations/{conversation_id}/messages", conversations.messages),
            Route("/v1/models", models.list),
            # A provider may name its models with slashes.
            Route("/v1/models/{model_id:path}", models.one),
            Route("/v1/moderations", moderations.create, methods=["POST"]),
            Route("/v1/me", wallet.me),
            Route("/v1/wallet", wallet.wallet),
            Route("/v1/wallet/transactions", wallet.transactions),
            Route("/v1/wallet/receipts/{request_id}", wallet.receipt),
            Route("/v1/usage", wallet.usage),
            Route("/v1/prices", prices.prices),
            Route("/v1/packages", prices.packages),
            Route("/v1/orders", orders.orders, methods=["GET", "POST"]),
            Route("/v1/orders/{order_id}", orders.order),
            Route("/v1/payments/{provider}/notify", callbacks.notify, methods=["GET", "POST"]),
            Route("/v1/auth/wechat", auth.wechat, methods=["POST"]),
            Route("/v1/auth/refresh", auth.refresh, methods=["POST"]),
            Route("/healthz", health.alive),
            Route("/readyz", health.ready),
        ],
        redirect_slashes=False,
    )


def labels(router: Router) -> Mapping[object, str]:
    """The path template of each endpoint, for metrics and logs."""
    return {route.endpoint: route.path for route in router.routes if isinstance(route, Route)}
