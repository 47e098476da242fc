"""The episodes below a folder of this machine: the embedded default, without a server."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from terret.errors import ConfigError, EpisodeNotFound, JournalError, PackageError, TerretError
from terret.intervention import ORDERS, FolderOrders, Order, OrderKind, place_order
from terret.journal import Clock, Event, Journal, Store, read_journal_jsonl
from terret.operate._archive import Archive
from terret.operate._facts import EpisodeFacts, SignalKind, Signalled, State, facts_of
from terret.operate._places import HEAD, JOURNAL, LIVE, Place, is_episode, is_live, places
from terret.operate._process import GRACE_S, end_process
from terret.operate._tally import Tally


class _Seen(NamedTuple):
    """What was read of an episode, and of which file."""

    mark: tuple[int, int]
    tally: Tally


class FolderFleet:
    """Every episode at or below a folder; a name is the path from there.

    Reading takes no lock and changes nothing. What was read once is kept, and only new events are read again.

    Args:
        root: The folder.
        archived: Whether episodes in archives count.
        clock: Tells the time of orders.

    Raises:
        EpisodeNotFound: There is no such folder.
    """

    def __init__(self, root: Path, *, archived: bool = False, clock: Clock = time.time) -> None:
        if not root.is_dir():
            raise EpisodeNotFound("there is no such folder of episodes", where=str(root), hint="name another")
        self.root = root
        self._archived = archived
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def episodes(self) -> list[EpisodeFacts]:
        """All of them, oldest first."""
        return [facts for facts, _ in self.tallies()]

    def tallies(self) -> list[tuple[EpisodeFacts, Tally]]:
        """Every episode with the sums of its events."""
        found = [pair for place in places(self.root) for pair in self._look(place)]
        known = {facts.name for facts, _ in found}
        self._seen = {name: seen for name, seen in self._seen.items() if name in known}
        return sorted(found, key=lambda pair: (pair[0].began, pair[0].name))

    def find(self, name: str) -> EpisodeFacts:
        """The episode of that name, path or id, or the only one whose name or id begins like that."""
        if is_episode(self.root / name):
            for facts, _ in self._look(Place(self.root / name)):
                return facts
        asked = self._name(Path(name)) if Path(name).exists() else None
        facts = self.episodes()
        for matches in (
            [one for one in facts if one.name in (name, asked) or one.id == name],
            [one for one in facts if one.name.startswith(name) or one.id.startswith(name)],
        ):
            if len(matches) == 1:
                return matches[0]
            if matches:
                hint = "give more of the id: " + ", ".join(one.name for one in matches[:3])
                raise EpisodeNotFound(f"{len(matches)} episodes begin like this", value=name, hint=hint)
        raise EpisodeNotFound("no such episode", value=name, where=str(self.root), hint=f"see terret ps {self.root}")

    def events(self, name: str, after: int = -1) -> list[Event]:
        """The events of one above ``after``."""
        if is_episode(self.root / name):
            return _events(self.root / name, after)
        facts = self.find(name)
        place = Path(facts.place)
        if facts.archived:
            with Archive(place) as archive:
                return archive.events(facts.id)[after + 1 :]
        return _events(place, after)

    def signal(
        self, name: str, signal: SignalKind, *, reason: str = "", force: bool = False, grace_s: float = GRACE_S
    ) -> Signalled:
        """Make an episode pause, stop or end.

        A process that drives others too is only ended with ``force``.
        """
        facts = self.find(name)
        if facts.archived or facts.state in ("finished", "damaged"):
            raise ConfigError(f"the episode is {facts.state}", value=facts.name, hint="there is nothing to signal")
        live = Path(facts.place) / LIVE
        if signal == "kill":
            return self._kill(facts, live, force, grace_s)
        if facts.stop_reason is not None:
            hint = "its work is being judged; it ends by itself"
            raise ConfigError("the turns of the episode are over", value=facts.name, hint=hint)
        if signal == "pause" and facts.state != "running":
            raise ConfigError("no process drives the episode", value=facts.name, hint=f"terret resume {facts.place}")
        return self._order(facts, live, signal, reason)

    def _order(self, facts: EpisodeFacts, live: Path, signal: OrderKind, reason: str) -> Signalled:
        by = f"{getpass.getuser()}@{os.uname().nodename}"
        epoch = _epoch(live, facts.id) if signal == "pause" else 0
        place_order(live / ORDERS, Order(signal, float(self._clock()), by, reason, epoch))
        when = "at the end of its turn" if facts.state == "running" else "when it is resumed"
        return Signalled(name=facts.name, signal=signal, outcome="ordered", detail=when)

    def _kill(self, facts: EpisodeFacts, live: Path, force: bool, grace_s: float) -> Signalled:
        pid = Journal.holder(live)
        if pid is None:
            raise ConfigError("no process drives the episode", value=facts.name, hint="there is nothing to kill")
        others = [one.name for one in self.episodes() if one.owner == str(pid) and one.name != facts.name]
        if others and not force:
            raise ConfigError(
                f"process {pid} drives {len(others)} other episodes too",
                value=others[:3],
                hint="terret pause or terret kill --stop reach this one alone; --force ends them all, resumable",
            )
        how = end_process(pid, live / "lock", grace_s=grace_s)
        return Signalled(name=facts.name, signal="kill", outcome="done", detail=f"process {pid} {how}", others=others)

    def _name(self, folder: Path) -> str:
        try:
            relative = folder.absolute().relative_to(self.root.absolute())
        except ValueError:
            return folder.name
        return relative.as_posix() if relative.parts else folder.absolute().name

    def _look(self, place: Place) -> Iterator[tuple[EpisodeFacts, Tally]]:
        if place.archive:
            yield from self._packed(place.folder) if self._archived else ()
            return
        name, folder = self._name(place.folder), place.folder
        note = ""
        # What is sealed or removed between two looks is not damaged: it is looked at again.
        for _ in range(2):
            try:
                state, owner, tally, note = (
                    self._live(name, folder) if is_live(folder) else self._finished(name, folder)
                )
                facts = facts_of(tally, name=name, place=str(folder), state=state, owner=owner, note=note)
            except TerretError as error:
                note = f"{error.message} [{error.code}]"
            else:
                yield facts, tally
                return
        if is_episode(folder):
            tally = Tally()
            yield facts_of(tally, name=name, place=str(folder), state="damaged", note=note), tally

    def _live(self, name: str, folder: Path) -> tuple[State, str, Tally, str]:
        holder = Journal.holder(folder / LIVE)
        mark = (folder / LIVE).stat()
        seen = self._seen.get(name)
        if seen is None or seen.mark != (mark.st_ino, -1):
            seen = _Seen((mark.st_ino, -1), Tally())
        events = Journal.read(folder / LIVE, seen.tally.seq)
        if events and events[0].prev != seen.tally.hash:
            # A resumption has set a torn tail aside.
            events = Journal.read(folder / LIVE)
            seen = _Seen(seen.mark, Tally())
        for event in events:
            seen.tally.feed(event)
        self._seen[name] = seen
        if holder is not None:
            orders = ", ".join(f"{order.kind} ordered" for order in _orders(folder / LIVE))
            return "running", str(holder or "?"), seen.tally, orders
        return "paused" if seen.tally.paused is not None else "suspended", "", seen.tally, ""

    def _finished(self, name: str, folder: Path) -> tuple[State, str, Tally, str]:
        path = folder / JOURNAL
        try:
            at = path.stat()
            mark = at.st_mtime_ns, at.st_size
            seen = self._seen.get(name)
            if seen is None or seen.mark != mark:
                self._seen[name] = seen = _Seen(mark, Tally(read_journal_jsonl(path.read_bytes())))
        except OSError as error:
            raise PackageError(f"the journal cannot be read: {error.strerror}", where=str(path)) from None
        if not (folder / HEAD).is_file():
            return "damaged", "", seen.tally, f"{HEAD} is missing"
        return "finished", "", seen.tally, ""

    def _packed(self, path: Path) -> Iterator[tuple[EpisodeFacts, Tally]]:
        parent = self._name(path.parent) if path.parent != self.root else ""
        try:
            with Archive(path) as archive:
                for row in archive.episodes():
                    name = f"{parent}/{row.id}" if parent else row.id
                    seen = self._seen.get(name)
                    if seen is None:
                        self._seen[name] = seen = _Seen((0, -2), Tally(archive.events(row.id)))
                    yield facts_of(seen.tally, name=name, place=str(path), state="finished", archived=True), seen.tally
        except TerretError as error:
            note = f"{error.message} [{error.code}]"
            tally = Tally()
            yield (
                facts_of(tally, name=self._name(path), place=str(path), state="damaged", archived=True, note=note),
                tally,
            )


def _events(folder: Path, after: int) -> list[Event]:
    if is_live(folder):
        try:
            return Journal.read(folder / LIVE, after)
        except (EpisodeNotFound, JournalError):
            if not (folder / HEAD).is_file():
                raise
    try:
        return read_journal_jsonl((folder / JOURNAL).read_bytes())[after + 1 :]
    except OSError as error:
        raise PackageError(f"the journal cannot be read: {error.strerror}", where=str(folder / JOURNAL)) from None


def _orders(live: Path) -> Sequence[Order]:
    return FolderOrders(live / ORDERS, keep=True).pending()


def _epoch(live: Path, episode: str) -> int:
    """The present ownership of a live episode; 0, any, where the store does not lie beside it."""
    path = live / "journal.db"
    if not path.is_file():
        return 0
    with Store(path, read_only=True) as store:
        lease = store.lease(episode)
    return lease.epoch if lease is not None else 0
