import sqlite3

import pytest

from brain.l20.strategy import matching
from brain.l20.strategy.library import load_library
from brain.l20.strategy.matching import Bm25Matcher, FullTextMissingError, named

LIBRARY = load_library()
MATCHER = Bm25Matcher(LIBRARY)


@pytest.mark.parametrize(
    ("objective", "names"),
    [
        ("Launch new product with integrated marketing campaign", {"product_launch", "marketing_campaign"}),
        ("Launch our new coffee machine in Germany", {"product_launch"}),
        ("Release version 2 of the product to the public", {"product_launch"}),
        ("Run a Christmas marketing campaign on social media", {"marketing_campaign"}),
        ("Promote our newsletter", {"marketing_campaign"}),
        ("Advertise the spring sale", {"marketing_campaign"}),
        ("Produce a video and photos for the brand", {"media_production"}),
        ("Shoot a short film about our factory", {"media_production"}),
        ("Launch a marketing campaign with video", {"marketing_campaign", "media_production"}),
        ("Rewrite all product descriptions in the online shop", {"product_content"}),
        ("Build a web app for booking rooms", {"web_app"}),
        ("Develop a dashboard for the sales team", {"web_app"}),
        ("Build a website and launch it with a campaign", {"web_app", "marketing_campaign"}),
        ("Reduce credit card fraud", {"fraud_hardening"}),
        ("Harden fraud detection against account takeovers", {"fraud_hardening"}),
        ("Retrain the fraud detector and revise its rules", {"fraud_hardening"}),
        ("Serve bitcoin price forecasts", {"forecasting_service"}),
        ("Train a forecaster for ethereum and deploy it", {"forecasting_service"}),
        ("Migrate our legacy services to Kubernetes", {"platform_migration"}),
        ("Move the database to the cloud", {"platform_migration"}),
    ],
)
def test_an_objective_finds_the_playbooks_of_its_domains(objective: str, names: set[str]) -> None:
    assert {match.playbook.name for match in MATCHER.choose(objective).matches} == names


@pytest.mark.parametrize(
    "objective",
    [
        "Bake a cake for the birthday",
        "Hire three engineers",
        "Write the annual report",
        "Improve the product",
        "Move into a bigger office",
        "Make everything better",
        "Organise the company party",
        "Translate the contract",
        "asdf qwer",
        "!!! ???",
        '"; DROP TABLE playbooks; --',
        "NEAR(a b) OR *",
        "日本で新しい店を開く",
    ],
)
def test_an_objective_that_no_playbook_comes_near_finds_none(objective: str) -> None:
    assert MATCHER.choose(objective).matches == ()


def test_a_low_match_names_what_came_nearest() -> None:
    assert MATCHER.choose("Improve the product").nearest[:2] == ("product_launch", "product_content")


def test_words_are_matched_by_their_stems() -> None:
    found = MATCHER.choose("migrating legacy clusters").matches
    assert [match.playbook.name for match in found] == ["platform_migration"]
    assert found[0].matched == ("migrating", "legacy", "clusters")


@pytest.mark.parametrize("others", [[], ["web_app"], ["web_app", "media_production"]])
def test_a_word_that_one_playbook_alone_has_is_enough_in_small_libraries_too(others: list[str]) -> None:
    few = {name: LIBRARY[name] for name in ["marketing_campaign", *others]}
    found = Bm25Matcher(few).choose("Promote our newsletter").matches
    assert [match.playbook.name for match in found] == ["marketing_campaign"]


def test_playbooks_that_are_named_are_taken_once_and_unscored() -> None:
    found = named(["web_app", "web_app"], LIBRARY).matches
    assert [(match.playbook.name, match.score, match.chosen_by) for match in found] == [("web_app", None, "request")]


class _WithoutFullText(sqlite3.Connection):
    def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
        if "fts5" in sql:
            raise sqlite3.OperationalError("no such module: fts5")
        return super().execute(sql, *arguments)


def test_a_sqlite_without_full_text_search_is_refused_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching.sqlite3, "connect", lambda path, **_options: _WithoutFullText(path))
    with pytest.raises(FullTextMissingError, match="without FTS5"):
        Bm25Matcher(LIBRARY)
