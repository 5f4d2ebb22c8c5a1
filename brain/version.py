"""Which version of the platform this is."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from runtime.settings import REPOSITORY_ROOT


@lru_cache(maxsize=1)
def gateway_version() -> str:
    """The installed package's version, or the checkout's where it runs uninstalled."""
    try:
        return version("ai-orchestration")
    except PackageNotFoundError:
        import tomllib

        project = REPOSITORY_ROOT / "pyproject.toml"
        if not project.is_file():
            return "unknown"
        found = tomllib.loads(project.read_text())["project"]["version"]
        return str(found)
