"""A gateway and the orders API behind it, in one file, so that the agents have something to call.

Yours is Tyk, Envoy, NGINX, Traefik …; what it does with tessera is the same: for each request it
asks `GET /verify/NAME`, and lets the request pass with the headers of the answer, or not.

    TESSERA_ISSUER=http://127.0.0.1:8080 GATEWAY_SECRET=… python3 gateway.py
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tessera import TryLater, basic, send, setting

ISSUER = setting("TESSERA_ISSUER")
API = setting("GATEWAY_API", "orders")  # its name under `apis` in tessera.yaml
CLIENT = setting("GATEWAY_CLIENT", "tyk")
SECRET = setting("GATEWAY_SECRET")
PORT = int(setting("GATEWAY_PORT", "8000"))

OWN_CREDENTIALS = basic(CLIENT, SECRET)
# What a refusal is passed on with: the agent needs it to know what to do.
PASSED_ON = ("WWW-Authenticate", "Content-Type", "Retry-After")


class Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        headers = {"Tessera-Authorization": OWN_CREDENTIALS}
        if self.headers.get("Authorization"):
            headers["Authorization"] = self.headers["Authorization"]
        try:
            verdict = send("GET", f"{ISSUER}/verify/{API}", headers)
        except TryLater:
            return self.answer(503, {"Retry-After": "5"}, b"")
        if verdict.status != 200:
            passed_on = {name: verdict.headers[name] for name in PASSED_ON if name in verdict.headers}
            return self.answer(verdict.status, passed_on, verdict.body)
        return self.orders(verdict.headers)

    def orders(self, who):
        """The API: it trusts these headers, since only the gateway reaches it."""
        order = {
            "order": self.path.rsplit("/", 1)[-1],
            "for": who["X-Tessera-Principal"],
            "by": who["X-Tessera-Actor"],
            "scope": who["X-Tessera-Scope"],
        }
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(order).encode())

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):  # noqa: A002 (the name is the library's)
        print(f"gateway: {self.command} {self.path} {args[1]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Gateway)
    print(f"orders: http://127.0.0.1:{server.server_port}/orders/42", flush=True)
    server.serve_forever()
