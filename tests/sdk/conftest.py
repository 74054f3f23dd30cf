"""The vendor server on loopback as a process, with a relay before it that keeps what went either way."""

import http.client
import http.server
import json
import os
import pathlib
import subprocess
import threading
import urllib.parse

import pytest

from answers import RULES

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIERWAY = os.environ.get("TIERWAY_BIN", str(ROOT / "target" / "debug" / "tierway"))
KEPT = ("content-type", "retry-after", "retry-after-ms", "request-id", "x-request-id")


class Exchange:
    """What was sent and what came back."""

    def __init__(self, path, headers, body, status, content_type, answer):
        self.path, self.headers, self.body = path, headers, body
        self.status, self.content_type, self.answer = status, content_type, answer


class Relay(http.server.BaseHTTPRequestHandler):
    """Passes a request on to the vendor server and keeps both sides."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        target = urllib.parse.urlsplit(self.server.behind)
        upstream = http.client.HTTPConnection(target.hostname, target.port, timeout=20)
        upstream.request("POST", self.path, body, {"content-type": "application/json"})
        answer = upstream.getresponse()
        try:
            read, is_whole = answer.read(), True
        except http.client.IncompleteRead as cut:
            read, is_whole = cut.partial, False
        upstream.close()
        kind = answer.headers.get("content-type", "")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.exchanges.append(Exchange(self.path, headers, body, answer.status, kind, read))
        self.send_response(answer.status)
        for name in KEPT:
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        # A cut answer is cut here too.
        self.send_header("content-length", str(len(read) + (0 if is_whole else 1)))
        self.end_headers()
        self.wfile.write(read)
        self.close_connection = not is_whole

    def log_message(self, *_):
        pass


class Vendors:
    """The address for SDKs, and what tierway makes of what they sent and got."""

    def __init__(self, relay):
        self.relay = relay
        self.url = f"http://127.0.0.1:{relay.server_port}"

    def last(self):
        return self.relay.exchanges[-1]

    def tierway(self, args, body):
        done = subprocess.run([TIERWAY, "wire", *args], input=body, capture_output=True, check=False)
        assert done.returncode == 0, f"tierway wire {args}: {done.stderr.decode()}"
        return json.loads(done.stdout)

    def decoded(self, api):
        """What our wire reads from the answer that the SDK got last."""
        last = self.last()
        args = ["decode", "--api", api]
        if last.status != 200:
            args += ["--status", str(last.status)]
        elif "stream" in last.content_type:
            args += ["--stream"]
        return self.tierway(args, last.answer)

    def rewritten(self, api):
        """The body that the SDK sent last, parsed by our wire and written again."""
        return self.tierway(["request", "--api", api], self.last().body)


@pytest.fixture(scope="session")
def vendors(tmp_path_factory):
    script = tmp_path_factory.mktemp("sdk") / "rules.json"
    script.write_text(json.dumps(RULES))
    server = subprocess.Popen(
        [TIERWAY, "loopback", "--script", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    behind = json.loads(server.stdout.readline())["url"]
    threading.Thread(target=lambda: [None for _ in server.stdout], daemon=True).start()
    relay = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    relay.behind, relay.exchanges = behind, []
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    yield Vendors(relay)
    relay.shutdown()
    server.stdin.close()
    server.wait(timeout=60)
