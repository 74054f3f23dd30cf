#!/usr/bin/env python3
"""Runs a command in the current folder with a tierway.toml whose one endpoint is a vendor server on loopback.

    scripts/with_loopback.py --key DEEPSEEK_API_KEY --endpoint deepseek COMMAND...

For examples that must run unchanged and without a network. The server is this script's own and speaks chat completions.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Vendor(BaseHTTPRequestHandler):
    """Answers every request with one sentence."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        message = {"role": "assistant", "content": "Short waves scatter more."}
        usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "x", "object": "chat.completion", "created": 1, "model": asked["model"], "choices": [choice]}
        text = json.dumps({**body, "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    wanted = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vendor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = {
        "id": wanted.endpoint,
        "api": "chat_completions",
        "base_url": f"http://127.0.0.1:{server.server_port}/v1",
        "region": "local",
        "auth": "bearer",
        "key_env": wanted.key,
    }
    row = ", ".join(f"{name} = {json.dumps(value)}" for name, value in endpoint.items())
    Path("loopback.toml").write_text(f'vendor = "{wanted.endpoint}"\nendpoints = [{{ {row} }}]\n')
    Path("tierway.toml").write_text('[catalog]\nfiles = ["loopback.toml"]\n')
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    sys.exit(subprocess.run(wanted.command, env={**kept, wanted.key: "sk-loopback"}).returncode)


if __name__ == "__main__":
    main()
