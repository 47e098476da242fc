from pagecache import PageCache, cached


def test_renders_once(clock):
    calls = []

    @cached(PageCache(capacity=2, ttl=60.0, clock=clock))
    def render(key):
        calls.append(key)
        return f"page {key}"

    assert render("/a") == render("/a") == "page /a"
    assert calls == ["/a"]


def test_none_is_not_kept(clock):
    cache = PageCache(capacity=2, ttl=60.0, clock=clock)
    assert cached(cache)(lambda key: None)("/a") is None
    assert len(cache) == 0
