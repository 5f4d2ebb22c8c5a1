"""From trained trees to the ONNX bytes that are evaluated and served.

The trees are written by hand rather than converted: skl2onnx sends missing values down other branches than
scikit-learn does, converters give probabilities where calibration needs log odds, and one writer serves every learner.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from components.fraud.training.anomaly import LEVELS, Anomaly
from components.fraud.training.attack_classes import ClassModel
from components.fraud.training.calibration import Calibration
from components.fraud.training.forest import SMALLEST
from components.fraud.training.learner import Fitted
from components.fraud.trees import LEAF, Trees

if TYPE_CHECKING:
    import onnx

INPUT, PROBABILITY, SCORE = "features", "probability", "score"
CLASS_PROBABILITIES, ANOMALY = "class_probabilities", "anomaly"
OPSET, ML_OPSET, IR_VERSION = 17, 3, 9


class _Graph:
    """Nodes and constants as they come; every method gives the name of the tensor that it adds."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        from onnx import helper

        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, values: object, kind: type[np.generic] = np.float32) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
        return name

    def trees(self, trees: Trees, features: str, *, mean: bool) -> str:
        """[N, K]: sums or means of the leaves that rows fall into."""
        from onnx import helper

        output = f"trees_{len(self.nodes)}"
        attributes = _tree_attributes(trees)
        self.nodes.append(
            helper.make_node(
                "TreeEnsembleRegressor",
                [features],
                [output],
                domain="ai.onnx.ml",
                aggregate_function="AVERAGE" if mean else "SUM",
                **attributes,
            )
        )
        return output

    def flat(self, tensor: str, name: str = "") -> str:
        """[N, 1] to [N]."""
        return self.add("Squeeze", tensor, self.constant([1], np.int64), name=name)


def build_graph(
    fitted: Fitted,
    calibration: Calibration,
    features: int,
    classes: ClassModel | None = None,
    anomaly: Anomaly | None = None,
) -> bytes:
    """The serialised graph: `features` FP32 [N, F] to `probability` and `score` [N], and what was asked for besides.

    Args:
        fitted: The trained model.
        calibration: Becomes part of the graph.
        features: F.
        classes: Adds `class_probabilities` [N, C].
        anomaly: Adds `anomaly` [N].
    """
    graph = _Graph()
    margin = _margin(graph, fitted)
    scaled = graph.add("Mul", margin, graph.constant(calibration.slope))
    probability = graph.add("Sigmoid", graph.add("Add", scaled, graph.constant(calibration.intercept)))
    graph.flat(probability, PROBABILITY)
    outputs: dict[str, int | None] = {PROBABILITY: None, SCORE: None}
    if classes is not None:
        outputs[CLASS_PROBABILITIES] = _classes(graph, classes, probability)
    if anomaly is not None:
        outputs[ANOMALY] = None
        _anomaly(graph, anomaly)
    return _serialised(graph, features, outputs)


def _margin(graph: _Graph, fitted: Fitted) -> str:
    """Log odds [N, 1]; adds output `score`."""
    if fitted.unit == "log_odds":
        margin = graph.trees(fitted.trees, INPUT, mean=False)
        graph.flat(graph.add("Sigmoid", margin), SCORE)
        return margin
    probability = graph.trees(fitted.trees, INPUT, mean=True)
    graph.flat(probability, SCORE)
    inside = graph.add("Clip", probability, graph.constant(SMALLEST), graph.constant(1.0 - SMALLEST))
    return graph.add("Log", graph.add("Div", inside, graph.add("Sub", graph.constant(1.0), inside)))


def _classes(graph: _Graph, classes: ClassModel, probability: str) -> int:
    shares = graph.trees(classes.trees, INPUT, mean=not classes.softmax)
    if classes.softmax:
        shares = graph.add("Softmax", shares, axis=1)
    normal = graph.add("Sub", graph.constant(1.0), probability)
    attacks = graph.add("Mul", shares, probability)
    graph.add("Concat", normal, attacks, name=CLASS_PROBABILITIES, axis=1)
    return 1 + int(classes.trees.value.shape[1])


def _anomaly(graph: _Graph, anomaly: Anomaly) -> None:
    """Linear interpolation between the knots, as a sum of ramps that each rise by their level's step."""
    logs = graph.add("Log", graph.add("Add", INPUT, graph.constant(1.0)))
    strangeness = graph.add("Neg", graph.trees(anomaly.trees, logs, mean=True))
    knots, levels = anomaly.knots, np.array(LEVELS)
    over = graph.add(
        "Div", graph.add("Sub", strangeness, graph.constant(knots[None, :-1])), graph.constant(np.diff(knots))
    )
    ramps = graph.add("Clip", over, graph.constant(0.0), graph.constant(1.0))
    total = graph.add("MatMul", ramps, graph.constant(np.diff(levels)[:, None]))
    # The float32 steps may add up to a little more than one.
    graph.flat(graph.add("Min", total, graph.constant(1.0)), ANOMALY)


def _tree_attributes(trees: Trees) -> dict[str, Any]:
    sizes = np.diff(trees.starts)
    tree_ids = np.repeat(np.arange(len(trees)), sizes)
    node_ids = np.arange(len(trees.left)) - np.repeat(trees.starts[:-1], sizes)
    leaf = trees.left == LEAF
    branch = "BRANCH_LEQ" if trees.inclusive else "BRANCH_LT"
    rows, targets = np.nonzero(leaf[:, None] & ((trees.value != 0) | (np.arange(trees.value.shape[1]) == 0)))
    return {
        "n_targets": trees.value.shape[1],
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_featureids": np.where(leaf, 0, trees.feature).tolist(),
        "nodes_values": np.where(leaf, np.float32(0), trees.threshold).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", branch).tolist(),
        "nodes_truenodeids": np.where(leaf, 0, trees.left).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, trees.right).tolist(),
        "nodes_missing_value_tracks_true": (trees.missing_left & ~leaf).astype(int).tolist(),
        "target_treeids": tree_ids[rows].tolist(),
        "target_nodeids": node_ids[rows].tolist(),
        "target_ids": targets.tolist(),
        "target_weights": trees.value[rows, targets].astype(np.float32).tolist(),
    }


def _serialised(graph: _Graph, features: int, outputs: dict[str, int | None]) -> bytes:
    from onnx import TensorProto, checker, helper

    def value(name: str, width: int | None) -> "onnx.ValueInfoProto":
        shape = ["rows"] if width is None else ["rows", width]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    built = helper.make_graph(
        graph.nodes,
        "fraud",
        [value(INPUT, features)],
        [value(name, width) for name, width in outputs.items()],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(built, opset_imports=opsets, ir_version=IR_VERSION, producer_name="ai-orchestration")
    checker.check_model(model)
    return bytes(model.SerializeToString())
