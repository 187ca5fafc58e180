"""The public paths, built from what the features offer."""

from collections.abc import Iterable, Mapping

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute

from services.gateway.edge.operations import Operation


def router(operations: Iterable[Operation], others: Iterable[BaseRoute] = ()) -> Router:
    """All routes: those of operations, and others that are no part of the API's document."""
    methods: dict[str, list[Operation]] = {}
    for operation in operations:
        methods.setdefault(operation.path, []).append(operation)
    routes = [
        Route(path, offered[0].endpoint, methods=[each.method for each in offered]) for path, offered in methods.items()
    ]
    return Router([*routes, *others], redirect_slashes=False)


def labels(router: Router) -> Mapping[object, str]:
    """The path template of each endpoint, for metrics and logs."""
    return {route.endpoint: route.path for route in router.routes if isinstance(route, Route | WebSocketRoute)}
