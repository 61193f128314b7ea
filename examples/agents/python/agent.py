"""An agent that works for a user: it calls an API behind a gateway, or a tool of an MCP server.

    agent.py call URL... --resource NAME [--scope SCOPE]...     < the user's token
    agent.py mcp URL TOOL [ARGUMENTS AS JSON]                    < the user's token

The user's token comes on standard input, since arguments can be seen by every process of the
machine. Where tessera is, and who the agent is, is in the environment; see ../README.md.
"""

import argparse
import json
import sys

from mcp_client import McpServer
from tessera import (
    NotAllowed,
    NotConfigured,
    Refused,
    SignInAgain,
    Tessera,
    TryLater,
    identity_from_environment,
    log,
    setting,
)

# What a program that runs the agent can tell apart.
EXIT_CODES = {NotConfigured: 2, SignInAgain: 3, NotAllowed: 4, TryLater: 5}


def main() -> int:
    options = arguments()
    user_token = sys.stdin.readline().strip()
    if not user_token:
        print("the user's token is missing on standard input", file=sys.stderr)
        return 2
    try:
        tessera = Tessera(setting("TESSERA_ISSUER"), identity_from_environment())
        if options.task == "call":
            return call(tessera, user_token, options)
        return use_tool(tessera, user_token, options)
    except Refused as why:
        print(f"{type(why).__name__}: {why}", file=sys.stderr)
        return EXIT_CODES.get(type(why), 1)


def call(tessera: Tessera, user_token: str, options: argparse.Namespace) -> int:
    for url in options.url:
        answer = tessera.call(
            "GET", url, user_token, resource=options.resource, scopes=options.scope
        )
        print(answer.body.decode(errors="replace"), flush=True)
        if answer.status >= 300:
            log(f"the API answers {answer.status}")
            return 1
    return 0


def use_tool(tessera: Tessera, user_token: str, options: argparse.Namespace) -> int:
    server = McpServer(tessera, options.url, user_token)
    log("its tools: " + ", ".join(tool["name"] for tool in server.tools()))
    print(server.call(options.tool, options.arguments))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An agent that works for a user.")
    tasks = parser.add_subparsers(dest="task", required=True)
    api = tasks.add_parser("call", help="call an API")
    api.add_argument("url", nargs="+")
    api.add_argument("--resource", required=True, help="its name in tessera")
    api.add_argument("--scope", action="append", default=[])
    tool = tasks.add_parser("mcp", help="call a tool of an MCP server")
    tool.add_argument("url")
    tool.add_argument("tool")
    tool.add_argument("arguments", nargs="?", type=json.loads, default={})
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
