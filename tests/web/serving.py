"""The app on a real server in a thread of this process, which can be stopped and started on its port."""

import threading
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from service.app import create_app
from service.settings import Settings
from tests.api.work import poll
from tests.process import free_port

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Server(httpx.Client):
    """An api and a client of it, as the helpers of tests/api want one."""

    def __init__(self, url: str, folder: Path, **settings: Any) -> None:
        self.settings = Settings(database_url=url, data_dir=folder, port=free_port(), **settings)
        self.address = f"http://127.0.0.1:{self.settings.port}"
        super().__init__(base_url=self.address, timeout=30)
        self.serve()

    def serve(self) -> None:
        self.app = create_app(self.settings)
        config = uvicorn.Config(
            self.app, host="127.0.0.1", port=self.settings.port, log_config=None, timeout_graceful_shutdown=2
        )
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.uvicorn.run)
        self.thread.start()
        poll(lambda: self.uvicorn.started)

    def stop(self) -> None:
        self.app.state.parts.stop_waiting()
        self.uvicorn.should_exit = True
        self.thread.join()

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self.stop()
