"""From the settings to a matcher."""

from brain.clients.http import HttpClient
from brain.l20.strategy.embeddings import EmbeddingsMatcher
from brain.l20.strategy.library import FOLDER, Library, load_library
from brain.l20.strategy.llm import LlmMatcher
from brain.l20.strategy.matching import Bm25Matcher, Matcher
from brain.l20.strategy.openai import OpenAiEndpoint
from brain.l20.strategy.settings import StrategySettings


def library_of(settings: StrategySettings) -> Library:
    """The playbooks that the settings name; `PlaybookError` where they are none."""
    return load_library(settings.playbooks_folder or FOLDER)


def build_matcher(settings: StrategySettings, http: HttpClient) -> Matcher:
    """Words; before them a language model or sentence embeddings, where one is configured.

    Raises:
        FullTextMissingError: SQLite has no FTS5.
        PlaybookError: The library cannot be read.
    """
    library = library_of(settings)
    words = Bm25Matcher(library)
    key, seconds = settings.llm_api_key.get_secret_value(), settings.llm_seconds
    if settings.llm_url is not None:
        endpoint = OpenAiEndpoint(http, str(settings.llm_url), settings.llm_model, key, seconds)
        return LlmMatcher(endpoint, library, words)
    if settings.embeddings_url is not None:
        endpoint = OpenAiEndpoint(http, str(settings.embeddings_url), settings.embeddings_model, key, seconds)
        return EmbeddingsMatcher(endpoint, library, words, settings.embeddings_least)
    return words
