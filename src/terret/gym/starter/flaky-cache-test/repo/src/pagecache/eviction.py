"""Which entry makes room for a new one."""


class LeastRecentlyUsed:
    """Remembers when each key was last used."""

    def __init__(self, clock):
        self._clock = clock
        self._keys = set()
        self._last_use = {}

    def used(self, key):
        self._keys.add(key)
        self._last_use[key] = self._clock()

    def forget(self, key):
        self._keys.discard(key)
        self._last_use.pop(key, None)

    def order(self):
        """The keys, the least recently used first."""
        return sorted(self._keys, key=self._last_use.__getitem__)

    def next(self):
        """The key to evict."""
        return min(self._keys, key=self._last_use.__getitem__)
