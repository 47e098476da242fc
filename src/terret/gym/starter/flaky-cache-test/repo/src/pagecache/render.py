"""Puts a cache in front of a function that renders pages."""

import functools


def cached(cache):
    """Decorates a function from a key to a page; pages that are None are not kept."""

    def decorate(render):
        @functools.wraps(render)
        def through_cache(key):
            page = cache.get(key)
            if page is None:
                page = render(key)
                if page is not None:
                    cache.put(key, page)
            return page

        return through_cache

    return decorate
