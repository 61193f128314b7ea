#!/usr/bin/env python3
"""A small day in production, for the picture of the dashboard.

    scene.py TESSERA PROMETHEUS SECONDS     starts everything on loopback, sends traffic, and waits for a key at the end

Two instances share a Redis, beside the Entra look-alike of `tessera dev`; everything that is written goes to a temporary folder.
Traffic: good tokens of users, apps and agents, tampered and made-up ones, exchanges, a gateway, wrong secrets, revocations.
Faults: Entra away for a while, then Redis; a changed configuration, and one with a mistake.
"""

import base64
import http.client
import json
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
HOME = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
ORDERS = "6731de76-14a6-49ae-97bc-6eba6914391e"
TYK = ("tyk", "tyk-picture-secret-4c9e1b7a6d2f8035e1a9")
DEV, PUBLIC, ADMIN, REDIS, PROMETHEUS = 18090, (18080, 18081), (19090, 19091), 16379, 19099

CONFIGURATION = """
issuer: https://sts.example.com
listen: {{ public: "127.0.0.1:{public}", admin: "127.0.0.1:{admin}"{listen} }}
entra:
  - tenant: {home}
    authority: http://127.0.0.1:{dev}
    audiences: [{orders}]
    caller_audiences: [api://tessera]
    graph: {{ client_id: e7d3a9b4-2c61-4f85-b0f4-91c8d7e6f5a2, client_secret: "${{file:{folder}/graph}}", endpoint: "http://127.0.0.1:{dev}" }}
resources:
  https://orders.internal: {{ scopes: {{ orders.read: [orders.read] }}, callers: [tyk] }}
  https://tasks.internal: {{ scopes: {{ tasks.run: [orders.read] }}, callers: [tyk], token: opaque }}
apis:
  orders: {{ client: tyk, audiences: [{orders}], scopes: [orders.read], policies: optional }}
  invoices: {{ client: tyk, audiences: [{orders}], policies: required }}
clients:
  tyk:
    secret: ${{file:{folder}/tyk}}
    introspect: {{ audiences: [{orders}, "https://orders.internal", "https://tasks.internal"] }}
    exchange:
      - {{ resource: "https://orders.internal", scopes: [orders.read], subjects: [user] }}
      - {{ resource: "https://tasks.internal", scopes: [tasks.run], subjects: [user] }}
  portal:
    secret: ${{file:{folder}/portal}}
    introspect: {{ audiences: [{orders}] }}
mapping:
  - name: gold
    when: {{ groups: [7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51] }}
    grant: {{ policies: [gold] }}
key_sets: {{ refresh: 1m, cooldown: 10s }}
store: {{ redis: {{ url: "redis://127.0.0.1:{redis}" }}, sealing_key: "${{file:{folder}/seal}}" }}
{more}
"""


def configuration(folder, index, more, listen=""):
    return CONFIGURATION.format(public=PUBLIC[index], admin=ADMIN[index], home=HOME, dev=DEV, orders=ORDERS, folder=folder,
                                redis=REDIS, more=more, listen=listen)


class Scene:
    def __init__(self, tessera, prometheus, folder):
        self.tessera, self.prometheus, self.folder, self.running = tessera, prometheus, folder, {}
        secrets = {"tyk": TYK[1], "portal": "portal-picture-secret-0b8e5d2f9c714a36", "seal": "5e" * 32,
                   "graph": "graph-reader-dev-secret-d47a1e90b3c65f28"}
        for name, text in secrets.items():
            (folder / name).write_text(text)

    def start(self, name, *command):
        log = open(self.folder / f"{name}.log", "ab")
        self.running[name] = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def tell(self, name, what):
        self.running[name].send_signal(what)

    def redis(self):
        self.start("redis", "redis-server", "--port", REDIS, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder)

    def write(self, index, more):
        listen = f', envoy: "127.0.0.1:{18100 + index}"'
        text = configuration(self.folder, index, more + f"\naudit: {{ to: file, file: {self.folder}/audit-{index}.jsonl }}", listen)
        (self.folder / f"tessera-{index}.yaml").write_text(text)

    def open(self):
        self.redis()
        self.start("dev", self.tessera, "dev", "--tenant-port", DEV, "--port", 0, "--admin-port", 0, "--tyk-port", 0,
                   "--envoy-port", 0)
        time.sleep(2)
        for index in (0, 1):
            self.write(index, "")
            self.start(f"tessera-{index}", self.tessera, "serve", "--config", self.folder / f"tessera-{index}.yaml")
        rules = (ROOT / "helm/tessera/files/rules.yaml").read_text().replace("interval: 30s", "interval: 5s")
        (self.folder / "rules.yaml").write_text(rules)
        targets = ", ".join(f'"127.0.0.1:{port}"' for port in ADMIN)
        (self.folder / "prometheus.yaml").write_text(
            "global: { scrape_interval: 5s, evaluation_interval: 5s }\nrule_files: [rules.yaml]\nscrape_configs:\n"
            f"- job_name: tessera\n  static_configs: [{{ targets: [{targets}], labels: {{ namespace: edge }} }}]\n")
        self.start("prometheus", self.prometheus, f"--config.file={self.folder}/prometheus.yaml",
                   f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{PROMETHEUS}")
        time.sleep(4)

    def close(self):
        for process in self.running.values():
            process.kill()
            process.wait()


def token(**fields):
    """From the look-alike, as an app would get it."""
    body = urllib.parse.urlencode({"scope": "api://orders/.default", **fields}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{DEV}/{HOME}/oauth2/v2.0/token", body, timeout=1) as answer:
        return json.load(answer)["access_token"]


def people():
    """Who there is, and with which passwords: as `tessera dev` shows it."""
    source = (ROOT / "src/dev/people.rs").read_text()
    apps = (ROOT / "src/dev/apps.rs").read_text()
    portal = re.search(r"PORTAL: App = App \{.*?client_id: \"([^\"]+)\".*?secret: (?:None|Some\(\"([^\"]+)\"\))", apps, re.S)
    found = dict(re.findall(r'username: "([^"]+)",\s*password: "([^"]+)"', source))
    home = {name: word for name, word in found.items() if re.match(r"(alice|bob|carol)", name)}
    secret = {"client_secret": portal[2]} if portal[2] else {}
    return [{"grant_type": "password", "client_id": portal[1], **secret, "username": n, "password": w} for n, w in home.items()]


class Traffic:
    def __init__(self):
        self.who, self.tokens, self.stop = people(), [], threading.Event()
        self.tokens = [token(**random.choice(self.who)) for _ in range(60)]

    def send(self, connection, target, fields=None, headers=None, basic=TYK):
        head = {"Authorization": "Basic " + base64.b64encode(":".join(basic).encode()).decode()} if basic else {}
        head |= headers or {}
        body = urllib.parse.urlencode(fields) if fields else None
        head |= {"Content-Type": "application/x-www-form-urlencoded"} if fields else {}
        connection.request("POST" if fields else "GET", target, body, head)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def worker(self, index):
        chance = random.Random(index)
        connection = http.client.HTTPConnection("127.0.0.1", PUBLIC[index % 2], timeout=5)
        while not self.stop.wait(chance.expovariate(60)):
            try:
                self.one(connection, chance)
            except OSError:
                connection.close()

    def one(self, connection, chance):
        good, dice = chance.choice(self.tokens), chance.random()
        exchange = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": good,
                    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        if dice < 0.55:
            self.send(connection, "/introspect", {"token": good})
        elif dice < 0.58:
            self.send(connection, "/introspect", {"token": good[:-8] + "AAAAAAAA"})
        elif dice < 0.60:
            self.send(connection, "/introspect", {"token": "made-up"})
        elif dice < 0.85:
            self.send(connection, "/verify/" + chance.choice(["orders", "orders", "invoices"]), basic=None, headers={
                "Authorization": "Bearer " + good,
                "Tessera-Authorization": "Basic " + base64.b64encode(":".join(TYK).encode()).decode()})
        elif dice < 0.92:
            self.send(connection, "/token", exchange | {"resource": "https://orders.internal"})
        elif dice < 0.96:
            status, body = self.send(connection, "/token", exchange | {"resource": "https://tasks.internal"})
            if status == 200:
                handle = json.loads(body)["access_token"]
                self.send(connection, "/introspect", {"token": handle})
                if chance.random() < 0.3:
                    self.send(connection, "/revoke", {"token": handle})
        elif dice < 0.975:
            self.send(connection, "/token", exchange | {"resource": "https://nowhere.internal"})
        elif dice < 0.976:
            self.send(connection, "/introspect", {"token": good}, basic=("portal", "wrong" * 8))
        elif dice < 0.98:
            self.send(connection, "/verify/nothing", basic=None, headers={"Authorization": "Bearer " + good})
        else:
            self.tokens[chance.randrange(len(self.tokens))] = token(**chance.choice(self.who))


def main():
    tessera, prometheus, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(tessera, prometheus, pathlib.Path(folder))
        try:
            scene.open()
            traffic = Traffic()
            workers = [threading.Thread(target=traffic.worker, args=(index,), daemon=True) for index in range(4)]
            for worker in workers:
                worker.start()
            at = lambda share: time.sleep(max(0, begun + share * seconds - time.time()))
            begun = time.time()
            at(0.20), scene.write(0, "log: { level: warn }"), scene.write(1, "log: { level: warn }")
            at(0.30), scene.tell("dev", signal.SIGSTOP)
            at(0.42), scene.tell("dev", signal.SIGCONT)
            at(0.55), scene.running.pop("redis").kill()
            at(0.75), scene.redis()
            at(0.80), scene.write(1, "log: { level: loud }")
            at(1.00)
            print(f"http://127.0.0.1:{PROMETHEUS} holds {seconds} seconds", flush=True)
            sys.stdin.readline()
            traffic.stop.set()
            for worker in workers:
                worker.join()
        finally:
            scene.close()


if __name__ == "__main__":
    main()
