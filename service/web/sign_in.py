"""/ui/sign-in: a browser has a session in place of a key, which no script and no address then sees."""

import re
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from service.api.shared.bodies import takes_bodies
from service.api.shared.dependencies import TheParts
from service.api.shared.scopes import needs
from service.callers import OPEN, Caller
from service.edge.auth import COOKIE, SIGN_IN, address_of, session_token
from service.links import link
from service.store import clock, key_sessions
from service.web.pages import FORM, TheForm, page_router, render

router = page_router()

START = "/ui/jobs"
_OWN_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}")
WRONG = "This is not a valid key: it may be mistyped, revoked or expired."

Back = Annotated[str, Query(alias="next", max_length=2000)]


async def _keyed(request: Request, parts: TheParts, form: TheForm) -> Caller | None:
    """Return who has the key in the form; None for a wrong one."""
    return await parts.keys.by_text(form.get("key", "").strip(), address_of(request.scope))


@router.get(SIGN_IN)
@needs(OPEN)
async def show_sign_in(parts: TheParts, back: Back = START) -> Response:
    """Show the form, or lead on if no key is needed."""
    if not await parts.keys.demands():
        return RedirectResponse(link(_own(back)), 303)
    return _form(back)


@router.post(SIGN_IN)
@needs(OPEN)
@takes_bodies(FORM)
def sign_in(
    request: Request, parts: TheParts, form: TheForm, caller: Annotated[Caller | None, Depends(_keyed)]
) -> Response:
    """Begin a session, and lead to the page that was asked for."""
    back = form.get("next", START)
    if caller is None:
        return _form(back, WRONG)
    with parts.database.writing() as session:
        token = key_sessions.begin(session, caller.number, clock.now(session))
    response = RedirectResponse(link(_own(back)), 303)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(key_sessions.LASTS.total_seconds()),
        path=link("") or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/ui/sign-out")
@needs(OPEN)
@takes_bodies(FORM)
def sign_out(request: Request, parts: TheParts) -> Response:
    """End the session."""
    token = session_token(request.scope)
    if token is not None:
        with parts.database.writing() as session:
            key_sessions.end(session, token)
    response = RedirectResponse(link(SIGN_IN), 303)
    response.delete_cookie(COOKIE, path=link("") or "/", httponly=True, samesite="strict")
    return response


def _form(back: str, wrong: str | None = None) -> Response:
    page = render("sign_in", {"next": _own(back), "wrong": wrong}, status=401 if wrong else 200)
    page.headers["Cache-Control"] = "no-store"
    return page


def _own(path: str) -> str:
    """Return a path of this service, or where pages begin if it would lead elsewhere."""
    return path if _OWN_PATH.fullmatch(path) else START
