"""Two applications that do nothing but respond, for what the framework alone costs."""

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

fastapi = FastAPI()


@fastapi.get("/livez")
async def get_live() -> dict[str, str]:
    return {"status": "live"}


async def show_live(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "live"})


starlette = Starlette(routes=[Route("/livez", show_live)])
