"""A mailbox's tokens at rest: encrypted, with a version that two workers cannot both replace."""

import json
from datetime import datetime

from sqlalchemy import Connection, select, update

from crm.model import Tokens
from crm.store import sql
from crm.tables import Mailbox as Table
from infra import marks
from infra.secrets import Secrets


class NotConnected(Exception):
    """The mailbox has no tokens."""


def tokens(
    conn: Connection, account_id: int, mailbox_id: int, secrets: Secrets
) -> tuple[Tokens, int]:
    """The mailbox's tokens and their version, for `save_tokens`. Raises NotConnected, or
    infra.secrets.WrongKey."""
    query = select(Table.tokens, Table.tokens_version).where(
        Table.account_id == account_id, Table.id == mailbox_id
    )
    row = conn.execute(query).first()
    if row is None or row.tokens is None:
        raise NotConnected
    return _unseal(row.tokens, secrets), row.tokens_version


def save_tokens(
    conn: Connection,
    account_id: int,
    mailbox_id: int,
    fresh: Tokens,
    version: int,
    secrets: Secrets,
) -> bool:
    """Store refreshed tokens over those of `version`. False: somebody stored newer ones meanwhile
    (read those), or the mailbox was disconnected."""
    stored = conn.execute(
        update(Table)
        .where(
            Table.account_id == account_id,
            Table.id == mailbox_id,
            Table.tokens_version == version,
            Table.tokens.is_not(None),
        )
        .values(**columns(fresh, secrets), tokens_version=version + 1)
    )
    return stored.rowcount == 1


def columns(plain: Tokens, secrets: Secrets) -> sql.Row:
    """What is stored of tokens: themselves, sealed, and the marks that Google names them by."""
    by_hash, by_prefix = marks.of_token(plain.refresh_token)
    return {"tokens": seal(plain, secrets), "token_hash": by_hash, "token_prefix": by_prefix}


def seal(plain: Tokens, secrets: Secrets) -> bytes:
    value = {
        "access_token": plain.access_token,
        "refresh_token": plain.refresh_token,
        "expires_at": plain.expires_at.isoformat(),
        "scopes": sorted(plain.scopes),
    }
    if plain.consent_ends_at is not None:
        value["consent_ends_at"] = plain.consent_ends_at.isoformat()
    return secrets.encrypt(json.dumps(value).encode())


def _unseal(sealed: bytes, secrets: Secrets) -> Tokens:
    value = json.loads(secrets.decrypt(sealed))
    ends = value.get("consent_ends_at")
    return Tokens(
        access_token=value["access_token"],
        refresh_token=value["refresh_token"],
        expires_at=datetime.fromisoformat(value["expires_at"]),
        scopes=frozenset(value["scopes"]),
        consent_ends_at=datetime.fromisoformat(ends) if ends else None,
    )
