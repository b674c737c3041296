"""`GET /docs`: the API's description as a page to read and try, all of it served from here.

The files of Swagger UI come out of the package `fastapi_swagger`; its code is never imported.
"""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

_FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}

# Addresses are relative, so that the page also works behind a proxy that serves it under a path.
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Kura: HTTP API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="docs"><noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> does not.</noscript></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
"""

# validatorUrl: without it, Swagger UI asks a server of its makers to judge our description.
_START = """SwaggerUIBundle({url: "openapi.json", dom_id: "#docs", validatorUrl: null, deepLinking: true});
"""

# Swagger UI draws its icons from data: addresses, and needs nothing inline. Nothing goes to another host.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_router() -> APIRouter:
    """The page and the files it needs."""
    router = APIRouter(prefix="/docs", include_in_schema=False)

    @router.get("")
    async def page() -> HTMLResponse:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})

    @router.get("/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript; charset=utf-8")

    @router.get("/{name}")
    def asset(name: str) -> Response:
        if name not in _FILES:
            raise HTTPException(404)
        content = (files("fastapi_swagger") / "resources" / name).read_bytes()
        return Response(content, media_type=_FILES[name], headers={"Cache-Control": "max-age=3600"})

    return router
