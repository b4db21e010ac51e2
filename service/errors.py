"""The errors of the API, each with its HTTP status and problem code, and one of the command line."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """A wrong field of a request: an RFC 6901 pointer, a code and the rule."""

    pointer: str
    code: str
    message: str


class NormserveError(Exception):
    """An error of the API, shown as a problem of RFC 9457.

    `detail` states the rule and never repeats what the client sent.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retry_after_seconds: ClassVar[int | None] = None

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)

    def headers(self) -> dict[str, str]:
        """Return the headers of the response: Retry-After if the class has a time."""
        wait = self.retry_after_seconds
        return {} if wait is None else {"Retry-After": str(wait)}


class MalformedJson(NormserveError):
    status, code, title = 400, "malformed-json", "The body is not JSON"


class MalformedUpload(NormserveError):
    status, code, title = 400, "malformed-upload", "The body is not a form with files"


class IdempotencyKeyInvalid(NormserveError):
    status, code, title = 400, "idempotency-key-invalid", "The Idempotency-Key is not valid"


class NoWebSockets(NormserveError):
    status, code, title = 400, "no-websockets", "There are no WebSockets"


class KeyRequired(NormserveError):
    status, code, title = 401, "key-required", "A valid API key is required"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="normserve"'}


class InsufficientScope(NormserveError):
    """A key that does not have the scope of the operation; None for an operation that no key opens."""

    status, code, title = 403, "insufficient-scope", "The key does not have the scope"

    def __init__(self, needed: str | None) -> None:
        self.needed = needed
        super().__init__(f"this needs a key with the scope {needed}" if needed else "no key opens this")

    def headers(self) -> dict[str, str]:
        scope = f', scope="{self.needed}"' if self.needed else ""
        return {"WWW-Authenticate": f'Bearer realm="normserve", error="insufficient_scope"{scope}'}


class ForeignOrigin(NormserveError):
    status, code, title = 403, "foreign-origin", "Another origin sent this"


class PathNotFound(NormserveError):
    status, code, title = 404, "not-found", "Not Found"


class MethodNotAllowed(NormserveError):
    status, code, title = 405, "method-not-allowed", "Method Not Allowed"

    def __init__(self, allowed: Collection[str]) -> None:
        self.allowed = sorted(allowed)
        super().__init__(f"The path does not have this method; it has {', '.join(self.allowed)}.")

    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allowed)}


class JobNotFound(NormserveError):
    status, code, title = 404, "job-not-found", "No such job"


class ComparisonNotFound(NormserveError):
    status, code, title = 404, "comparison-not-found", "No such comparison"


class ModelNotFound(NormserveError):
    status, code, title = 404, "model-not-found", "No such model"


class VersionNotFound(NormserveError):
    status, code, title = 404, "version-not-found", "No such version of the model"


class CheckpointNotFound(NormserveError):
    status, code, title = 404, "checkpoint-not-found", "No such checkpoint"


class DatasetNotFound(NormserveError):
    status, code, title = 404, "dataset-not-found", "No such data set"


class WebhookNotFound(NormserveError):
    status, code, title = 404, "webhook-not-found", "No such webhook"


class DeliveryNotFound(NormserveError):
    status, code, title = 404, "delivery-not-found", "The webhook has no such delivery"


class KeyNotFound(NormserveError):
    status, code, title = 404, "key-not-found", "No such key"


class RequestTimeout(NormserveError):
    status, code, title = 408, "request-timeout", "The body did not arrive in time"


class JobEnded(NormserveError):
    status, code, title = 409, "job-ended", "The job has ended"


class ComparisonNotEnded(NormserveError):
    status, code, title = 409, "comparison-not-ended", "The comparison has not ended"


class NoLearningRates(NormserveError):
    status, code, title = 409, "no-learning-rates", "The comparison has one learning rate per arm"


class TooManyArms(NormserveError):
    status, code, title = 409, "too-many-arms", "The comparison has too many arms for a figure"


class JobInUse(NormserveError):
    status, code, title = 409, "job-in-use", "Something needs the job"


class JobNotEnded(NormserveError):
    status, code, title = 409, "job-not-ended", "The job has not ended"


class ModelNotReady(NormserveError):
    status, code, title = 409, "model-not-ready", "There is no checkpoint to predict with"


class TooManyModels(NormserveError):
    status, code, title = 409, "too-many-models", "There are too many models"


class TooManyWebhooks(NormserveError):
    status, code, title = 409, "too-many-webhooks", "There are too many webhooks"


class WebhookDisabled(NormserveError):
    status, code, title = 409, "webhook-disabled", "The receiver of the webhook is gone"


class TooManyKeys(NormserveError):
    status, code, title = 409, "too-many-keys", "There are too many keys"


class VersionCurrent(NormserveError):
    status, code, title = 409, "version-current", "The name points at this version"


class ModelDiverged(NormserveError):
    status, code, title = 409, "model-diverged", "The net's outputs are not finite numbers"


class CheckpointCorrupt(NormserveError):
    status, code, title = 409, "checkpoint-corrupt", "The stored checkpoint is damaged"


class DatasetUnavailable(NormserveError):
    status, code, title = 409, "dataset-unavailable", "The data set cannot be read on this machine"


class PayloadTooLarge(NormserveError):
    status, code, title = 413, "payload-too-large", "The body is larger than this operation takes"


class ImageTooLarge(NormserveError):
    status, code, title = 413, "image-too-large", "The picture has too many pixels"


class UriTooLong(NormserveError):
    status, code, title = 414, "uri-too-long", "The URL is too long"


class UnsupportedMediaType(NormserveError):
    status, code, title = 415, "unsupported-media-type", "The content type is not supported"


class UnsupportedEncoding(NormserveError):
    status, code, title = 415, "unsupported-encoding", "The content encoding is not supported"


class RangeNotSatisfiable(NormserveError):
    status, code, title = 416, "range-not-satisfiable", "The range lies outside the content"


class Misdirected(NormserveError):
    status, code, title = 421, "misdirected", "The service does not have this name"


class ValidationFailed(NormserveError):
    status, code, title = 422, "validation-error", "The request breaks a rule"


class InvalidCursor(NormserveError):
    status, code, title = 422, "invalid-cursor", "The cursor does not belong to this list"


class IdempotencyKeyReused(NormserveError):
    status, code, title = 422, "idempotency-key-reused", "The Idempotency-Key belongs to another request"


class UnprocessableImage(NormserveError):
    status, code, title = 422, "unprocessable-image", "The file is not a usable picture"


class BlankImage(NormserveError):
    status, code, title = 422, "blank-image", "The picture is blank"


class TooManyDigits(NormserveError):
    status, code, title = 422, "too-many-digits", "The pictures have too many digits"


class TooManyWrongKeys(NormserveError):
    status, code, title = 429, "too-many-wrong-keys", "Too many wrong keys"
    retry_after_seconds: ClassVar[int | None] = 5


class TooManyRequests(NormserveError):
    """Refused for a time, in whole seconds."""

    status, code, title = 429, "too-many-requests", "Too many requests"

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__("this key has sent too many requests lately; wait as long as Retry-After says")

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.seconds)}


class TooManyPredictions(NormserveError):
    status, code, title, retry_after_seconds = 429, "too-many-predictions", "Too many predictions at once", 1


class TooManyStreams(NormserveError):
    status, code, title, retry_after_seconds = 429, "too-many-streams", "Too many streams at once", 5


class QueueFull(NormserveError):
    status, code, title = 429, "queue-full", "The queue is full"
    retry_after_seconds: ClassVar[int | None] = 10


class HeadersTooLarge(NormserveError):
    status, code, title = 431, "headers-too-large", "The headers are too large"


class LargerThanQueue(QueueFull):
    """Refused because the queue can never hold so many jobs: waiting does not help, so no Retry-After."""

    retry_after_seconds: ClassVar[int | None] = None


class Overloaded(NormserveError):
    status, code, title, retry_after_seconds = 503, "overloaded", "Too much work at once", 1


class StorageFull(NormserveError):
    status, code, title, retry_after_seconds = 503, "storage-full", "The disk is full", 30


class DatabaseUnavailable(NormserveError):
    """A database that cannot be used now. `words` is the driver's message, which may name hosts and users.

    The command line and logs show it; a response shows only `detail`.
    """

    status, code, title, retry_after_seconds = 503, "database-unavailable", "The database does not respond", 2

    def __init__(self, detail: str, words: str = "") -> None:
        super().__init__(detail)
        self.args = (f"{detail} ({words})" if words else detail,)


class DatabaseUnusable(DatabaseUnavailable):
    """A database that waiting does not help: the operator must repair it or correct the setting for it."""

    retry_after_seconds = 30


class BackupRefused(Exception):
    """A backup that cannot be made or restored; only the command line shows it."""
