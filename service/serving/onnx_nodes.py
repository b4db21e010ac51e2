"""The nodes and constants of an ONNX graph that is being built."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Numbers = NDArray[np.float32]


class Graph:
    """The nodes and constants of a graph, in the order in which they compute."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant; return its name."""
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, output: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; return the name of the output."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def split(self, x: str, names: Sequence[str]) -> list[str]:
        """Add a node that divides the last axis of x into equal parts; return their names."""
        self.nodes.append(helper.make_node("Split", [x], [*names], name=names[0], axis=-1))
        return [*names]
