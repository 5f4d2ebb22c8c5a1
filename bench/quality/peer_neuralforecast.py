"""Fits neuralforecast's models on log prices and writes their quantiles; runs in an environment of its own.

`python peer_neuralforecast.py CANDLES TEST_BARS HORIZON STEPS OUTPUT`: trains each model as it comes (input 168 bars,
multi-quantile loss) on all but the last TEST_BARS of every series, then forecasts from every bar of those.
"""

import logging
import sys
import time

import numpy as np
import pandas as pd

LEVELS = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]
HORIZONS = (1, 6, 24)
INPUT_BARS = 168


def main() -> None:
    """Write `model, unique_id, ds, horizon` and a column a level: quantiles of cumulative log return."""
    candles_path, test_bars, horizon, steps, output = sys.argv[1:]
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import LSTM, NHITS, PatchTST

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    frame = pd.read_parquet(candles_path)[["unique_id", "ds", "close"]]
    frame["ds"] = frame["ds"].dt.tz_localize(None)
    frame["y"] = np.log(frame.pop("close"))
    parts = []
    for kind in (NHITS, PatchTST, LSTM):
        began = time.perf_counter()
        model = kind(
            h=int(horizon),
            input_size=INPUT_BARS,
            loss=MQLoss(quantiles=LEVELS),
            max_steps=int(steps),
            random_seed=1,
            enable_progress_bar=False,
            enable_checkpointing=False,
            logger=False,
        )
        forecaster = NeuralForecast(models=[model], freq="h")
        windows = int(test_bars) - int(horizon) + 1
        found = forecaster.cross_validation(df=frame, n_windows=windows, step_size=1, refit=False)
        parts.append(_returns(found.reset_index(), frame, kind.__name__))
        print(f"{kind.__name__}: {time.perf_counter() - began:.0f} s", flush=True)
    pd.concat(parts, ignore_index=True).to_parquet(output, index=False)


def _returns(found: pd.DataFrame, frame: pd.DataFrame, name: str) -> pd.DataFrame:
    columns = [column for column in found.columns if column.startswith(f"{name}-") or column == name]
    if len(columns) != len(LEVELS):
        raise SystemExit(f"{name} gave the columns {columns}; expected one a level of {LEVELS}")
    hours = ((found["ds"] - found["cutoff"]) / pd.Timedelta(hours=1)).astype(int)
    found = found.assign(horizon=hours)[hours.isin(HORIZONS)]
    last = frame.rename(columns={"ds": "cutoff", "y": "last"})
    found = found.merge(last, on=["unique_id", "cutoff"], how="left", validate="many_to_one")
    quantiles = np.sort(found[columns].to_numpy(), axis=1) - found["last"].to_numpy()[:, None]
    table = found[["unique_id", "cutoff", "horizon"]].rename(columns={"cutoff": "ds"})
    return table.assign(model=name, **{str(level): quantiles[:, i] for i, level in enumerate(LEVELS)})


if __name__ == "__main__":
    main()
