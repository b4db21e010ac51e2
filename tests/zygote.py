"""The process from which tests fork the processes of services: it has imported what they import.

A service that starts from nothing takes ten seconds of a core, nearly all of them for imports. Tests of the
start itself wait for that; all others fork the commands that they start, the processes that a supervisor
starts, and the one from which Dask forks its workers. Each runs what it would run in an interpreter of its
own, with its own environment, signals and files.
"""

import atexit
import ctypes
import fcntl
import gc
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from multiprocessing import util
from pathlib import Path
from typing import IO, Any, NoReturn

import psutil
from setproctitle import setproctitle

from service import __main__ as commands
from service import supervisor
from service.serving.warming import SLOW_MODULES
from service.work.dask_settings import FORKED_FROM

Files = tuple[IO[bytes], IO[bytes], IO[bytes]]
"""Standard input, output and error."""
SETTINGS = ("NORMSERVE_", "PYTEST_", "PYTHONPATH")
"""How the variables begin that only we read, and pytest, and the one that is read again after a fork."""
PR_SET_CHILD_SUBREAPER = 36
MOST_SAID_BYTES = 2**17
MOST_PID_BYTES = 20
NOT_OF_THE_ZYGOTE = "service.work.forkserver"
"""It sets up the process that imports it, as one that workers are forked from."""
IMPORTED = (
    "service.server",
    "service.database_commands",
    "service.store.readiness",
    "service.store.schema",
    "service.work.nodes",
    "service.work.process",
    *SLOW_MODULES,
    *(name for name in FORKED_FROM if name != NOT_OF_THE_ZYGOTE),
)

_asking = threading.Lock()


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    files: Files,
    new_session: bool = False,
    folder: Path | None = None,
) -> psutil.Process:
    """Start `python -m service` as a child of this process, in a folder; fork it where possible.

    It is not possible where the environment differs from ours in more than settings and PYTHONPATH: the rest
    is read when an interpreter or a library starts.
    """
    if sys.platform != "linux" or _without_settings(environment) != _without_settings(os.environ):
        command = [sys.executable, "-m", "service", *arguments]
        return start_anew(command, environment, files, new_session, folder)
    said = json.dumps([list(arguments), dict(environment), str(folder or Path.cwd()), new_session]).encode()
    with _asking:
        control = _zygote()
        socket.send_fds(control, [said], [file.fileno() for file in files])
        return psutil.Process(int(control.recv(MOST_SAID_BYTES)))


def start_anew(
    command: Sequence[str],
    environment: Mapping[str, str],
    files: Files,
    new_session: bool = False,
    folder: Path | None = None,
) -> psutil.Process:
    """Start a command in a process that has imported nothing."""
    given, out, error = files
    return psutil.Popen(
        command,
        env=environment,
        stdin=given,
        stdout=out,
        stderr=error,
        start_new_session=new_session,
        cwd=folder,
    )


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.upper().startswith(SETTINGS)}


@cache
def _zygote() -> socket.socket:
    """Return the socket of a zygote, which ends with this process and forks children of this process."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.zygote", str(theirs.fileno())]
    process = psutil.Popen(command, env=_without_settings(os.environ), pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def main(descriptor: int) -> None:
    """Fork what is asked for on this socket, until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent ends it
    setproctitle("zygote")  # it must see the environment as it was when the process began
    os.environ["DASK_LOGGING__DISTRIBUTED"] = "warning"  # as a service does before it imports distributed
    for module in IMPORTED:
        import_module(module)
    del os.environ["DASK_LOGGING__DISTRIBUTED"]
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=descriptor) as control:
        while True:
            said, files, _, _ = socket.recv_fds(control, MOST_SAID_BYTES, 3)
            if not said:
                return
            control.send(_fork_orphan(said, files))
            for each in files:
                os.close(each)


def _fork_orphan(said: bytes, files: Sequence[int]) -> bytes:
    """Fork a service by way of a process that has ended; return its pid.

    So it is a child of the process that asked for it, and can be waited for, as soon as its pid is known.
    """
    reading, writing = os.pipe()
    between = os.fork()
    if not between:
        forked = os.fork()
        if not forked:
            _become_service(said, files)
        os.write(writing, str(forked).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(between, 0)
    pid = os.read(reading, MOST_PID_BYTES)
    os.close(reading)
    return pid


def _become_service(said: bytes, files: Sequence[int]) -> NoReturn:
    arguments, environment, folder, new_session = json.loads(said)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    _be(partial(_run_with_path, arguments), files, new_session=new_session)


def _run_with_path(arguments: list[str]) -> None:
    """Run a command of ours after the sitecustomize that PYTHONPATH leads to, as an interpreter does."""
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.modules.pop("sitecustomize", None)
    with suppress(ModuleNotFoundError):
        import_module("sitecustomize")
    _run_service(arguments)


def _run_service(arguments: list[str]) -> None:
    """Run a command of ours, whose own processes are forked too."""
    for listener in supervisor.inherited.listeners:
        listener.detach()  # of the parent; it is closed here
    supervisor.inherited.listeners.clear()
    sys.argv = ["normserve", *arguments]
    setproctitle(" ".join([sys.executable, "-m", "service", *arguments]))
    supervisor._open = _open  # type: ignore[assignment] # a Popen as far as a supervisor uses it
    if arguments[0] in {"dispatch", "worker-process"}:
        util.spawnv_passfds = _Forkserver(util.spawnv_passfds).spawn  # type: ignore[assignment] # of fewer types
    commands.main()


class _Forked:
    """What a supervisor needs of a Popen."""

    stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def poll(self) -> int | None:
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        return self._wait(0)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _wait(self, options: int) -> int | None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, options)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code


def _open(command: str, lifeline: socket.socket, piped: bool) -> _Forked:
    """Start a process of a supervisor."""
    assert not piped, "a forked service has no terminal"
    arguments = [command, "--end-with-parent"]
    pid = os.fork()
    if not pid:
        _be(partial(_run_service, arguments), [lifeline.fileno(), 1, 2], new_session=True)
    return _Forked(pid)


class _Forkserver:
    """Becomes the process from which Dask forks workers; it is forked before the dispatcher has threads.

    A fork among threads could leave it a lock that nobody releases.
    """

    def __init__(self, spawn: Callable[[bytes, Sequence[Any], Sequence[int]], int]) -> None:
        self._spawn_anew = spawn
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._waiting = os.fork()
        if not self._waiting:
            _be(partial(_await_code, theirs.fileno()), [0, 1, 2], [theirs.fileno()])
        theirs.close()

    def spawn(self, path: bytes, arguments: Sequence[Any], kept: Sequence[int]) -> int:
        """Start a process of multiprocessing: `python -c`."""
        code = os.fsdecode(arguments[-1])
        if not self._waiting or "forkserver" not in code:
            return self._spawn_anew(path, arguments, kept)
        said = json.dumps([code, dict(os.environ), list(kept)]).encode()
        socket.send_fds(self._control, [said], kept)
        self._control.close()
        forked, self._waiting = self._waiting, 0
        return forked


def _await_code(descriptor: int) -> None:
    """Run the code that comes from this socket, with the files that it expects at their places."""
    setproctitle("a forkserver that waits")
    with socket.socket(fileno=descriptor) as control:
        said, files, _, _ = socket.recv_fds(control, MOST_SAID_BYTES, 8)
        if not said:
            return
        code, environment, places = json.loads(said)
        # Above all places, so that none is overwritten before it has moved.
        files = [fcntl.fcntl(each, fcntl.F_DUPFD, 1000) for each in files]
    for file, place in zip(files, places, strict=True):
        os.dup2(file, place)
    _close_all_but({0, 1, 2, *places})
    os.environ.clear()
    os.environ.update(environment)
    setproctitle(f"{sys.executable} -c {code}")
    exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 # what multiprocessing would run


def _be(
    run: Callable[[], Any], files: Sequence[int], kept: Sequence[int] = (), new_session: bool = False
) -> NoReturn:
    """Make this forked process as if it was started for `run`, run it, and end as an interpreter does.

    `files` become its standard input, output and error; of all others it has those that are `kept`.
    """
    code = 1
    try:
        if new_session:
            os.setsid()
        for place, file in enumerate([os.dup(each) for each in files]):
            os.dup2(file, place)
        _close_all_but({0, 1, 2, *kept})
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        atexit._clear()
        gc.freeze()
        sys.warnoptions = ["ignore:resource_tracker"]
        code = _exit_code(run)
    finally:
        os._exit(code)


def _exit_code(run: Callable[[], Any]) -> int:
    code = 0
    try:
        run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:  # as at the end of an interpreter
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined] # waits for threads that are not daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    return code


def _close_all_but(kept: set[int]) -> None:
    for low, high in pairwise([-1, *sorted(kept), 2**20]):
        if low + 1 < high:  # an empty range would close all
            os.closerange(low + 1, high)


if __name__ == "__main__":
    main(int(sys.argv[1]))
