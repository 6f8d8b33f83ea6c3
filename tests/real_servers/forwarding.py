"""A server that passes requests on to another one, remembers them, and lacks routes of it."""

import json
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread


class Forwarding:
    """Under `url`, from `with` on until its end; `asked` are the bodies of its requests by route."""

    def __init__(self, url, missing=()):
        self.asked, lock = {}, Lock()

        class Forward(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.forward(None)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    forwarding.asked.setdefault(self.path, []).append(json.loads(body))
                self.forward(body)

            def forward(self, body):
                request = urllib.request.Request(url + self.path, body, {"Content-Type": "application/json"})
                try:
                    if self.path in missing:
                        raise urllib.error.HTTPError(url, 404, "", None, None)
                    with urllib.request.urlopen(request) as answer:
                        status, data = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, data = error.code, json.dumps({"detail": "Not Found"}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        forwarding = self
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
