"""caller: which page a connection is from, and which address."""


def address_of(peer):
    """Without the port."""
    return peer.rpartition(":")[0] or peer


def authority_of(origin):
    """Host and port, without one that its scheme has anyway."""
    scheme, _, authority = origin.lower().partition("://")
    usual = {"http": ":80", "https": ":443"}.get(scheme)
    return authority[:-len(usual)] if usual and authority.endswith(usual) \
        else authority


def is_own_page(origin, host, others):
    """A browser says which page wants to connect. Other clients say nothing
    (None), and no cookie lets them in. A proxy may speak TLS in front of supd,
    so the scheme does not count."""
    if origin is None or origin in others:
        return True
    hosts = [host] + [authority_of(scheme + "://" + host)
                      for scheme in ("http", "https")]
    return "://" in origin and authority_of(origin) in hosts
