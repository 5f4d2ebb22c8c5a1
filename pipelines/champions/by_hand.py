"""A person's hand on the champion alias; as careful as the pipeline's, and in the same log."""

import getpass
import importlib
import importlib.util
from collections.abc import Sequence

from components.release.errors import PromotionRefusedError
from components.release.promote import BundleStep, nothing_to_materialise
from components.release.promote import promote as promote_version
from components.release.promote import reconcile as reconcile_log
from components.release.promote import rollback as roll_back
from runtime.bundle import Bundle
from runtime.promotion_log import Promotion, open_promotion_log
from runtime.registry import open_registry


def promote(name: str, version: str, reason: str, actor: str = "") -> Promotion:
    """Make a version the champion, its features brought online first.

    Args:
        name: Registered model, such as `crypto-forecast-1h`.
        version: Its version.
        reason: Why; goes into the log.
        actor: Who; by default the user of this process.
    """
    return promote_version(
        name,
        version,
        actor=actor or _user(),
        reason=reason,
        registry=open_registry(),
        log=open_promotion_log(),
        materialise=bring_online,
    )


def rollback(name: str, reason: str, actor: str = "", to_version: str = "") -> Promotion:
    """Give the alias back to the champion before this one, or to `to_version`."""
    return roll_back(
        name,
        actor=actor or _user(),
        reason=reason,
        registry=open_registry(),
        log=open_promotion_log(),
        materialise=bring_online,
        to_version=to_version,
    )


def history(name: str, limit: int = 20) -> Sequence[Promotion]:
    """The latest promotions of a model, newest first."""
    return open_promotion_log().history(name, limit=limit)


def reconcile() -> Sequence[Promotion]:
    """End what dead processes left open; for start-up, when nobody else can be promoting."""
    return reconcile_log(open_registry(), open_promotion_log())


def bring_online(bundle: Bundle) -> None:
    """What the bundle's family does before a version serves; a family without `bring_online` keeps nothing online.

    Raises:
        PromotionRefusedError: What the version needs is neither online nor can be computed here.
    """
    module = f"components.{bundle.manifest.family}.bring_online"
    step: BundleStep = nothing_to_materialise
    if bundle.manifest.family.isidentifier() and importlib.util.find_spec(module) is not None:
        step = importlib.import_module(module).bring_online
    try:
        step(bundle)
    except LookupError as error:
        raise PromotionRefusedError(str(error)) from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown user"
