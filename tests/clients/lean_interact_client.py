"""Drives LeanInteract (the package lean-interact) against `leanpool repl`, as far as that is possible without Lean.

What stands for Lean is a worker that does as the lines of a text say, a `lean` that knows its version, and a `lake` that "builds" that worker and
runs programs in an environment. LeanInteract starts `lake env FOLDER/.lake/build/bin/repl`: here that is a link to leanpool.

usage: lean_interact_client.py LEANPOOL SCRIPTED-WORKER"""

import os, shutil, subprocess, sys, tempfile, time
from pathlib import Path

import psutil
from lean_interact import AutoLeanServer, Command, FileCommand, LeanREPLConfig, LeanServer, LocalProject, ProofStep
from lean_interact.interface import (CommandResponse, LeanError, PickleEnvironment, ProofStepResponse, UnpickleEnvironment)
from lean_interact.pool import LeanServerPool

leanpool, worker = (Path(p).resolve() for p in sys.argv[1:3])
root = Path(tempfile.mkdtemp())
checked = 0


def check(what, holds, seen=""):
    global checked
    if not holds:
        sys.exit(f"FAILED: {what}: {seen}")
    checked += 1
    print("ok", what, flush=True)


def program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def stand_ins():
    program(root / "lean/bin/lean", "echo 'Lean (version 4.27.0, x86_64, commit 1, Release)'\n")
    program(root / "lean/bin/lake", f"""case $1 in
  --version) echo 'Lake version 5.0.0';;
  build) mkdir -p .lake/build/bin; [ -f Main.lean ] && cp {worker} .lake/build/bin/leanpool-worker || true;;
  exe) exit 1;;
  env) shift; export LEAN_SYSROOT={root}/lean LEAN_PATH="$PWD/.lake/build/lib/lean"; exec "$@";;
esac
""")
    for folder in ("project", "repl"):
        (root / folder).mkdir()
        (root / folder / "lean-toolchain").write_text("leanprover/lean4:v4.27.0\n")
        (root / folder / "lakefile.toml").write_text("")
    (root / "project/a.lean").write_text("import A\n-- tell folder\n")
    os.environ.update(XDG_CACHE_HOME=str(root / "cache"), XDG_RUNTIME_DIR=str(root / "run"))


def place(name, link=True, args=""):
    """What LeanInteract takes for a checkout of the REPL that has been built."""
    folder = root / name
    shutil.copytree(root / "repl", folder)
    binary = folder / ".lake/build/bin/repl"
    if link:
        binary.parent.mkdir(parents=True)
        binary.symlink_to(leanpool)
    else:
        program(binary, f'exec {leanpool} repl {args} "$@"\n')
    return folder


def config(folder, **more):
    project = LocalProject(directory=root / "project", lake_path=root / "lean/bin/lake")
    return LeanREPLConfig(project=project, local_repl_path=folder, lake_path=root / "lean/bin/lake", build_repl=False, **more)


def workers():
    """The processes of workers, with their parents."""
    found = []
    for p in psutil.process_iter(["exe", "ppid"]):
        if (p.info["exe"] or "").startswith((str(worker), str(root))):
            found.append((p.pid, p.info["ppid"]))
    return found


def left():
    """The processes of workers that do not end within some seconds."""
    for _ in range(500):
        if not workers():
            break
        time.sleep(0.01)
    return workers()


def basics():
    server = LeanServer(config(place("linked")))
    a = server.run(Command(cmd="import A\n-- say hello"))
    check("a command", isinstance(a, CommandResponse) and a.env == 0 and a.messages[0].data == "hello", a)
    a = server.run(Command(cmd="theorem t : p := by\n-- sorry p", env=0))
    check("a sorry", a.env == 1 and a.sorries[0].goal == "p" and a.sorries[0].proof_state == 0, a)
    a = server.run(ProofStep(tactic="rfl", proof_state=0))
    check("a tactic", isinstance(a, ProofStepResponse) and a.proof_state == 1 and a.proof_status == "Completed" and a.goals == [], a)
    a = server.run(Command(cmd="import B\n-- tell header"))
    check("another header", a.env == 2 and "import B" in a.messages[0].data, a)
    a = server.run(Command(cmd="-- tell texts", env=1))
    check("back to the first", a.env == 3 and "hello" in a.messages[0].data, a)
    a = server.run(FileCommand(path="a.lean"))
    check("a file, by its path in the project", str(root / "project") in a.messages[0].data, a)
    for request in (Command(cmd="x", env=77), ProofStep(tactic="x", proof_state=77), Command(cmd="import Script.Missing"),
                    Command(cmd="x", declarations=True), Command(cmd="x", set_options=[(["pp", "all"], True)])):
        a = server.run(request)
        check(f"refused in words: {request}", isinstance(a, LeanError), a)
        print("  ", a.message)
    a = server.run(PickleEnvironment(env=1, pickle_to="one.olean"))
    check("pickled", a.env == 1, a)
    a = server.run(Command(cmd="-- exit 3", env=1))
    check("a death", isinstance(a, LeanError) and "exit code 3" in a.message and "environments" in a.message, a)
    a = server.run(Command(cmd="-- tell texts", env=2))
    check("the session goes on", isinstance(a, CommandResponse), a)
    server.kill()

    other = LeanServer(config(root / "linked"))
    a = other.run(UnpickleEnvironment(unpickle_env_from="one.olean"))
    a = other.run(Command(cmd="-- tell texts", env=a.env))
    check("unpickled in another process", "hello" in a.messages[0].data, a)
    other.kill()
    check("nothing is left", left() == [], workers())


def times():
    server = AutoLeanServer(config(place("timed", link=False, args="--timeout 0.5 --grace 0.2")))
    env = server.run(Command(cmd="import A")).env
    a = server.run(Command(cmd="-- until-cancelled", env=env))
    check("late, and cancelled", isinstance(a, LeanError) and "Nothing is lost" in a.message, a)
    a = server.run(Command(cmd="-- say still here", env=env))
    check("its states are there", a.messages[0].data == "still here", a)
    a = server.run(Command(cmd="-- ignore-cancel", env=env))
    check("late, and killed", isinstance(a, LeanError) and "Gone with it" in a.message, a)
    a = server.run(Command(cmd="import A"))
    check("no restart was needed", isinstance(a, CommandResponse) and a.env > env, a)
    server.kill()

    # LeanInteract's own time-out kills the process and starts another one, which replays what was kept.
    server = AutoLeanServer(config(root / "linked"))
    kept = server.run(Command(cmd="import A\n-- say kept"), add_to_session_cache=True).env
    try:
        server.run(Command(cmd="-- ignore-cancel", env=kept), timeout=1)
        check("the client's time-out", False)
    except TimeoutError:
        check("the client's time-out", True)
    a = server.run(Command(cmd="-- tell texts", env=kept))
    check("what it replays is there", "kept" in a.messages[0].data, a)
    server.kill()
    check("nothing is left after that", left() == [], workers())


def sharing():
    lender = subprocess.Popen([leanpool, "repl", "--listen"], stdout=subprocess.PIPE, text=True)
    lender.stdout.readline()
    with LeanServerPool(config(root / "linked"), num_workers=4) as pool:
        answers = pool.run_batch([Command(cmd=f"import A\n-- say {n}") for n in range(40)])
        check("40 commands over 4 servers", [a.messages[0].data for a in answers] == [str(n) for n in range(40)], answers)
        zygotes = [pid for pid, parent in workers() if parent == lender.pid]
        check("one import for 4 servers", len(zygotes) == 1, workers())
    lender.terminate()
    check("the lender ends politely", lender.wait(20) == 143)
    check("nothing is left of it", left() == [], workers())


try:
    stand_ins()
    basics()
    times()
    sharing()
finally:
    shutil.rmtree(root, ignore_errors=True)
print(f"LeanInteract against leanpool repl: {checked} checks hold")
