"""What an agent needs in order to work with tessera. Copy this file; it needs Python 3.11 alone.

    tessera = Tessera("https://sts.example.com", identity_from_environment())
    answer = tessera.call("GET", "https://api.example.com/orders/42", user_token,
                          resource="https://orders.internal", scopes=["orders.read"])

The agent holds two tokens: its own, which says who it is, and the user's, which says for whom it
works. It sends neither of them to an API. tessera makes of both a third, which is good for one
resource, for some minutes, and says who acts for whom (RFC 8693).
"""

import base64
import hashlib
import http.client
import itertools
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterable, Mapping, NamedTuple

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

TIMEOUT = 10  # seconds for one request
LARGEST_ANSWER = 1024 * 1024  # bytes
MARGIN = 30  # seconds before its end from which on a token is no longer used
ATTEMPTS = 3  # when a server is busy
PATIENCE = 20  # seconds that may be waited for a busy server, in all
GRUDGE = 60  # seconds for which a refused user token is not presented again


# --- What can go wrong, and what to do about it -------------------------------------------------


class Refused(Exception):
    """Why the agent cannot go on. The text never holds a token."""


class SignInAgain(Refused):
    """The user's token is no longer accepted. Only the user can help, by signing in."""


class NotAllowed(Refused):
    """The user, or the agent, may not do this. A new sign-in would not help; an operator may."""


class TryLater(Refused):
    """Something is busy or down."""


class Unexpected(Refused):
    """Somebody answered what they should not have: a mistake in a configuration, or an attack."""


class NotConfigured(Refused):
    """The environment does not say what the agent has to know."""


# --- HTTP ---------------------------------------------------------------------------------------


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    challenges: str  # every WWW-Authenticate
    body: bytes

    def json(self) -> dict:
        return json_object(self.body)

    def challenge(self) -> dict[str, str]:
        """The parameters of the Bearer challenge (RFC 6750 §3): error, scope, resource_metadata."""
        found: dict[str, str] = {}
        scheme = ""
        for match in CHALLENGE.finditer(self.challenges):
            scheme = (match["scheme"] or scheme).lower()
            if scheme == "bearer":
                value = match["value"]
                if value.startswith('"'):
                    value = re.sub(r"\\(.)", r"\1", value[1:-1])
                found.setdefault(match["name"].lower(), value)
        return found


# `Scheme name=value`, or a further `name=value` of the same scheme; the values may be quoted.
CHALLENGE = re.compile(
    r"""(?:^|,)\s*(?:(?P<scheme>[\w-]+)\s+)?(?P<name>[\w-]+)\s*=\s*(?P<value>"(?:[^"\\]|\\.)*"|[^\s,]+)"""
)


def json_object(text: bytes | str) -> dict:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unexpected("an answer is no JSON object")
    return value


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is for the place that it was sent to: urllib would take it along to any other."""

    def redirect_request(self, *_args):
        return None


NETWORK_ERRORS = (OSError, http.client.HTTPException)
OPENER = urllib.request.build_opener(NoRedirects)


def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """One request, one answer, whatever its status."""
    if not is_safe(url):
        raise Unexpected(f"{url} is neither https nor on this machine: no token goes there")
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)
    try:
        response = OPENER.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        response = error
    except NETWORK_ERRORS as error:
        raise TryLater(f"{origin(url)} cannot be reached ({kind(error)})") from None
    except ValueError:
        # The text of this error would show the header that is no header.
        raise Unexpected(f"a request to {origin(url)} cannot be written") from None
    with response:
        try:
            content = response.read(LARGEST_ANSWER + 1)
        except NETWORK_ERRORS as error:
            raise TryLater(f"{origin(url)} broke off ({kind(error)})") from None
        if len(content) > LARGEST_ANSWER:
            raise Unexpected(f"{origin(url)} answered with more than {LARGEST_ANSWER} bytes")
        challenges = ", ".join(response.headers.get_all("WWW-Authenticate") or [])
        return Answer(response.status, response.headers, challenges, content)


def kind(error: Exception) -> str:
    """What went wrong in the network, in one word."""
    return type(getattr(error, "reason", error)).__name__


def is_safe(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    on_this_machine = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return parts.scheme == "https" or (parts.scheme == "http" and on_this_machine)


def origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def patiently(attempt: Callable[[], Answer]) -> Answer:
    """Asks again when a busy server says when to (RFC 9110 §10.2.3), but not for ever."""
    waited = 0
    for number in itertools.count(1):
        answer = attempt()
        if answer.status not in (429, 503):
            return answer
        # Without a time the request may have been carried out; its other form, a date, is rare.
        said = answer.headers.get("Retry-After", "")
        pause = int(said) if re.fullmatch("[0-9]{1,9}", said) else None
        if pause is None or number == ATTEMPTS or waited + pause > PATIENCE:
            when = "later" if pause is None else f"in {pause} s"
            raise TryLater(f"a server is busy (status {answer.status}): try again {when}")
        log(f"a server is busy (status {answer.status}): waiting for {pause} s")
        time.sleep(pause)
        waited += pause


def basic(client: str, secret: str) -> str:
    """The `Authorization` of a client with a secret (RFC 6749 §2.3.1)."""
    halves = ":".join(urllib.parse.quote(half, safe="") for half in (client, secret))
    return "Basic " + base64.b64encode(halves.encode()).decode()


def log(text: str) -> None:
    print(f"  - {text}", file=sys.stderr, flush=True)


# --- Who the agent is ---------------------------------------------------------------------------


class EntraApp:
    """An application in Entra: it shows the token that Entra gives it, addressed to tessera.

    In production the secret is better a certificate or a federated credential; the rest stays.
    """

    def __init__(self, token_url: str, client_id: str, client_secret: str, scope: str):
        self.token_url = token_url
        self.fields = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": scope,
        }
        self.forget()

    def forget(self) -> None:
        self.token, self.good_until = "", 0.0

    def proof(self) -> tuple[dict[str, str], dict[str, str]]:
        """What proves who asks at the token endpoint: headers, and form fields."""
        if time.monotonic() >= self.good_until:
            body = urllib.parse.urlencode(self.fields).encode()
            answer = patiently(lambda: send("POST", self.token_url, FORM, body))
            if answer.status != 200:
                error = answer.json().get("error")
                raise NotAllowed(f"Entra gives this agent no token of its own: {error}")
            self.token, lifetime = token_of(answer)
            self.good_until = time.monotonic() + lifetime - MARGIN
            log(f"got a token of the agent's own, good for {lifetime} s")
        return {"Authorization": f"Bearer {self.token}"}, {}


class ServiceAccount:
    """A workload in Kubernetes: the kubelet keeps a token, addressed to tessera, in a file."""

    def __init__(self, path: str):
        self.path = path

    def forget(self) -> None:
        """Nothing is kept: the kubelet replaces the file, so it is read for each exchange."""

    def proof(self) -> tuple[dict[str, str], dict[str, str]]:
        try:
            token = Path(self.path).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise Unexpected(f"{self.path} cannot be read ({type(error).__name__})") from None
        return {}, {"client_assertion_type": JWT_BEARER, "client_assertion": token}


def identity_from_environment() -> EntraApp | ServiceAccount:
    """Kubernetes where there is a token file, else Entra."""
    path = os.environ.get("AGENT_TOKEN_FILE")
    if path:
        return ServiceAccount(path)
    return EntraApp(
        setting("AGENT_TOKEN_URL"),
        setting("AGENT_CLIENT_ID"),
        setting("AGENT_CLIENT_SECRET"),
        setting("AGENT_SCOPE", "api://tessera/.default"),
    )


def setting(name: str, default: str = "") -> str:
    value = os.environ.get(name) or default
    if not value:
        raise NotConfigured(f"the environment lacks {name}")
    return value


# --- The exchange, and calls with what it gives -------------------------------------------------


@dataclass(frozen=True)
class Token:
    """A token for one resource. It does not show itself when it is printed."""

    text: str = field(repr=False)
    resource: str
    scopes: tuple[str, ...]
    good_until: float


class Tessera:
    """One tessera, for one agent and any number of users."""

    def __init__(self, issuer: str, identity: EntraApp | ServiceAccount):
        self.issuer = issuer
        self.identity = identity
        self._token_endpoint: str | None = None
        self._kept: dict[tuple, Token] = {}
        self._refused: dict[tuple, float] = {}

    def call(
        self,
        method: str,
        url: str,
        user_token: str,
        *,
        resource: str,
        scopes: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Calls an API for a user. What a new token can mend is mended, once; then it is given up."""
        wanted, or_less, renewed = tuple(scopes), True, False
        token = self.exchange(user_token, resource, wanted, or_less)
        while True:
            sent = {**(headers or {}), "Authorization": f"Bearer {token.text}"}
            answer = patiently(lambda: send(method, url, sent, body))
            challenge = answer.challenge()
            if answer.status == 401:
                if renewed:
                    raise NotAllowed(f"{origin(url)} does not accept a new token either")
                # It was revoked, or ended early. If the user's was revoked too, this will say so.
                log("the token is no longer accepted: exchanging once more")
                renewed = True
                self.forget(token)
            elif answer.status == 403:
                needed = challenge.get("scope", "").split()
                is_scope = challenge.get("error") == "insufficient_scope"
                # `or_less` is no longer so after the one step up.
                if not (is_scope and or_less and set(needed) - set(token.scopes)):
                    raise NotAllowed(f"{origin(url)} does not let this user and this agent do that")
                log(f"the API wants {words(needed)}: exchanging for that")
                wanted, or_less = tuple({*token.scopes, *needed}), False
            else:
                return answer
            token = self.exchange(user_token, resource, wanted, or_less)

    def exchange(
        self, user_token: str, resource: str, scopes: Iterable[str] = (), or_less: bool = False
    ) -> Token:
        """A token for `resource`, acting for the user: a kept one while it is good, else a new one.

        Without scopes: every scope that can be had. With `or_less`: those of `scopes` that can be
        had, if not all can; what was granted is in the token's `scopes`.
        """
        scopes = tuple(sorted(set(scopes)))
        # The user's token itself is no key: what is kept might be looked at.
        user = hashlib.sha256(user_token.encode()).hexdigest()
        key = (user, resource, scopes)
        now = time.monotonic()
        kept = self._kept.get(key)
        if kept and now < kept.good_until:
            return kept
        if now < self._refused.get((user, resource), 0):
            raise SignInAgain(SIGN_IN)
        answer = self._ask(user_token, resource, scopes)
        if answer.status == 200:
            return self._keep(key, answer)
        error = answer.json().get("error")
        if error == "invalid_scope" and scopes and or_less:
            log(f"{words(scopes)} cannot be had: asking for what can")
            everything = self.exchange(user_token, resource)
            some = set(scopes) & set(everything.scopes)
            if some == set(everything.scopes):
                self._kept[key] = everything
                return everything
            # What opens more than is needed is not kept.
            self.forget(everything)
            if some:
                self._kept[key] = self.exchange(user_token, resource, some)
                return self._kept[key]
        if error == "invalid_request":
            self._refused[user, resource] = now + GRUDGE
        raise refusal(error, resource, scopes)

    def forget(self, token: Token) -> None:
        self._kept = {key: kept for key, kept in self._kept.items() if kept is not token}

    def _ask(self, user_token: str, resource: str, scopes: tuple[str, ...]) -> Answer:
        """Asks at the token endpoint; once more when the agent's own token is what is refused."""
        asked = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": user_token,
            "subject_token_type": ACCESS_TOKEN,
            "resource": resource,
        }
        if scopes:
            asked["scope"] = " ".join(scopes)
        for _ in range(2):
            headers, fields = self.identity.proof()
            body = urllib.parse.urlencode({**asked, **fields}).encode()
            endpoint = self.token_endpoint()
            answer = patiently(lambda: send("POST", endpoint, {**FORM, **headers}, body))
            if answer.status != 401:
                return answer
            self.identity.forget()
        raise NotAllowed(f"{self.issuer} does not know this agent: it needs an entry in `clients`")

    def _keep(self, key: tuple, answer: Answer) -> Token:
        text, lifetime = token_of(answer)
        now = time.monotonic()
        granted = tuple(sorted(answer.json().get("scope", "").split()))
        token = Token(text, key[1], granted, now + lifetime - MARGIN)
        self._kept = {k: kept for k, kept in self._kept.items() if now < kept.good_until}
        self._refused = {k: until for k, until in self._refused.items() if now < until}
        self._kept[key] = token
        log(f"got a token for {token.resource} with {words(granted)}, good for {lifetime} s")
        return token

    def token_endpoint(self) -> str:
        """Where to exchange: looked up once (RFC 8414)."""
        if not self._token_endpoint:
            parts = urllib.parse.urlsplit(self.issuer)
            place = f"{origin(self.issuer)}/.well-known/oauth-authorization-server{parts.path}"
            answer = patiently(lambda: send("GET", place, {"Accept": "application/json"}))
            metadata = answer.json() if answer.status == 200 else {}
            endpoint = metadata.get("token_endpoint")
            if metadata.get("issuer") != self.issuer or not isinstance(endpoint, str):
                raise Unexpected(f"{place} does not describe {self.issuer} (RFC 8414 §3.3)")
            self._token_endpoint = endpoint
        return self._token_endpoint


FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
SIGN_IN = (
    "the user's token is not accepted: it has expired, was revoked, or does not open this. The user"
    " must sign in again; if that does not help, an operator can see the reason (tessera explain)"
)


def token_of(answer: Answer) -> tuple[str, int]:
    """The token, and for how many seconds it is good."""
    members = answer.json()
    text, lifetime = members.get("access_token"), members.get("expires_in")
    is_bearer = str(members.get("token_type")).lower() == "bearer"
    if not (is_bearer and isinstance(text, str) and isinstance(lifetime, int)):
        raise Unexpected("a token answer without a bearer token that expires")
    return text, lifetime


def refusal(error: str | None, resource: str, scopes: tuple[str, ...]) -> Refused:
    """What a refused exchange means for an agent (RFC 6749 §5.2, RFC 8693 §2.2.2)."""
    match error:
        case "invalid_request":
            return SignInAgain(SIGN_IN)
        case "invalid_scope":
            wanted = words(scopes) if scopes else "any scope"
            return NotAllowed(
                f"{wanted} cannot be had at {resource}: ask for the permission in Entra for the"
                " user, and for a rule in tessera that lets this agent use it"
            )
        case "invalid_target":
            return NotAllowed(
                f"this agent gets no tokens for {resource}: check the name, and ask for a rule"
                " under its `exchange` in tessera, and to be one of the resource's `callers`"
            )
        case "unauthorized_client":
            return NotAllowed("this agent may not exchange tokens: ask for `exchange` rules")
        case _:
            return Unexpected("the token endpoint answered with an error that is not known")


def words(scopes: Iterable[str]) -> str:
    return " ".join(scopes) or "no scope"
