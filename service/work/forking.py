"""The process that workers are forked from; it starts before the dispatcher imports what it needs itself."""

from multiprocessing import forkserver, set_forkserver_preload

# Workers are forked from a process that has imported what they run: in a third of a second rather than in
# five. That process must have no thread and no connection, because a fork loses the one and shares the other.
FORKED_FROM = ["distributed", "service.__main__", "service.work.task", "service.work.forkserver"]


def start_forkserver() -> None:
    """Start the process and return; it imports while the dispatcher does other things."""
    set_forkserver_preload(FORKED_FROM)
    forkserver.ensure_running()
