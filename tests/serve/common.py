"""Services for these tests: started on a free port, stopped and waited for. Paths come from `.ci/serve`, in the environment."""

import os
import pathlib
import signal
import subprocess
import tempfile
from contextlib import contextmanager

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEANPOOL = os.environ["LEANPOOL"]
SCRIPTED = os.environ["LEANPOOL_SCRIPTED"]


class Kit:
    """The official Lean of tests/official-lean, with a stand-in for `Init`, so that files need no `prelude`."""

    def __init__(self):
        self.lean = os.environ["LEANPOOL_KIT_LEAN"]
        self.worker = os.environ["LEANPOOL_KIT_WORKER"]
        self.path = os.environ["LEANPOOL_KIT_PATH"]

    def environment(self):
        return {**os.environ, "LEAN_SYSROOT": str(pathlib.Path(self.lean).parents[1]), "LEAN_PATH": self.path,
                "LEANPOOL_STANDIN_EXTRAS": "1"}


# What Lake answers for a project without dependencies.
LAKE = """#!/bin/sh
case "$1" in
  env) echo "$PWD/.lake/build/lib/lean" ;;
  setup-file) echo '{"name": "_stdin", "isModule": false, "options": {}, "plugins": [], "dynlibs": [], "importArts": {}}' ;;
  *) exit 1 ;;
esac
"""


def scripted_environment(folder):
    """A machine with a Lean that only knows its version, and a Lake that knows one project."""
    folder = pathlib.Path(folder)
    programs = folder / "lean" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    version = "#!/bin/sh\necho 'Lean (version 4.99.0, x86_64, commit 1, Release)'\n"
    for name, script in [("lean", version), ("lake", LAKE)]:
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    environment = {**os.environ, "LEAN_SYSROOT": str(programs.parent), "XDG_CACHE_HOME": str(folder / "cache")}
    environment.pop("LEAN_PATH", None)
    return environment


class Service:
    def __init__(self, *args, worker, environment, listen="127.0.0.1:0"):
        self.log = tempfile.TemporaryFile()
        command = [LEANPOOL, "serve", "--listen", listen, "--worker", worker, *args]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        assert "listening on " in line, (line, self.said())
        self.url = line.strip().split("listening on ")[1]

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def tell_to_stop(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        self.tell_to_stop()
        code = self.process.wait(60)
        assert code == 0, (code, self.said())


@contextmanager
def service(*args, **how):
    it = Service(*args, **how)
    try:
        yield it
        if it.process.poll() is None:
            it.stop()
    finally:
        it.process.kill()
        it.process.wait()
