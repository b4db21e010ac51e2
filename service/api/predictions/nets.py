"""Work with a net: at once where that is quicker than a thread, or else in the pool."""

from collections.abc import Callable

from fastapi import Request, Response

from service.api.shared.dependencies import Parts
from service.api.shared.disconnection import unless_gone
from service.serving.pool import Slices, finish
from service.serving.predictor import Served, Which

Work = Callable[[Served], Slices[Response]]


async def predict_with_net(
    request: Request, parts: Parts, target: tuple[str, Which], work: Work, cost: int, is_small: bool
) -> Response:
    """Do the work with the net of a target: a job and its checkpoint, or a name and its version.

    `is_small` says whether the work takes less time than a thread does to start on it.
    """
    served = parts.predictor.find_fresh(*target) if is_small else None
    if served is not None and served.is_small:
        return finish(work(served))
    return await unless_gone(request, parts.pool.run(_look_up_and(work, parts, target), cost))


def _look_up_and(work: Work, parts: Parts, target: tuple[str, Which]) -> Slices[Response]:
    return (yield from work(parts.predictor.get(*target)))
