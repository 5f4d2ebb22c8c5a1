"""Types that the platform will serve: their tasks are taken, and fail as not served while the rest of a run goes on.

A family that begins to serve one takes its line from here into a file of its own.
"""

from collections.abc import Mapping

from brain.capabilities.port import Capability, Estimate

_PICTURES = ("image_generation", "video_generation")


def capabilities() -> tuple[Capability, ...]:
    """One for each type without a handler."""
    return (
        _known("image_generation", "Image generation", "media"),
        _known("video_generation", "Video generation", "media", "image_generation"),
        _known("advanced_media", "Advanced media", "intelligence", *_PICTURES),
        _known("product_content", "Product content", "intelligence", "image_generation"),
        _known("marketing", "Marketing campaigns", "intelligence", *_PICTURES, "advanced_media", "product_content"),
        _known("web_app_builder", "Web application builder", "intelligence", *_PICTURES, "product_content"),
        _known("crypto_sentiment", "Sentiment about a coin", "crypto"),
        _known("swarm", "Swarm of micro-tasks", "swarm"),
    )


def _known(name: str, title: str, domain: str, *after: str) -> Capability:
    return Capability(name, title, domain, None, _nothing, after=after)


def _nothing(_parameters: Mapping[str, object]) -> Estimate:
    return Estimate(0.0)
