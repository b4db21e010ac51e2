"""The description of the API, made once for all files that read it."""

from service.app import create_app
from service.settings import Settings

APP = create_app(Settings())
SCHEMA = APP.openapi()
PATHS = SCHEMA["paths"]
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in PATHS.items()
    for method, operation in operations.items()
}
