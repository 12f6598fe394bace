"""msal: a confidential client. It takes an https authority only: the certificate comes in
REQUESTS_CA_BUNDLE. API calls are made with requests."""

import os

import msal
import peer
import requests

SCOPES = ["https://bench/.default"]


class Peer:
    def __init__(self):
        self.app = msal.ConfidentialClientApplication(
            "bench", client_credential="bench", authority=os.environ["BENCH_AUTHORITY"])
        self.session = requests.Session()

    def token(self):
        answer = (self.app.acquire_token_silent(SCOPES, account=None)
                  or self.app.acquire_token_for_client(SCOPES))
        return answer["access_token"]

    def get(self):
        return self.session.get(
            peer.API_URL, headers={"Authorization": "Bearer " + self.token()}).json()


peer.run(Peer())
