"""Which authorities a line to a payment platform believes."""

import ssl


def trusted(base_url: str) -> ssl.SSLContext | bool:
    """What httpx shall verify this server by.

    Towards an address without TLS, as a stand-in's, that is nobody's word: reading all authorities that the world
    trusts takes longer than all else that a client does when it is made.
    """
    return base_url.lower().startswith("https://") or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
