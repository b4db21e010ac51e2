"""Inference requests as clients send them: JSON, and after it the bytes of binary tensors."""

from collections import Counter
from typing import Annotated, Any

import orjson
from pydantic import Field, ValidationError

from models.specs.spec import N_CLASSES
from models.specs.strict import StrictModel
from service.api.shared.problems import InvalidBody
from service.serving.tensors import OUTPUTS, Inference, InputTensor, Output, read_pixels, wrong

Name = Annotated[str, Field(max_length=100)]
Parameters = dict[str, Any] | None


class GivenInput(StrictModel):
    """An input tensor, with its data or the size of its bytes."""

    name: Name
    shape: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1, max_length=8)]
    datatype: Name
    data: list[Any] | None = None
    parameters: Parameters = None


class WantedOutput(StrictModel):
    """An output to return."""

    name: Name
    parameters: Parameters = None


class InferenceRequest(StrictModel):
    """The JSON of an inference request; unknown parameters have no effect, as the protocol wants it."""

    id: Annotated[str | None, Field(max_length=1024)] = None
    parameters: Parameters = None
    inputs: Annotated[list[GivenInput], Field(min_length=1, max_length=8)]
    outputs: Annotated[list[WantedOutput] | None, Field(max_length=8)] = None


def read_inference(body: bytes, json_bytes: int | None, most_rows: int) -> Inference:
    """Read a request of which so many bytes are JSON, by default all.

    Raises InvalidBody or ValidationFailed.
    """
    length = len(body) if json_bytes is None else json_bytes
    if not length:
        raise wrong("", "must be an inference request in JSON")
    try:
        request = InferenceRequest.model_validate(orjson.loads(body[:length]))
    except ValidationError as error:
        raise InvalidBody(error.errors(include_url=False)) from None
    inputs = _with_bytes(request.inputs, body[length:])
    return Inference(request.id, read_pixels(inputs, most_rows), _outputs(request))


def _with_bytes(inputs: list[GivenInput], after: bytes) -> list[InputTensor]:
    """Give each binary input its bytes, which follow the JSON in the order of the inputs."""
    found, used = [], 0
    for place, given in enumerate(inputs):
        size = _number(given.parameters, "binary_data_size", f"/inputs/{place}/parameters")
        if (size is None) == (given.data is None):
            raise wrong(f"/inputs/{place}", "must have either data or parameters.binary_data_size")
        used += size or 0
        data = given.data if size is None else after[used - size : used]
        found.append(InputTensor(given.name, given.datatype, given.shape, data or []))
    if used != len(after):
        raise wrong("", f"has {len(after)} bytes after its JSON; the inputs name {used} in binary_data_size")
    return found


def _outputs(request: InferenceRequest) -> list[Output]:
    is_binary = _flag(request.parameters, "binary_data_output", "/parameters", default=False)
    wanted = request.outputs or [WantedOutput(name=name) for name in OUTPUTS]
    if max(Counter(output.name for output in wanted).values()) > 1:
        raise wrong("/outputs", "must not name an output twice")
    return [_output(output, f"/outputs/{place}", is_binary) for place, output in enumerate(wanted)]


def _output(wanted: WantedOutput, pointer: str, is_binary: bool) -> Output:
    if wanted.name not in OUTPUTS:
        raise wrong(f"{pointer}/name", f"must be one of: {', '.join(OUTPUTS)}")
    inside = f"{pointer}/parameters"
    n_classes = min(_number(wanted.parameters, "classification", inside) or 0, N_CLASSES)
    if n_classes and OUTPUTS[wanted.name] != "FP32":
        raise wrong(f"{inside}/classification", "is for probabilities and logits only")
    return Output(wanted.name, _flag(wanted.parameters, "binary_data", inside, is_binary), n_classes)


def _number(parameters: Parameters, name: str, pointer: str) -> int | None:
    value = (parameters or {}).get(name)
    if value is not None and not (type(value) is int and 0 <= value < 2**31):
        raise wrong(f"{pointer}/{name}", "must be an integer from 0 on")
    return value


def _flag(parameters: Parameters, name: str, pointer: str, default: bool) -> bool:
    value = (parameters or {}).get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(f"{pointer}/{name}", "must be true or false")
    return default if value is None else value
