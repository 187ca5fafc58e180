"""`/` and what it loads: the H5 client, where one is built."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles

# Only the client's own files run. Answers may show pictures from anywhere; nothing else is fetched from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: https:; "
    "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_HEADERS = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}

_PAGE = "index.html"
# Names of these carry a hash of their content.
_FOREVER = "public, max-age=31536000, immutable"
_ASKED_EACH_TIME = "no-cache"


class WebClient:
    """Serves a folder that `make client` or the launcher builds, also one that is built later."""

    def __init__(self, folder: Path) -> None:
        """Serve this folder."""
        self._page = folder / _PAGE
        self._files = StaticFiles(directory=folder, check_dir=False)

    @property
    def built(self) -> bool:
        """Whether there is a client by now."""
        return self._page.is_file()

    def routes(self) -> list[BaseRoute]:
        """What the page loads; the page itself is at `/`, which is not ours alone."""
        return [
            Route("/assets/{name:path}", self.asset),
            Route("/static/{name:path}", self.static),
        ]

    async def page(self, request: Request) -> Response:
        """The client's only page."""
        return await self._file(_PAGE, request, _ASKED_EACH_TIME)

    async def asset(self, request: Request) -> Response:
        """A script, a style or a font."""
        return await self._file(f"assets/{request.path_params['name']}", request, _FOREVER)

    async def static(self, request: Request) -> Response:
        """A file that keeps its name."""
        return await self._file(f"static/{request.path_params['name']}", request, _ASKED_EACH_TIME)

    async def _file(self, path: str, request: Request, caching: str) -> Response:
        answer = await self._files.get_response(path, request.scope)
        answer.headers.update({**_HEADERS, "cache-control": caching})
        return answer
