"""The token endpoint: a signed JWT of the service account is exchanged for an access token that lives for an hour."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from local.drive_standin.problems import DriveProblem, TokenProblem

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""What google-auth writes into every assertion, whatever the key file's ``token_uri`` is; Google checks for it."""

LIFETIME_SECONDS = 3600
CLOCK_SKEW_SECONDS = 60
SCOPES_THAT_READ = {
    "https://www.googleapis.com/auth/drive",
    "https://www.googleapis.com/auth/drive.readonly",
}


class Tokens:
    """Issues and checks access tokens. They are kept in memory: after a restart, clients have to ask for new ones.

    Parameters
    ----------
    credentials
        Key file of the one service account that is known. Only its public half is kept.
    """

    def __init__(self, credentials: Path) -> None:
        content = json.loads(credentials.read_text())
        private_key = serialization.load_pem_private_key(content["private_key"].encode(), password=None)
        self._public_pem = private_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._account: str = content["client_email"]
        self._issued: dict[str, tuple[float, frozenset[str]]] = {}

    def exchange(self, grant_type: str, assertion: str) -> dict[str, Any]:
        """Check a service account's assertion and issue an access token.

        Raises
        ------
        TokenProblem
            The assertion is not signed by this account's key, not meant for Google, expired, or without scope.
        """
        if grant_type != GRANT_TYPE:
            raise TokenProblem("unsupported_grant_type", f"Invalid grant_type: {grant_type}")
        claims = self._checked(assertion)
        if claims["exp"] - claims["iat"] > LIFETIME_SECONDS:
            raise TokenProblem("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes).")
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            raise TokenProblem("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self._issued[token] = (time.monotonic() + LIFETIME_SECONDS, scopes)
        return {"access_token": token, "expires_in": LIFETIME_SECONDS, "token_type": "Bearer"}

    def check(self, authorization: str) -> None:
        """Check the ``Authorization`` header of a request.

        Raises
        ------
        DriveProblem
            401 without a token that was issued here and is still good, 403 when it was issued for other scopes.
        """
        scheme, _, token = authorization.partition(" ")
        expires, scopes = self._issued.get(token, (0.0, frozenset[str]()))
        if scheme.lower() != "bearer" or expires <= time.monotonic():
            raise DriveProblem(401, location="Authorization")
        if not scopes & SCOPES_THAT_READ:
            raise DriveProblem(403, "insufficientPermissions", "Request had insufficient authentication scopes.")

    def _checked(self, assertion: str) -> dict[str, Any]:
        try:
            return jwt.decode(
                assertion,
                self._public_pem,
                algorithms=["RS256"],
                audience=AUDIENCE,
                issuer=self._account,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["iss", "aud", "exp", "iat"]},
            )
        except jwt.InvalidSignatureError:
            description = "Invalid JWT Signature."
        except jwt.InvalidAudienceError:
            description = f"Invalid JWT: Failed audience check. The right audience is {AUDIENCE}"
        except jwt.InvalidIssuerError:
            description = "Invalid grant: account not found"
        except jwt.InvalidTokenError as error:
            description = f"Invalid JWT: {error}"
        raise TokenProblem("invalid_grant", description)
