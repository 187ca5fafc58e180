"""`/openapi.json`, `/docs`, and `/` for a person who comes with a browser."""

import asyncio
import html
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import swagger_ui_bundle
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from services.gateway.edge.caching import SHARED, SHARED_FILE
from services.gateway.edge.languages import Language, language
from services.gateway.edge.web_client import WebClient
from services.gateway.errors import RouteNotFoundError

# What the viewer needs of its package, and nothing else that is in there.
_ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")

# Only our own files run, and nothing is fetched from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS = {
    "cache-control": SHARED,
    # Whoever asks from wherever is answered the same: an edge that keeps it need not tell origins apart.
    "access-control-allow-origin": "*",
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
}

_VIEWER = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Queqiao API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/docs/favicon-32x32.png"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="viewer"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script>
</body></html>"""
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#viewer", deepLinking: true, validatorUrl: null})'

_WELCOME_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/docs/welcome.css">
</head><body><h1>{name}</h1><p>{what}</p><p>{how} <code>{address}</code></p>
<p><a href="/docs">{link}</a> · <a href="/openapi.json">OpenAPI</a></p></body></html>"""
_WELCOME_STYLE = """body { font: 1.05rem/1.7 system-ui, "PingFang SC", "Noto Sans CJK SC", sans-serif; max-width: 36rem;
  margin: 18vh auto; padding: 0 1.5rem; color: #1d2129 }
h1 { font-weight: 600; letter-spacing: .02em }
code { background: #f2f3f5; padding: .15em .4em; border-radius: .3em }
a { color: #0a7d48 }
@media (prefers-color-scheme: dark) {
  body { background: #17171a; color: #e5e6eb } code { background: #2a2a2d } a { color: #4fc08d }
}
"""
_WELCOME = {
    Language.CHINESE: (
        "鹊桥",
        "微信小程序与大语言模型之间的桥：流式对话、内容审核、预付费钱包。",
        "这里是它的接口；任何 OpenAI 客户端都可以直接使用，地址是",
        "接口文档",
    ),
    Language.ENGLISH: (
        "Queqiao",
        "The bridge between a WeChat mini-program and large language models: streamed, moderated, billed.",
        "This is its API; every OpenAI client works with the address",
        "API documentation",
    ),
}


class DocumentRoutes:
    """Shows the API's document, and at `/` the client or, without one, what this is."""

    def __init__(self, document: Callable[[], Mapping[str, Any]], web_client: WebClient | None) -> None:
        """Show these; the document is made when somebody asks for it first, for most processes are never asked."""
        self._web_client = web_client
        self._json = cache(lambda: msgspec.json.encode(document()))
        self._assets = Path(swagger_ui_bundle.swagger_ui_path)

    def routes(self) -> list[BaseRoute]:
        """The paths."""
        return [
            Route("/openapi.json", self.document),
            Route("/docs", self.viewer),
            Route("/docs/start.js", self.start),
            Route("/docs/welcome.css", self.style),
            Route("/docs/{name}", self.asset),
            Route("/", self.welcome),
            *(self._web_client.routes() if self._web_client else ()),
        ]

    async def document(self, request: Request) -> Response:
        """The document itself; pages of any origin may read it."""
        # In a thread: making it takes a tenth of a second, and answers are running.
        content = await asyncio.to_thread(self._json)
        return Response(content, headers=_HEADERS, media_type="application/json")

    async def viewer(self, request: Request) -> Response:
        """A page that shows the document and tries it out."""
        return Response(_VIEWER, headers=_HEADERS, media_type="text/html")

    async def start(self, request: Request) -> Response:
        """Starts the viewer: the policy allows no script within a page."""
        return Response(_START, headers=_HEADERS, media_type="text/javascript")

    async def style(self, request: Request) -> Response:
        """How the first page looks."""
        return Response(_WELCOME_STYLE, headers=_HEADERS, media_type="text/css")

    async def asset(self, request: Request) -> Response:
        """A file of the viewer."""
        name = request.path_params["name"]
        if name not in _ASSETS:
            raise RouteNotFoundError("There is no such file.")
        return FileResponse(self._assets / name, headers={**_HEADERS, "cache-control": SHARED_FILE})

    async def welcome(self, request: Request) -> Response:
        """The client; without one, what this is, for a person."""
        if self._web_client and self._web_client.built:
            return await self._web_client.page(request)
        spoken = language(request.headers.get("accept-language"))
        name, what, how, link = _WELCOME[spoken]
        address = html.escape(f"{request.url.scheme}://{request.url.netloc}/v1")
        page = _WELCOME_PAGE.format(language=spoken.value, name=name, what=what, how=how, address=address, link=link)
        return Response(page, headers={**_HEADERS, "vary": "accept-language"}, media_type="text/html")
