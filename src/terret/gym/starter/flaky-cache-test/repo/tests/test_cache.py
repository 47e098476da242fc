import pytest

from pagecache import PageCache


@pytest.fixture
def cache(clock):
    return PageCache(capacity=3, ttl=60.0, clock=clock)


def test_put_and_get(cache):
    cache.put("/a", "page a")
    assert cache.get("/a") == "page a"
    assert cache.get("/b") is None


def test_pages_expire(cache, clock):
    cache.put("/a", "page a")
    clock.advance(59.9)
    assert cache.get("/a") == "page a"
    clock.advance(0.1)
    assert cache.get("/a") is None
    assert len(cache) == 0


def test_expired_pages_go_first(cache, clock):
    cache.put("/old", "old")
    clock.advance(50)
    cache.put("/a", "a")
    cache.put("/b", "b")
    cache.get("/old")
    clock.advance(10)
    cache.put("/c", "c")
    assert cache.get("/a") == "a"
    assert cache.get("/b") == "b"


def test_least_recently_used_makes_room(cache, clock):
    for key in ("/news", "/jobs", "/team"):
        cache.put(key, key)
    clock.advance(1)
    cache.get("/news")
    cache.put("/contact", "contact")
    assert cache.get("/jobs") is None
    assert cache.get("/news") == "/news"


def test_keys_are_in_order_of_use(cache, clock):
    cache.put("/news", "news")
    clock.advance(1)
    cache.put("/about", "about")
    clock.advance(1)
    cache.get("/news")
    assert cache.keys() == ["/about", "/news"]


def test_capacity_is_checked(clock):
    with pytest.raises(ValueError):
        PageCache(capacity=0, ttl=1.0, clock=clock)
