"""Two instances behind nginx, with the configuration of docs/scale-out.md: each header is imported on one of them only, and no request is lost
when one of them is stopped under load."""

import concurrent.futures
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time

import httpx

from common import LEANPOOL, ROOT, SCRIPTED, scripted_environment, service

HEADERS = [f"import H{n}\n" for n in range(12)]


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def key_of(header, environment):
    done = subprocess.run([LEANPOOL, "key", "-"], input=header, text=True, capture_output=True, env=environment, check=True)
    return done.stdout.strip()


def configuration(folder, port, instances):
    """The block of the document, with addresses of this machine in it."""
    text = (ROOT / "docs" / "scale-out.md").read_text()
    block = re.search(r"```nginx\n(.*?)```", text, re.S).group(1)
    servers = iter(instances)
    block, found = re.subn(r"server 10\.0\.0\.\d+:8000", lambda _: f"server {next(servers)}", block)
    assert found == 2, "the document's example has two instances"
    block, found = re.subn(r"listen 80;", f"listen 127.0.0.1:{port};", block)
    assert found == 1
    path = pathlib.Path(folder) / "nginx.conf"
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    path.write_text(f"daemon off; pid {folder}/pid; worker_processes 1; error_log {folder}/error.log warn;\n"
                    f"events {{ worker_connections 512; }}\nhttp {{ access_log off;\n{temporary}{block}}}\n")
    return path


def ask(client, url, number, keys):
    header = HEADERS[number % len(HEADERS)]
    answer = client.post(url + "/v1/check", headers={"X-Leanpool-Key": keys[header]},
                         json={"text": f"{header}-- wait 1\n-- say {number}"})
    assert answer.status_code == 200, (number, answer.status_code, answer.text)
    result = answer.json()["results"][0]
    assert [m["data"] for m in result["messages"]] == [str(number)], result
    assert answer.headers["x-leanpool-key"] == keys[header]


def load(url, count, keys, meanwhile=lambda number: None):
    """Requests of eight clients at once; each is answered with its own words."""
    local = threading.local()

    def one(number):
        if not hasattr(local, "client"):
            local.client = httpx.Client(timeout=60)
        ask(local.client, url, number, keys)
        meanwhile(number)

    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        begun = time.monotonic()
        list(clients.map(one, range(count)))
        return count / (time.monotonic() - begun)


def imported(it):
    pool = httpx.get(it.url + "/v1/pool").json()
    return {zygote["header"] + "\n" for zygote in pool["zygotes"]}, pool["now"]["misses"]


with tempfile.TemporaryDirectory() as folder:
    environment = scripted_environment(folder)
    keys = {header: key_of(header, environment) for header in HEADERS}
    how = dict(worker=SCRIPTED, environment=environment)
    with service("--capacity", "20", **how) as one, service("--capacity", "20", **how) as two:
        port = free_port()
        path = configuration(folder, port, [it.url.removeprefix("http://") for it in (one, two)])
        subprocess.run([os.environ["LEANPOOL_NGINX"], "-t", "-q", "-c", path], check=True)
        nginx = subprocess.Popen([os.environ["LEANPOOL_NGINX"], "-c", path])
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(500):
                try:
                    if httpx.get(url + "/health").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.01)
            rate = load(url, 1500, keys)
            (here, misses_here), (there, misses_there) = imported(one), imported(two)
            here, there = here & set(HEADERS), there & set(HEADERS)
            assert not here & there, ("a header was imported on both", here & there)
            assert here | there == set(HEADERS) and here and there, (here, there)
            assert misses_here + misses_there == len(HEADERS), (misses_here, misses_there)

            def stop_one(number):
                if number == 500:
                    one.tell_to_stop()

            load(url, 1500, keys, stop_one)
            assert one.process.wait(60) == 0
            (after, _) = imported(two)
            assert set(HEADERS) <= after, "the other one has taken over"
            print(f"nginx: {len(here)} and {len(there)} of {len(HEADERS)} headers on each of two instances, none on both; 3000 requests, none lost "
                  f"while one was stopped; {rate:.0f} requests a second through the proxy (Python clients on the same two processors)")
        finally:
            nginx.terminate()
            nginx.wait()
