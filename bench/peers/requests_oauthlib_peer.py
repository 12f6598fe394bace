"""requests-oauthlib. It has no cached token() of its own: session.request checks the time and adds the
header, or raises TokenExpiredError, after which the caller fetches a token; add_token is that check."""

import os

import peer
from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749.errors import TokenExpiredError
from requests_oauthlib import OAuth2Session

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # http, to the loopback interface


class Peer:
    def __init__(self):
        self.session = OAuth2Session(client=BackendApplicationClient(client_id="bench"))
        self.fetched = False

    def fetch(self):
        self.session.fetch_token(peer.TOKEN_URL, client_id="bench", client_secret="bench")
        self.fetched = True

    def token(self):
        if not self.fetched:
            self.fetch()
        try:
            return self.session._client.add_token(peer.API_URL)
        except TokenExpiredError:
            self.fetch()
            return self.session._client.add_token(peer.API_URL)

    def get(self):
        if not self.fetched:
            self.fetch()
        return self.session.get(peer.API_URL).json()


peer.run(Peer())
