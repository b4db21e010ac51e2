"""The smallest LitServe server of a net: `python benchmarks/litserve_server.py FILE PORT` in its environment.

FILE is a net exported as safetensors, with its norm folded into the weights. It imports nothing of ours.
"""

import sys
from typing import Any

import litserve
import torch
from safetensors.torch import load_file


class Digits(litserve.LitAPI):  # type: ignore[misc] # it is not in our environment
    """Predict the digits of images in the JSON of our API."""

    def setup(self, device: str) -> None:
        stored = load_file(sys.argv[1])
        layers = []
        for name in ("hidden1", "output"):
            layer = torch.nn.Linear(*stored[f"{name}.weight"].shape)
            layer.weight.data, layer.bias.data = (
                stored[f"{name}.weight"].T.contiguous(),
                stored[f"{name}.shift"],
            )
            layers.append(layer)
        self.net = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1]).eval().to(device)
        self.device_of_net = device

    def decode_request(self, request: dict[str, Any]) -> torch.Tensor:
        return torch.tensor(request["images"], device=self.device_of_net)

    @torch.inference_mode()
    def predict(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x).softmax(-1)  # type: ignore[no-any-return] # torch's modules return Any

    def encode_response(self, output: torch.Tensor) -> dict[str, Any]:
        return {"digits": output.argmax(-1).tolist(), "probabilities": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Digits(), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False)
