"""The public paths."""

from collections.abc import Mapping

from starlette.routing import Route, Router, WebSocketRoute

from services.gateway.chat.routes import ChatCompletions
from services.gateway.chat.socket_routes import ChatSockets
from services.gateway.chat.stream_routes import ChatStreams
from services.gateway.conversations.routes import ConversationRoutes
from services.gateway.health.routes import HealthRoutes
from services.gateway.identity.key_routes import KeyRoutes
from services.gateway.identity.routes import AuthRoutes
from services.gateway.models.routes import ModelRoutes
from services.gateway.moderation.routes import ModerationRoutes
from services.gateway.orders.callback_routes import CallbackRoutes
from services.gateway.orders.routes import OrderRoutes
from services.gateway.wallet.price_routes import PriceRoutes
from services.gateway.wallet.routes import WalletRoutes


def router(
    *,
    health: HealthRoutes,
    auth: AuthRoutes,
    keys: KeyRoutes,
    models: ModelRoutes,
    moderations: ModerationRoutes,
    wallet: WalletRoutes,
    prices: PriceRoutes,
    orders: OrderRoutes,
    callbacks: CallbackRoutes,
    completions: ChatCompletions,
    streams: ChatStreams,
    sockets: ChatSockets,
    conversations: ConversationRoutes,
) -> Router:
    """All routes."""
    return Router(
        [
            Route("/v1/chat/completions", completions, methods=["POST"]),
            WebSocketRoute("/v1/ws", sockets.serve),
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
            Route("/v1/auth/revoke", auth.revoke, methods=["POST"]),
            Route("/v1/api_keys", keys.keys, methods=["GET", "POST"]),
            Route("/v1/api_keys/{key_id}", keys.key, methods=["DELETE"]),
            Route("/healthz", health.alive),
            Route("/readyz", health.ready),
        ],
        redirect_slashes=False,
    )


def labels(router: Router) -> Mapping[object, str]:
    """The path template of each endpoint, for metrics and logs."""
    return {route.endpoint: route.path for route in router.routes if isinstance(route, Route | WebSocketRoute)}
