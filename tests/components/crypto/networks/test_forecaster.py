from collections.abc import Callable

import pytest
import torch

from components.crypto.calibration import Calibration
from components.crypto.networks import Calibrated, Ensemble, Forecaster, NetworkSettings, NetworkSettingsError
from components.crypto.networks.head import QuantileHead, gap_sums, horizon_basis
from components.crypto.networks.inputs import SLOW, InputEncoder
from feature_repo.crypto import FEATURE_NAMES, QUANTILE_LEVELS

Windows = Callable[..., torch.Tensor]


def test_quantiles_never_cross_whatever_the_weights_and_the_window(forecaster: Forecaster, windows: Windows) -> None:
    extreme = torch.cat([windows(50), 1e3 * windows(5), torch.zeros(1, 12, len(FEATURE_NAMES))])
    extreme[50:55, :, FEATURE_NAMES.index("log_range_h168")] = -20.0
    quantiles = forecaster(extreme)
    assert quantiles.shape == (56, 6, len(QUANTILE_LEVELS))
    assert torch.isfinite(quantiles).all()
    assert (torch.diff(quantiles, dim=-1) >= 0).all()


def test_a_sequence_gives_at_its_last_bar_what_its_window_gives(forecaster: Forecaster, windows: Windows) -> None:
    window = windows(4)
    inputs, reference = forecaster.encoder(window)
    along = forecaster.from_inputs(inputs)[:, -1]
    start = forecaster.head.start(inputs[:, -1])
    served = torch.lerp(along, start, forecaster.settings.start_share) * torch.exp(reference[:, -1])[:, None, None]
    torch.testing.assert_close(served, forecaster(window))


def test_corrections_do_not_see_what_hardly_changes(forecaster: Forecaster, windows: Windows) -> None:
    inputs, _ = forecaster.encoder(windows(4))
    later = inputs.clone()
    numeric = [name for name in FEATURE_NAMES if name not in ("hour", "weekday")]
    later[..., [numeric.index(name) for name in SLOW]] += 1.0
    head = forecaster.head
    with torch.no_grad():
        head.skip.weight.zero_()
    torch.testing.assert_close(forecaster.from_inputs(inputs), forecaster.from_inputs(later))


def test_a_later_bar_never_changes_an_earlier_forecast(forecaster: Forecaster, windows: Windows) -> None:
    window = windows(3)
    changed = window.clone()
    changed[:, 8:] = windows(3, seed=9)[:, 8:]
    before = forecaster.from_inputs(forecaster.encoder(window)[0])
    after = forecaster.from_inputs(forecaster.encoder(changed)[0])
    torch.testing.assert_close(before[:, :8], after[:, :8])
    assert not torch.allclose(before[:, 8], after[:, 8])


def test_the_state_of_a_bar_depends_on_earlier_bars(forecaster: Forecaster, windows: Windows) -> None:
    window = windows(3)
    changed = window.clone()
    changed[:, -3] = windows(3, seed=9)[:, -3]
    assert not torch.allclose(forecaster(window), forecaster(changed))


def test_a_transformer_trained_on_long_stretches_computes_the_served_function(windows: Windows) -> None:
    settings = NetworkSettings("transformer", window_bars=11, width=8, layers=2, heads=2, band_bars=6)
    network = Forecaster(settings, FEATURE_NAMES, 3).eval()
    torch.nn.init.normal_(network.head.corrections.weight)
    long = windows(2, 40)
    inputs, _ = network.encoder(long)
    served = network.from_inputs(inputs[:, -settings.window_bars :])[:, -1]
    torch.testing.assert_close(network.from_inputs(inputs)[:, -1], served)


def test_volatility_scales_the_forecast_and_changes_nothing_else(forecaster: Forecaster, windows: Windows) -> None:
    calm = windows(5)
    encoder = forecaster.encoder
    column = encoder.columns.tolist().index(encoder.reference_column)
    with torch.no_grad():
        encoder.deviation[column] = 1e9
    wild = calm.clone()
    for number, name in enumerate(FEATURE_NAMES):
        if name.startswith(("log_volatility", "log_range", "log_realised", "market_log_volatility")):
            wild[..., number] += 0.5
        elif name.startswith(("log_return", "market_log_return", "macd", "sma", "ema", "bollinger_width", "atr")):
            wild[..., number] *= 2.718281828**0.5
    torch.testing.assert_close(forecaster(wild), forecaster(calm) * 2.718281828**0.5, rtol=1e-4, atol=1e-6)


def test_training_starts_at_the_fitted_forecast() -> None:
    settings = NetworkSettings("lstm", width=4)
    head = QuantileHead(settings, inputs=2, corrected_by=3, hidden=4, horizon_bars=4)
    shape = torch.tensor([[-2.0, -1.3, -0.6, 0.1, 0.7, 1.4, 2.2]]).repeat(4, 1)
    head.start_at(torch.full((4, 2), 0.5), torch.full((4,), -0.25))
    head.shape_at(shape)
    inputs = torch.tensor([[1.0, 0.0]]).repeat(3, 1)
    quantiles = head(torch.randn(3, 4), inputs, torch.randn(3, 3))
    expected = torch.exp(torch.tensor(0.25)) * torch.sqrt(torch.arange(1.0, 5.0))[:, None] * shape
    torch.testing.assert_close(quantiles, expected.expand(3, -1, -1))
    torch.testing.assert_close(head.start(inputs), quantiles)


def test_gaps_lead_from_the_median_to_every_quantile() -> None:
    gaps = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    assert (gaps @ gap_sums()).tolist() == [-7.0, -6.0, -4.0, 0.0, 8.0, 24.0, 56.0]


@pytest.mark.parametrize(("horizon_bars", "knots"), [(1, 6), (2, 6), (24, 1), (24, 6)])
def test_interpolation_over_horizons_keeps_constants(horizon_bars: int, knots: int) -> None:
    basis = horizon_basis(horizon_bars, knots)
    assert basis.shape[1] == horizon_bars
    torch.testing.assert_close(basis.sum(dim=0), torch.ones(horizon_bars))


def test_an_ensemble_is_the_mean_of_its_members(windows: Windows) -> None:
    members = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        member = Forecaster(NetworkSettings("lstm", window_bars=12, width=4), FEATURE_NAMES, 3).eval()
        torch.nn.init.normal_(member.head.corrections.weight)
        members.append(member)
    window = windows(3)
    torch.testing.assert_close(Ensemble(members)(window), (members[0](window) + members[1](window)) / 2)


def test_calibration_in_the_graph_is_the_calibration_that_was_fitted(forecaster: Forecaster, windows: Windows) -> None:
    random = torch.Generator().manual_seed(3)
    corrections = torch.randn(6, 3, generator=random).numpy()
    calibration = Calibration(corrections, 100)
    window = windows(20)
    found = Calibrated(forecaster, calibration)(window).detach().numpy()
    torch.testing.assert_close(found, calibration.apply(forecaster(window).detach().numpy()))


def test_weekend_hours_have_indicators_of_their_own() -> None:
    encoder = InputEncoder(FEATURE_NAMES)
    rows = torch.zeros(2, len(FEATURE_NAMES))
    rows[:, FEATURE_NAMES.index("hour")] = 7
    rows[1, FEATURE_NAMES.index("weekday")] = 6
    inputs, _ = encoder(rows)
    indicators = inputs[:, -55:]
    assert indicators.nonzero().tolist() == [[0, 7], [0, 48], [1, 31], [1, 54]]


def test_features_without_the_reference_are_refused() -> None:
    with pytest.raises(ValueError, match="log_range_h168"):
        InputEncoder(("hour", "weekday", "log_return_1"))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"network": "gru"}, "choose one of lstm, transformer"),
        ({"network": "lstm", "width": 0}, "width must be at least 1, got 0"),
        ({"network": "lstm", "dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"network": "transformer", "body_width": 30, "heads": 4}, "body_width 30 must be a multiple of heads 4"),
        ({"network": "transformer", "layers": 3, "window_bars": 48}, "reach back 142 bars, more than window_bars 48"),
    ],
)
def test_settings_that_describe_no_network_are_refused(numbers: dict[str, object], message: str) -> None:
    with pytest.raises(NetworkSettingsError, match=message):
        NetworkSettings(**numbers)  # type: ignore[arg-type]
