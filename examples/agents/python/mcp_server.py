"""An MCP server that tessera protects: two tools, and each needs a scope of its own.

    TESSERA_ISSUER=http://127.0.0.1:8080 MCP_CLIENT_SECRET=… python3 mcp_server.py

Streamable HTTP without sessions. Somebody without a token is told where to read how to get one
(RFC 9728); a token is shown to tessera, which says whether it is good *now*, for whom it speaks and
who acts (RFC 7662). It is never passed on: to call something else for the user, this server would
exchange it, as the agents do.
"""

import json
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tessera import Refused, basic, send, setting

ISSUER = setting("TESSERA_ISSUER")
PORT = int(setting("MCP_PORT", "8001"))
# The URL that agents use. It is the name of this server under `resources` in tessera.yaml too, so
# that the tokens made for it are good for nothing else.
RESOURCE = setting("MCP_RESOURCE", f"http://127.0.0.1:{PORT}/mcp")
API = setting("MCP_API", "orders-mcp")  # its name under `apis` there
CLIENT = setting("MCP_CLIENT", "orders-mcp")  # its name under `clients` there
SECRET = setting("MCP_CLIENT_SECRET")

METADATA = f"{ISSUER}/.well-known/oauth-protected-resource/{API}"
OWN_CREDENTIALS = basic(CLIENT, SECRET)
VERSIONS = ["2025-11-25", "2025-06-18"]  # of the protocol; the first is the newest
LARGEST_MESSAGE = 64 * 1024  # bytes
ORDERS = {"42": "3 tesserae of bone", "43": "1 mosaic"}


# --- The tools ----------------------------------------------------------------------------------


def get_order(order: str, who: dict) -> str:
    return f"order {order}: {ORDERS[order]} (read by {actor(who)} for {who['principal']})"


def cancel_order(order: str, who: dict) -> str:
    return f"order {order} is cancelled (by {actor(who)} for {who['principal']})"


def actor(who: dict) -> str:
    """Who acts: the last agent of the chain, or the person."""
    return who.get("act_sub") or who["principal"]


TOOLS = {
    "get_order": (get_order, "orders.read", "Shows an order."),
    "cancel_order": (cancel_order, "orders.write", "Cancels an order."),
}
ARGUMENTS = {
    "type": "object",
    "properties": {"id": {"type": "string", "description": "The number of the order."}},
    "required": ["id"],
    "additionalProperties": False,
}


# --- Who may come in ----------------------------------------------------------------------------


class Rejected(Exception):
    """The request is not answered by a tool, but with this status and these headers."""

    def __init__(self, status: int, headers: dict[str, str] | None = None):
        super().__init__(status)
        self.status = status
        self.headers = headers or {}


def challenge(status: int, **parameters: str) -> Rejected:
    """RFC 6750 §3, with the pointer of RFC 9728 §5.1."""
    parameters["resource_metadata"] = METADATA
    said = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    return Rejected(status, {"WWW-Authenticate": f"Bearer {said}"})


def identified(authorization: str | None) -> dict:
    """What tessera says about the token. Asked each time: a revoked token ends at once."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        # What one tool needs is the least that an agent can ask for.
        raise challenge(401, scope="orders.read")
    asked = urllib.parse.urlencode({"token": token.strip()}).encode()
    headers = {
        "Authorization": OWN_CREDENTIALS,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    try:
        answer = send("POST", f"{ISSUER}/introspect", headers, asked)
        if answer.status != 200:
            raise Rejected(503, {"Retry-After": answer.headers.get("Retry-After", "5")})
        who = answer.json()
    except Refused:
        # What cannot be known is no yes and no no.
        raise Rejected(503, {"Retry-After": "5"}) from None
    if who.get("active") is not True or RESOURCE not in listed(who.get("aud")):
        raise challenge(401, error="invalid_token")
    return who


def listed(value: str | list | None) -> list:
    return value if isinstance(value, list) else [value]


def permit(who: dict, scope: str) -> None:
    if scope not in who.get("scope", "").split():
        raise challenge(403, error="insufficient_scope", scope=scope)


# --- JSON-RPC -----------------------------------------------------------------------------------


class RpcError(Exception):
    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


def answered(message: dict, who: dict) -> dict | None:
    """The answer to one message; none to a notification."""
    if "id" not in message:
        return None
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    try:
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise RpcError(-32602, "the parameters are no object")
        return answer | {"result": result(message.get("method"), params, who)}
    except RpcError as error:
        return answer | {"error": {"code": error.code, "message": str(error)}}


def result(method: object, params: dict, who: dict) -> dict:
    match method:
        case "initialize":
            asked = params.get("protocolVersion")
            return {
                "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "orders", "version": "1.0.0"},
            }
        case "ping":
            return {}
        case "tools/list":
            return {
                "tools": [
                    {"name": name, "description": text, "inputSchema": ARGUMENTS}
                    for name, (_, _, text) in TOOLS.items()
                ]
            }
        case "tools/call":
            return called(params, who)
        case _:
            raise RpcError(-32601, "there is no such method")


def called(params: dict, who: dict) -> dict:
    name, arguments = params.get("name"), params.get("arguments", {})
    if not isinstance(name, str) or name not in TOOLS:
        raise RpcError(-32602, "there is no such tool")
    tool, scope, _ = TOOLS[name]
    permit(who, scope)
    order = arguments.get("id") if isinstance(arguments, dict) else None
    if not isinstance(order, str) or order not in ORDERS:
        return {"content": [{"type": "text", "text": "there is no such order"}], "isError": True}
    print(f"{name}: {actor(who)} for {who['principal']}", file=sys.stderr, flush=True)
    return {"content": [{"type": "text", "text": tool(order, who)}]}


# --- HTTP ---------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a silent connection is kept

    def do_POST(self):
        try:
            body = self.received()
            who = identified(self.headers.get("Authorization"))
            version = self.headers.get("MCP-Protocol-Version")
            if version is not None and version not in VERSIONS:
                raise Rejected(400)
            try:
                message = json.loads(body)
            except ValueError:
                message = None
            if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
                raise Rejected(400)
            answer = answered(message, who)
        except Rejected as why:
            return self.answer(why.status, why.headers, b"")
        if answer is None:
            return self.answer(202, {}, b"")
        kind = {"Content-Type": "application/json"}
        return self.answer(200, kind, json.dumps(answer).encode())

    def do_GET(self):
        """This server has nothing to say unasked."""
        self.answer(405, {"Allow": "POST"}, b"")

    do_DELETE = do_GET

    def received(self) -> bytes:
        """The body. It is read before anything is refused, or the connection could not go on."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_MESSAGE:
            self.close_connection = True
            raise Rejected(413 if length.isdecimal() else 411)
        body = self.rfile.read(int(length))
        if self.path != urllib.parse.urlsplit(RESOURCE).path:
            raise Rejected(404)
        # A web page that a browser shows may not call a server on the same machine.
        if self.headers.get("Origin") is not None:
            raise Rejected(403)
        return body

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # noqa: A002 (the name is the library's)
        """Only what tools do is said, in `called`."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    print(f"MCP: http://127.0.0.1:{server.server_port}/mcp", flush=True)
    server.serve_forever()
