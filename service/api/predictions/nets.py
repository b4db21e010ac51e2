"""Work with a net: at once where that is quicker than a thread, or else in the pool."""

from asyncio import wrap_future
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
    return await unless_gone(request, _wait_and_predict(parts, target, work, cost, is_small))


async def _wait_and_predict(
    parts: Parts, target: tuple[str, Which], work: Work, cost: int, is_small: bool
) -> Response:
    if is_small:
        served = await wrap_future(parts.predictor.look_up(*target))
        if served.is_small:
            return finish(work(served))
        # While the request waits, the cache decides whether a large net stays in memory.
        del served
    return await parts.pool.run(_look_up_and(work, parts, target), cost)


def _look_up_and(work: Work, parts: Parts, target: tuple[str, Which]) -> Slices[Response]:
    return (yield from work(parts.predictor.get(*target)))
