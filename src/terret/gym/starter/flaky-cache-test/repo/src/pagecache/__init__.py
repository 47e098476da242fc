"""In-process cache of rendered pages."""

from pagecache.cache import PageCache
from pagecache.render import cached

__all__ = ["PageCache", "cached"]
