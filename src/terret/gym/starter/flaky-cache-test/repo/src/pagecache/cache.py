"""A bounded cache with a time to live."""

import time

from pagecache.eviction import LeastRecentlyUsed


class PageCache:
    """Keeps at most ``capacity`` pages, each for ``ttl`` seconds after it was put."""

    def __init__(self, capacity, ttl, clock=time.monotonic):
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1: {capacity}")
        self._capacity = capacity
        self._ttl = ttl
        self._clock = clock
        self._entries = {}
        self._eviction = LeastRecentlyUsed(clock)

    def put(self, key, page):
        self._drop_expired()
        if key not in self._entries and len(self._entries) >= self._capacity:
            self._drop(self._eviction.next())
        self._entries[key] = (page, self._clock() + self._ttl)
        self._eviction.used(key)

    def get(self, key):
        """The page, or None when there is none or it has expired."""
        page, expires = self._entries.get(key, (None, None))
        if expires is None:
            return None
        if self._clock() >= expires:
            self._drop(key)
            return None
        self._eviction.used(key)
        return page

    def keys(self):
        """The keys of the live entries, the least recently used first."""
        self._drop_expired()
        return self._eviction.order()

    def __len__(self):
        self._drop_expired()
        return len(self._entries)

    def _drop(self, key):
        del self._entries[key]
        self._eviction.forget(key)

    def _drop_expired(self):
        now = self._clock()
        for key in [key for key, (_, expires) in self._entries.items() if now >= expires]:
            self._drop(key)
