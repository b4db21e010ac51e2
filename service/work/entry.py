"""The task that the dispatcher submits: light to import, because only workers need torch."""


def train_cohort(keys: list[int], submission: str) -> None:
    """Train the jobs that still wait for this submission."""
    from service.work import task  # noqa: PLC0415 # torch takes seconds and 200 MB

    task.train_cohort(keys, submission)
