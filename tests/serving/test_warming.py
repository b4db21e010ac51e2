"""What happens once, after the service has started."""

import gc

from service.serving.warming import settle_heap


def test_what_was_imported_is_collected_no_more() -> None:
    settle_heap()
    try:
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
