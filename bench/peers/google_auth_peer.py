"""google-auth: credentials with a refresh token, the kind that works with any token service."""

import peer
import requests
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2.credentials import Credentials


class Peer:
    def __init__(self):
        self.credentials = Credentials(
            None, refresh_token="bench", token_uri=peer.TOKEN_URL, client_id="bench",
            client_secret="bench")
        plain = requests.Session()
        self.request = Request(plain)
        self.session = AuthorizedSession(self.credentials)

    def token(self):
        headers = {}
        self.credentials.before_request(self.request, "GET", peer.API_URL, headers)
        return headers

    def get(self):
        return self.session.get(peer.API_URL).json()


peer.run(Peer())
