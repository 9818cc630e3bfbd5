"""The styles and scripts of all public pages."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from console.portal.pages import folders

TYPES = {".css": "text/css", ".js": "text/javascript"}

router = APIRouter(prefix="/portal", include_in_schema=False)


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """One of them; templates are none."""
    found = {file.name: file for folder in folders() for file in folder.iterdir() if file.suffix in TYPES}.get(name)
    if found is None:
        return Response(status_code=404)
    return FileResponse(found, media_type=TYPES[found.suffix], headers={"Cache-Control": "no-cache"})
