"""The public paths, built from what the features offer."""

from collections.abc import Iterable, Mapping

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute

from services.gateway.edge.operations import Operation


def router(operations: Iterable[Operation], others: Iterable[BaseRoute] = ()) -> Router:
    """All routes: those of operations, and others that are no part of the API's document."""
    methods: dict[str, list[Operation]] = {}
    for operation in operations:
        methods.setdefault(operation.path, []).append(operation)
    routes = [_route(path, offered) for path, offered in methods.items()]
    return Router([*routes, *others], redirect_slashes=False)


def _route(path: str, offered: list[Operation]) -> Route:
    route = Route(path, offered[0].endpoint, methods=[each.method for each in offered])
    if route.methods is not None and any(media == "text/event-stream" for each in offered for media, _ in each.media):
        # Nobody can say how a stream would begin without beginning it.
        route.methods.discard("HEAD")
    return route


def labels(router: Router) -> Mapping[object, str]:
    """The path template of each endpoint, for metrics and logs."""
    return {route.endpoint: route.path for route in router.routes if isinstance(route, Route | WebSocketRoute)}
