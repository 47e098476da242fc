"""What a fleet asks the shared journals beside appending to one."""

from __future__ import annotations

from typing import Any

from terret.fleet._database import Database

_OF = "(SELECT number FROM terret.episode WHERE name = %s)"


def has_begun(database: Database, episode: str) -> bool:
    """Whether an episode has a first event; one that was only added, by a worker that died then, is removed."""

    def look(connection: Any) -> bool:
        if connection.execute(f"SELECT 1 FROM terret.event WHERE episode = {_OF} AND seq = 0", (episode,)).fetchone():
            return True
        connection.execute("DELETE FROM terret.episode WHERE name = %s", (episode,))
        return False

    return bool(database.transact(look))


def fence(database: Database, episode: str, owner: str) -> None:
    """End the ownership of whoever runs an episode: from here on it can append nothing, frozen or not."""
    database.rows(f"UPDATE terret.lease SET epoch = epoch + 1, owner = %s WHERE episode = {_OF}", (owner, episode))


def drop(database: Database, episodes: list[str]) -> int:
    """Remove journals; how many there were."""
    return len(database.rows("DELETE FROM terret.episode WHERE name = ANY(%s) RETURNING 1", (episodes,)))
