"""The client of one MCP server, for one user. It holds no token: tessera.py does that.

    server = McpServer(tessera, "https://mcp.example.com/mcp", user_token)
    print(server.call("get_order", {"id": "42"}))

The server names its authorization server and itself in a document that its 401 points to
(RFC 9728). The agent believes it no further than it must: see `discovered`.
"""

import json
import urllib.parse

from tessera import Answer, Refused, Tessera, Unexpected, json_object, log, origin, patiently, send

VERSIONS = ["2025-11-25", "2025-06-18"]  # of the protocol; the first is offered


class ToolFailed(Refused):
    """The server, or its tool, says no: because of the arguments, for example."""


class McpServer:
    def __init__(self, tessera: Tessera, url: str, user_token: str):
        self.tessera = tessera
        self.url = url
        self.user_token = user_token
        self.headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        self.last_id = 0
        self.scopes = self.discovered()
        self.initialize()

    def tools(self) -> list[dict]:
        return self.request("tools/list").get("tools", [])

    def call(self, tool: str, arguments: dict) -> str:
        """Calls a tool, and gives its text."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments})
        text = "\n".join(
            part["text"] for part in result.get("content", []) if part.get("type") == "text"
        )
        if result.get("isError"):
            raise ToolFailed(f"the tool {tool} says: {text}")
        return text

    def discovered(self) -> list[str]:
        """Whether the server is who its URL says, and trusts our tessera; the scopes it asks for."""
        answer = patiently(lambda: send("POST", self.url, self.headers, self.hello()))
        if answer.status != 401:
            raise Unexpected(f"{self.url} answers {answer.status} to somebody without a token")
        challenge = answer.challenge()
        # Without a pointer, the document is where RFC 9728 §3.1 puts it.
        path = urllib.parse.urlsplit(self.url).path
        usual = f"{origin(self.url)}/.well-known/oauth-protected-resource{'' if path == '/' else path}"
        place = challenge.get("resource_metadata", usual)
        if origin(place) not in (origin(self.url), origin(self.tessera.issuer)):
            raise Unexpected(f"{self.url} has others describe it: {place}")
        answer = patiently(lambda: send("GET", place, {"Accept": "application/json"}))
        metadata = answer.json() if answer.status == 200 else {}
        # RFC 9728 §3.3. Otherwise a server could have us fetch a token for another one, and use it.
        if metadata.get("resource") != self.url:
            raise Unexpected(f"{place} does not describe {self.url}: no token is sent there")
        # A server must not choose whom the agent shows its own token, and the user's.
        if self.tessera.issuer not in metadata.get("authorization_servers", []):
            raise Unexpected(f"{self.url} does not take tokens of {self.tessera.issuer}")
        log(f"{self.url} takes tokens of {self.tessera.issuer}")
        return challenge.get("scope", "").split()

    def initialize(self) -> None:
        answer = self.post(self.hello())
        result = result_of(answer, self.last_id)
        version = result.get("protocolVersion")
        if version not in VERSIONS:
            raise Unexpected(f"{self.url} speaks another version of MCP: {version}")
        self.headers["MCP-Protocol-Version"] = version
        if answer.headers.get("Mcp-Session-Id"):
            self.headers["Mcp-Session-Id"] = answer.headers["Mcp-Session-Id"]
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self.post(json.dumps(note).encode())

    def hello(self) -> bytes:
        """The message that opens a conversation."""
        return self.message(
            "initialize",
            {
                "protocolVersion": VERSIONS[0],
                "capabilities": {},
                "clientInfo": {"name": "example-agent", "version": "1.0.0"},
            },
        )

    def request(self, method: str, params: dict | None = None) -> dict:
        return result_of(self.post(self.message(method, params)), self.last_id)

    def message(self, method: str, params: dict | None) -> bytes:
        self.last_id += 1
        message = {"jsonrpc": "2.0", "id": self.last_id, "method": method}
        return json.dumps(message | ({"params": params} if params else {})).encode()

    def post(self, body: bytes) -> Answer:
        """Sends a message with a token for this server; what a new token can mend is mended."""
        answer = self.tessera.call(
            "POST",
            self.url,
            self.user_token,
            resource=self.url,
            scopes=self.scopes,
            headers=self.headers,
            body=body,
        )
        if answer.status not in (200, 202):
            raise Unexpected(f"{self.url} answers {answer.status}")
        return answer


def result_of(answer: Answer, request_id: int) -> dict:
    """The result of a request: the answer is one message, or a stream of events with it inside."""
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("text/event-stream"):
        messages = [json_object(data) for data in events(answer.body.decode()) if data]
        # The server may also tell of its progress; that is not for us.
        message = next((each for each in messages if each.get("id") == request_id), {})
    else:
        message = answer.json()
    if "error" in message:
        raise ToolFailed(f"the MCP server says: {message['error'].get('message')}")
    if message.get("id") != request_id or not isinstance(message.get("result"), dict):
        raise Unexpected("the MCP server did not answer the question")
    return message["result"]


def events(text: str) -> list[str]:
    """The data of each server-sent event."""
    found = []
    for event in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in event.split("\n") if line.startswith("data:")]
        found.append("\n".join(lines))
    return found
