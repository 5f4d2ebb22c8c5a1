"""`python -m brain` runs the gateway; `python -m brain keys …` manages its API keys."""

import argparse
import sys
from collections.abc import Sequence

# Where rich is installed, structlog imports it for terminals that a gateway does not have: 0.3 CPU seconds.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m brain", description="The gateway, and the keys that it asks for.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="run the gateway (what happens without a command, too)")
    keys = commands.add_parser("keys", help="manage API keys").add_subparsers(dest="action", required=True)
    create = keys.add_parser("create", help="make a key; it is printed once")
    create.add_argument("--name", default="unnamed", help="whom or what the key is for")
    create.add_argument("--scope", action="append", dest="scopes", default=[], metavar="SCOPE", help="may be repeated")
    create.add_argument("--days", type=float, default=None, help="days until the key ends; by default it does not")
    listing = keys.add_parser("list", help="show keys, without their secrets")
    listing.add_argument("--json", action="store_true", help="as JSON")
    keys.add_parser("revoke", help="end a key").add_argument("id", help="as `keys list` shows it")
    parsed = parser.parse_args(arguments)
    return _keys(parsed) if parsed.command == "keys" else _serve()


def _serve() -> int:
    from pydantic import ValidationError

    from brain.fraud.desk import RulesUnusableError
    from brain.security.keys.port import KeyStoreError
    from brain.server import PortTakenError, serve
    from brain.settings import BrainSettings, SettingsError
    from runtime.logs import configure_logging, get_logger
    from runtime.process_lock import LockHeldError

    configure_logging("gateway")
    try:
        serve(BrainSettings())
    except (
        LockHeldError,
        PortTakenError,
        SettingsError,
        RulesUnusableError,
        KeyStoreError,
        ValidationError,
    ) as error:
        get_logger("brain").error("the gateway cannot start", reason=str(error))
        return 1
    return 0


def _keys(parsed: argparse.Namespace) -> int:
    from brain.key_commands import create_key, list_keys, revoke_key
    from brain.security.keys import KeyNotFoundError, KeyStoreError

    try:
        if parsed.action == "create":
            return create_key(parsed.name, parsed.scopes, parsed.days)
        return list_keys(as_json=parsed.json) if parsed.action == "list" else revoke_key(parsed.id)
    except (KeyStoreError, KeyNotFoundError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
