"""What is true of every database, whatever was killed, restored or migrated: one query per rule.

A query returns the jobs, or the models, that violate its rule. All queries run on both databases.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.digests import sha256_hex
from service.store.postgresql_engine import without_statement_timeout
from service.store.tables import Checkpoint, Job, ResumeState

MOST = 100
AT_ONCE = 8  # blobs in memory

MOVES = """
    WITH live AS (SELECT * FROM jobs WHERE deleted_at IS NULL), moves AS (
        SELECT job_key, status, attempt,
               LAG(status) OVER (PARTITION BY job_key ORDER BY number) AS earlier,
               LAG(attempt) OVER (PARTITION BY job_key ORDER BY number) AS earlier_attempt
        FROM job_transitions
    )
"""
"""Precedes each query. A marked job may be half swept, so no rule holds of it."""

RULES = {
    "{id}: its transitions are not numbered from 1 without a gap": """
        SELECT id FROM live AS jobs LEFT JOIN job_transitions ON job_key = key
        GROUP BY id HAVING COUNT(number) = 0 OR MIN(number) <> 1 OR MAX(number) <> COUNT(DISTINCT number)
    """,
    "{id}: went from {earlier} to {status}": """
        SELECT id, COALESCE(earlier, 'nothing') AS earlier, moves.status
        FROM moves JOIN live AS jobs ON key = job_key
        WHERE COALESCE(earlier, '') || '>' || moves.status NOT IN (
            '>queued', 'queued>running', 'queued>cancelled',
            'running>succeeded', 'running>failed', 'running>cancelled', 'running>queued'
        )
    """,
    "{id}: its attempt falls from {earlier_attempt} to {attempt}": """
        SELECT id, earlier_attempt, moves.attempt FROM moves JOIN live AS jobs ON key = job_key
        WHERE earlier_attempt > moves.attempt
    """,
    "{id}: is in attempt {attempt}, its transitions in {largest}": """
        SELECT id, jobs.attempt, MAX(job_transitions.attempt) AS largest
        FROM live AS jobs JOIN job_transitions ON job_key = key
        GROUP BY id, jobs.attempt HAVING jobs.attempt <> MAX(job_transitions.attempt)
    """,
    "{id}: is {status}, its last transition {last}": """
        SELECT id, jobs.status, last.status AS last
        FROM live AS jobs JOIN job_transitions AS last ON job_key = key
        WHERE number = (SELECT MAX(number) FROM job_transitions WHERE job_key = key)
          AND jobs.status <> last.status
    """,
    "{id}: is {status} at step {step}, its metrics are {found} rows of steps {first} to {last}": """
        SELECT id, status, jobs.step, COUNT(metrics.step) AS found,
               MIN(metrics.step) AS first, MAX(metrics.step) AS last
        FROM live AS jobs LEFT JOIN metrics ON job_key = key
        GROUP BY id, status, jobs.step
        HAVING COUNT(metrics.step) <> jobs.step OR COUNT(DISTINCT metrics.step) <> jobs.step
            OR MIN(metrics.step) <> 1 OR MAX(metrics.step) <> jobs.step
    """,
    "{id}: has a checkpoint of step {ahead}, but is at step {step}": """
        SELECT id, jobs.step, checkpoints.step AS ahead FROM live AS jobs JOIN checkpoints ON job_key = key
        WHERE checkpoints.step > jobs.step AND NOT EXISTS (
            SELECT 1 FROM model_versions AS pin WHERE pin.job_key = key AND pin.step = checkpoints.step
        )
    """,
    "{id}: has telemetry of step {ahead}, but is at step {step}": """
        SELECT id, jobs.step, telemetry.step AS ahead FROM live AS jobs JOIN telemetry ON job_key = key
        WHERE telemetry.step > jobs.step
    """,
    "{id}: its resume state is of step {resumed}, but it is at step {step}": """
        SELECT id, jobs.step, resume_states.step AS resumed
        FROM live AS jobs JOIN resume_states ON job_key = key
        WHERE resume_states.step <> jobs.step
    """,
    "{id}: is {status} at step {step} without a resume state": """
        SELECT id, status, jobs.step FROM live AS jobs LEFT JOIN resume_states ON job_key = key
        WHERE status IN ('queued', 'running') AND jobs.step > 0 AND job_key IS NULL
    """,
    "{id}: has {status} and still has a resume state": """
        SELECT id, status FROM live AS jobs JOIN resume_states ON job_key = key
        WHERE status NOT IN ('queued', 'running')
    """,
    "{id}: is {status}, and finished_at is {finished_at}": """
        SELECT id, status, finished_at FROM live AS jobs
        WHERE (status IN ('queued', 'running')) <> (finished_at IS NULL)
    """,
    "{id}: has succeeded at step {step} of {steps}": """
        SELECT id, step, steps FROM live AS jobs WHERE status = 'succeeded' AND step <> steps
    """,
    "{id}: has succeeded without a last checkpoint of its weights_sha256": """
        SELECT id FROM live AS jobs LEFT JOIN checkpoints ON job_key = key AND checkpoints.step = jobs.steps
        WHERE status = 'succeeded' AND COALESCE(sha256 = weights_sha256, FALSE) = FALSE
    """,
    "model {name}: is at version {version}, its newest one is {newest}": """
        SELECT name, served_models.version, MAX(model_versions.version) AS newest
        FROM served_models LEFT JOIN model_versions ON model_key = key
        GROUP BY name, served_models.version
        HAVING COALESCE(MAX(model_versions.version), 0) <> served_models.version
    """,
    "model {name}: version {version} serves a checkpoint that does not exist": """
        SELECT name, pin.version
        FROM served_models JOIN model_versions AS pin ON model_key = served_models.key
        LEFT JOIN live AS jobs ON jobs.key = pin.job_key
        LEFT JOIN checkpoints ON checkpoints.job_key = jobs.key AND checkpoints.step = pin.step
        WHERE checkpoints.step IS NULL
    """,
}


def check_invariants(database: Database, references: Mapping[str, str] | None = None) -> list[str]:
    """Return a sentence for each of the first 100 violations.

    All rules see one snapshot, so a database in use can be checked. `references` are the weights_sha256 of
    undisturbed runs by job id: these jobs must exist and have the same weights.
    """
    with database.snapshot() as session, without_statement_timeout(session.connection()):
        if database.is_sqlite and (damage := list(islice(_damage(session), MOST))):
            return damage  # queries on a damaged file may raise anything
        found = chain(_broken(session), _changed_bytes(session), _unlike(session, references or {}))
        return list(islice(found, MOST))


def _damage(session: Session) -> Iterator[str]:
    try:
        for (message,) in session.execute(text(f"PRAGMA integrity_check({MOST})")):
            if message != "ok":
                yield f"the file is damaged: {message}"
    except DatabaseError as error:  # in a page that the check itself needs
        yield f"the file is damaged: {error.orig}"
        return
    for table, _, parent, _ in session.execute(text("PRAGMA foreign_key_check")):
        yield f"a row of {table} belongs to no row of {parent}"


def _broken(session: Session) -> Iterator[str]:
    for sentence, query in RULES.items():
        for row in session.execute(text(f"{MOVES} {query} LIMIT {MOST}")).mappings():
            yield sentence.format(**row)


def _changed_bytes(session: Session) -> Iterator[str]:
    checkpoints = select(Checkpoint.job_key, Checkpoint.step, Checkpoint.weights, Checkpoint.sha256)
    states = select(ResumeState.job_key, ResumeState.step, ResumeState.state, ResumeState.sha256)
    for what, query in (("bytes of the checkpoint", checkpoints), ("bytes of the resume state", states)):
        for key, step, content, sha256 in session.execute(query.execution_options(yield_per=AT_ONCE)):
            if sha256_hex(content) != sha256:
                public_id = session.scalar(select(Job.id).where(Job.key == key))
                yield f"{public_id}: the {what} of step {step} no longer match their sha256"


def _unlike(session: Session, references: Mapping[str, str]) -> Iterator[str]:
    for public_id, expected in references.items():
        found = session.execute(select(Job.weights_sha256).where(Job.id == public_id)).first()
        if found is None:
            yield f"{public_id}: does not exist"
        elif found.weights_sha256 != expected:
            yield f"{public_id}: its weights are not those of the undisturbed run"
