"""API keys: one port, SQLite and PostgreSQL behind it.

Both adapters are plain SQL over the database's own driver: an ORM would cost the gateway half a second of start-up.
"""

from brain.security.keys.port import SCOPES, ApiKey, KeyNotFoundError, KeyStore, KeyStoreError
from brain.security.keys.store import open_key_store

__all__ = ["SCOPES", "ApiKey", "KeyNotFoundError", "KeyStore", "KeyStoreError", "open_key_store"]
