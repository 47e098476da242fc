"""What the PostgreSQL store says to its server."""

from __future__ import annotations

SCHEMA_VERSION = 1

SCHEMA_LOCK = "SELECT pg_advisory_xact_lock(1952805490)"

SCHEMA = f"""
CREATE SCHEMA IF NOT EXISTS terret;
CREATE TABLE IF NOT EXISTS terret.format (version integer PRIMARY KEY);
INSERT INTO terret.format VALUES ({SCHEMA_VERSION}) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS terret.episode (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    public_key text NOT NULL,
    added timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS terret.lease (
    episode integer PRIMARY KEY REFERENCES terret.episode ON DELETE CASCADE,
    epoch bigint NOT NULL,
    owner text NOT NULL
);
CREATE TABLE IF NOT EXISTS terret.event (
    episode integer NOT NULL REFERENCES terret.episode ON DELETE CASCADE,
    seq integer NOT NULL,
    line bytea NOT NULL,
    PRIMARY KEY (episode, seq)
);
CREATE TABLE IF NOT EXISTS terret.anchor (
    episode integer NOT NULL REFERENCES terret.episode ON DELETE CASCADE,
    seq integer NOT NULL,
    hash text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (episode, seq)
);
CREATE TABLE IF NOT EXISTS terret.set_aside (
    moved_at double precision NOT NULL,
    reason text NOT NULL,
    episode integer NOT NULL,
    seq integer NOT NULL,
    line bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS terret.blob (digest text PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE IF NOT EXISTS terret.state (
    episode integer NOT NULL REFERENCES terret.episode ON DELETE CASCADE,
    tree text NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    pack bytea NOT NULL,
    PRIMARY KEY (episode, tree)
);
"""

CLAIM = """
INSERT INTO terret.lease (episode, epoch, owner) VALUES (%s, 1, %s)
ON CONFLICT (episode) DO UPDATE SET epoch = lease.epoch + 1, owner = excluded.owner
RETURNING epoch
"""

# The lock on the lease's row makes check and write one: a claim waits for it, or is seen by it.
LEASED = """
WITH own AS MATERIALIZED (
    SELECT episode FROM terret.lease WHERE episode = %(number)b AND epoch = %(epoch)b FOR SHARE
)
"""
ANY = "WITH own AS MATERIALIZED (SELECT number AS episode FROM terret.episode WHERE number = %(number)b)"

_ANSWER = """
SELECT (SELECT count(*) FROM own),
    (pg_current_wal_insert_lsn() - '0/0')::bigint, (pg_current_wal_flush_lsn() - '0/0')::bigint
"""
_ADDED = """, added AS (
    INSERT INTO terret.event (episode, seq, line)
    SELECT own.episode, new.seq, new.line
    FROM own, unnest(%(seqs)b::integer[], %(lines)b::bytea[]) AS new (seq, line)
)"""

APPEND = _ADDED + _ANSWER
"""Lines alone, after :data:`LEASED` or :data:`ANY`; one statement is one transaction that no client can hold open."""

APPEND_ALL = (
    _ADDED
    + """, anchored AS (
    INSERT INTO terret.anchor (episode, seq, hash, signature)
    SELECT own.episode, new.seq, new.hash, new.signature
    FROM own, unnest(%(anchored)b::integer[], %(hashes)b::text[], %(signatures)b::text[]) AS new (seq, hash, signature)
    ON CONFLICT DO NOTHING
), kept AS (
    INSERT INTO terret.blob (digest, content)
    SELECT new.digest, new.content
    FROM own, unnest(%(digests)b::text[], %(contents)b::bytea[]) AS new (digest, content)
    ON CONFLICT DO NOTHING
), states AS (
    INSERT INTO terret.state (episode, tree, pack)
    SELECT own.episode, new.tree, new.pack
    FROM own, unnest(%(trees)b::text[], %(packs)b::bytea[]) AS new (tree, pack)
    ON CONFLICT DO NOTHING
)"""
    + _ANSWER
)

SET_ASIDE = """
WITH cut AS (DELETE FROM terret.event WHERE episode = %s AND seq >= %s RETURNING episode, seq, line)
INSERT INTO terret.set_aside (moved_at, reason, episode, seq, line) SELECT %s, %s, episode, seq, line FROM cut
"""
