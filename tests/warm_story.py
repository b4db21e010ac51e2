"""What every process that tells a story would do first: imported where they are forked, it is done once."""

from models.training.loop import prepare_thread
from service.work import worker
from tests import story  # noqa: F401 # torch takes seconds to import

prepare_thread()
worker.build()
