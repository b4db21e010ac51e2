"""What the dispatcher hands to the engine: a name that is light to import, since only workers need torch."""


def train_cohort(keys: list[int], submission: str) -> None:
    """Train the jobs that still wait for this submission."""
    from service.work import task  # noqa: PLC0415 # torch takes seconds and 200 MB

    task.train_cohort(keys, submission)
