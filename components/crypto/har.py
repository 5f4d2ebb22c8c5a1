"""HAR volatility as a candidate like the networks: fitted in closed form, calibrated, exported to ONNX.

If the networks do not beat it, this is what is served, and its bundle says so (`network="har"`, `baseline: true`).
"""

import time
from pathlib import Path

import numpy as np

from components.crypto.baselines.har import HOURS, LOG_VOLATILITIES, SATURDAY, WEEKDAYS, Har, fit_har
from components.crypto.calibration import fit_calibration
from components.crypto.candidate import CandidateReport, write_candidate
from components.crypto.dataset import load_dataset
from components.crypto.metrics import covered, pinball_losses
from components.crypto.splits import Interval
from feature_repo.crypto import HORIZON_BARS

WINDOW_BARS = 1
"""HAR reads the last bar's features only."""

OPSET = 18
IR_VERSION = 10
MAGNITUDE_INPUTS = ("log_return_24", "log_return_1", "log_realised_168")


def fit_har_candidate(features: Path, output: Path, *, horizon_bars: int = HORIZON_BARS) -> CandidateReport:
    """Fit HAR on the train and stop slices, calibrate it on the calibrate slice, and write a candidate folder.

    Args:
        features: The feature table.
        output: Where the candidate folder goes.
        horizon_bars: Longest horizon H.

    Raises:
        DatasetError: The table is not a feature table.
        SplitError: The history is too short to be split.
        BaselineError: Too few rows are left to fit on.
    """
    started = time.perf_counter()
    dataset = load_dataset(features, horizon_bars)
    split = dataset.split()
    rows = dataset.rows(Interval(split.train.start, split.stop.end))
    fitted = fit_har(dataset, rows)
    held_out = dataset.rows(split.calibrate)
    targets = dataset.targets[held_out].astype(np.float64)
    calibration = fit_calibration(fitted.predict(dataset, held_out), targets)
    # Corrections are in units of the forecast's own spread, so that they can stand in the standardised quantiles.
    calibrated = Har(fitted.coefficients, calibration.apply(fitted.shape[None])[0].astype(np.float64))
    quantiles = calibrated.predict(dataset, held_out)
    return write_candidate(
        output,
        network="har",
        baseline=True,
        dataset=dataset,
        features=features,
        model=har_onnx(calibrated, dataset.feature_names),
        train_rows=rows,
        calibration=calibration.description(),
        window_bars=WINDOW_BARS,
        parameters={"fit_rows": len(rows), "regressors": fitted.coefficients.shape[0]},
        metrics={
            "calibrate_pinball": float(pinball_losses(targets, quantiles).mean()),
            **{f"calibrate_coverage_{p}": float(covered(targets, quantiles, p).mean()) for p in (50, 80, 95)},
        },
        seconds=time.perf_counter() - started,
    )


def har_onnx(fitted: Har, feature_names: tuple[str, ...]) -> bytes:
    """The fitted model as an ONNX graph: `window` FP32 [N, 1, F] to `quantiles` FP32 [N, H, Q].

    The graph builds the regressors of `har_design` from the features themselves, so that a caller needs to know
    nothing of them.
    """
    from onnx import TensorProto, checker, helper

    horizons, levels = fitted.shape.shape
    inputs = helper.make_tensor_value_info("window", TensorProto.FLOAT, ["N", WINDOW_BARS, len(feature_names)])
    outputs = helper.make_tensor_value_info("quantiles", TensorProto.FLOAT, ["N", horizons, levels])
    graph = helper.make_graph(_nodes(), "har", [inputs], [outputs], _initializers(fitted, feature_names))
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="ai-orchestration")
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _nodes() -> list[object]:
    from onnx import TensorProto, helper

    node = helper.make_node
    return [
        node("Gather", ["window", "last_bar"], ["bar"], axis=1),
        node("Gather", ["bar", "volatility_columns"], ["log_volatilities"], axis=1),
        node("Gather", ["bar", "day_return_column"], ["day_return"], axis=1),
        node("Gather", ["bar", "return_column"], ["return"], axis=1),
        node("Gather", ["bar", "week_column"], ["log_week"], axis=1),
        node("Gather", ["bar", "hour_column"], ["hour"], axis=1),
        node("Gather", ["bar", "weekday_column"], ["weekday"], axis=1),
        node("Neg", ["log_week"], ["minus_log_week"]),
        node("Exp", ["minus_log_week"], ["over_week"]),
        node("Mul", ["day_return", "over_week"], ["day_leverage"]),
        node("Abs", ["return"], ["absolute_return"]),
        node("Mul", ["absolute_return", "over_week"], ["bar_leverage"]),
        node("Equal", ["hour", "all_hours"], ["is_hour"]),
        node("Cast", ["is_hour"], ["hours"], to=TensorProto.FLOAT),
        node("GreaterOrEqual", ["weekday", "saturday"], ["is_weekend"]),
        node("Cast", ["is_weekend"], ["weekend"], to=TensorProto.FLOAT),
        node("Mul", ["hours", "weekend"], ["weekend_hours"]),
        node("Equal", ["weekday", "all_weekdays"], ["is_weekday"]),
        node("Cast", ["is_weekday"], ["weekdays"], to=TensorProto.FLOAT),
        node(
            "Concat",
            ["log_volatilities", "day_leverage", "bar_leverage", "hours", "weekend_hours", "weekdays"],
            ["design"],
            axis=1,
        ),
        node("Gemm", ["design", "coefficients", "intercept"], ["log_scale"]),
        node("Exp", ["log_scale"], ["scale"]),
        node("Unsqueeze", ["scale", "last_axis"], ["scale_by_level"]),
        node("Mul", ["scale_by_level", "shape"], ["quantiles"]),
    ]


def _initializers(fitted: Har, feature_names: tuple[str, ...]) -> list[object]:
    from onnx import numpy_helper

    def column(name: str) -> list[int]:
        return [feature_names.index(name)]

    day, last, week = MAGNITUDE_INPUTS
    integers = {
        "volatility_columns": [feature_names.index(name) for name in LOG_VOLATILITIES],
        "day_return_column": column(day),
        "return_column": column(last),
        "week_column": column(week),
        "hour_column": column("hour"),
        "weekday_column": column("weekday"),
        "last_axis": [2],
    }
    floats: dict[str, object] = {
        "all_hours": np.arange(HOURS)[None, :],
        "all_weekdays": np.arange(WEEKDAYS)[None, :],
        "saturday": SATURDAY,
        "coefficients": fitted.coefficients[1:],
        "intercept": fitted.coefficients[0],
        "shape": fitted.shape[None],
    }
    return [
        numpy_helper.from_array(np.asarray(-1, dtype=np.int64), "last_bar"),
        *(numpy_helper.from_array(np.asarray(value, dtype=np.int64), name) for name, value in integers.items()),
        *(numpy_helper.from_array(np.asarray(value, dtype=np.float32), name) for name, value in floats.items()),
    ]
