#!/usr/bin/env python3
"""A backend for trying the examples: whatever is asked, it answers with what arrived."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = {"request": self.requestline, "headers": self.headers.items()}
        body = json.dumps(seen, indent=2).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_DELETE = do_GET = do_PATCH = do_POST = do_PUT = answer


ThreadingHTTPServer(("127.0.0.1", 8081), Echo).serve_forever()
