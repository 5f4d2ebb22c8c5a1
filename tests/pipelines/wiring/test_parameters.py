import pytest

from pipelines.wiring import ParameterError, Pipeline, parse_parameters, pipeline


def wiring(
    symbols: list[str],
    horizon_bars: int = 24,
    margin: float = 0.1,
    dry: bool = False,
    profile: str = "full",
) -> None:
    """A wiring with a parameter of every type."""


@pytest.fixture
def every_type() -> Pipeline:
    choices = {"profile": ("quick", "full"), "horizon_bars": range(1, 25)}
    return pipeline(name="every-type", cron="0 * * * *", choices=choices)(wiring)


def test_texts_become_values_of_the_declared_types(every_type: Pipeline) -> None:
    values = parse_parameters(every_type, ["symbols=BTC, ETH", "horizon_bars=6", "margin=1e-3", "dry=yes"])

    assert values == {"symbols": ["BTC", "ETH"], "horizon_bars": 6, "margin": 0.001, "dry": True}
    assert parse_parameters(every_type, ['symbols=["BTC"]']) == {"symbols": ["BTC"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("simbols=BTC", "did you mean 'symbols'"),
        ("horizon=3", "did you mean 'horizon_bars'"),
        ("symbols", "key=value"),
        ("horizon_bars=six", "horizon_bars is of type int, got 'six'"),
        ("horizon_bars=25", "1 to 24"),
        ("dry=maybe", "dry is of type bool"),
        ("profile=fast", "one of quick, full"),
        ("symbols=[1]", "list of text"),
    ],
)
def test_a_bad_parameter_says_what_is_wrong_and_what_is_possible(every_type: Pipeline, text: str, said: str) -> None:
    with pytest.raises(ParameterError, match=said.replace("[", r"\[")):
        parse_parameters(every_type, ["symbols=BTC", text])


def test_a_parameter_without_a_default_must_be_given(every_type: Pipeline) -> None:
    with pytest.raises(ParameterError, match="needs symbols"):
        parse_parameters(every_type, ["dry=no"])
