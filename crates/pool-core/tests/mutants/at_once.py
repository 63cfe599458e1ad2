#!/usr/bin/env python3
"""Tries all mutants that `cargo mutants` lists, with one build: see SURVIVORS.md.

    at_once.py FOLDER [PATTERN OF MUTANTS' NAMES]

FOLDER gets a copy of the last commit. There the body of each function becomes a `match` of the number in the variable MUTANT: an arm for each
of its mutants, and its own body for all other numbers. What doesn't compile is left out. Then each mutant meets the
simulation (if it is in the core), the tests that are short, and the tests that are long, until one of them fails.
"""

import collections
import json
import os
import re
import subprocess
import sys

CORE = "crates/pool-core/src/core"
# In the simulation a coroutine needs a larger stack, since a function has the variables of all its mutants. And no failing schedule
# has to be made short.
IN_THE_COPY = {
    "crates/simulation/src/world.rs": ("STACK_WORDS: usize = 0x8000;", "STACK_WORDS: usize = 0x80000;"),
    "crates/simulation/src/shrink.rs": ("TRIES: usize = 20_000;", "TRIES: usize = 0;"),
}
LONG = " or ".join(
    f"test({name})"
    for name in (
        "eviction_that_panics_once a_pool_does_what_the_naive no_pair_of_policies key_that_panics_once key_that_is_forgotten_while "
        "one_thread_sees_no ten_thousand_tasks counters_agree"
    ).split()
)
NEXTEST = "cargo nextest run --cargo-profile mutants -p pool-core --lib --test mutants_all --test allocations"
MUTANT = """
pub(crate) fn mutant() -> u32 {
    static MUTANT: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *MUTANT.get_or_init(|| std::env::var("MUTANT").map_or(0, |number| number.parse().unwrap()))
}
"""


def run(command, folder, **env):
    env = {**os.environ, "RUST_MIN_STACK": "67108864", "WATCHDOG_SECONDS": "8", "PROPTEST_CASES": "40", **env}
    return subprocess.run(command, shell=True, cwd=folder, env=env, capture_output=True, text=True, errors="replace")


def woven(text, mutants, numbers):
    """The text of a file with its mutants, and those of them that can't be put there."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    place = lambda at: starts[at["line"] - 1] + at["column"] - 1
    functions, left = collections.defaultdict(list), []
    for mutant in mutants:
        start, end = (place(mutant["function"]["span"][side]) for side in ("start", "end"))
        body = text.index("{", start + re.search(r"\bfn\s+\w+", text[start:end]).end())
        # Two bodies would have two types, or can't ask for a variable.
        is_one = "-> impl" in text[start:body] or "const fn" in text[start:body]
        left.append(mutant) if is_one else functions[body, end].append(mutant)
    for (body, end), all_of_it in sorted(functions.items(), reverse=True):
        arms = ""
        for mutant in all_of_it:
            start, stop = (place(mutant["span"][side]) for side in ("start", "end"))
            number = numbers[mutant["name"]]
            changed = text[body:start] + mutant["replacement"] + text[stop:end]
            arms += f"/*from {number}*/\n{number} => {changed}\n/*to {number}*/ "
        text = f"{text[:body]}{{ match crate::mutant() {{ {arms} _ => {text[body:end]} }} }}{text[end:]}"
    return text, left


def broken(folder):
    """The numbers of the mutants that don't compile."""
    said = run("cargo check --profile mutants -p pool-core --message-format=json", folder).stdout
    numbers = set()
    for line in said.splitlines():
        message = json.loads(line).get("message") if line.startswith("{") else None
        if not isinstance(message, dict) or message["level"] != "error":
            continue
        for span in message["spans"]:
            lines = open(os.path.join(folder, span["file_name"])).read().split("\n")[: span["line_start"]]
            marks = re.findall(r"/\*(from|to) (\d+)\*/", "\n".join(lines))
            if marks and marks[-1][0] == "from":
                numbers.add(int(marks[-1][1]))
    return numbers


def main(folder, pattern=""):
    os.makedirs(folder)
    subprocess.run(f"git archive HEAD | tar x -C {folder}", shell=True, check=True)
    for name, (old, new) in IN_THE_COPY.items():
        text = open(os.path.join(folder, name)).read()
        assert old in text, name
        open(os.path.join(folder, name), "w").write(text.replace(old, new))
    mutants = json.loads(run("cargo mutants -p pool-core --list --json", folder).stdout)
    mutants = [mutant for mutant in mutants if re.search(pattern, mutant["name"])]
    numbers = {mutant["name"]: number for number, mutant in enumerate(mutants, 1)}
    names = {number: name for name, number in numbers.items()}
    library = os.path.join(folder, "crates/pool-core/src/lib.rs")
    open(library, "a").write(MUTANT)
    files = sorted({mutant["file"] for mutant in mutants})
    texts = {file: open(os.path.join(folder, file)).read() for file in files}
    bad, apart = set(), []
    while True:
        apart = []
        for file in files:
            here = [it for it in mutants if it["file"] == file and numbers[it["name"]] not in bad]
            text, left = woven(texts[file], here, numbers)
            open(os.path.join(folder, file), "w").write(text)
            apart += [mutant["name"] for mutant in left]
        found = broken(folder)
        if not found:
            break
        bad |= found
    for name in apart:
        print("apart", name)
    print(f"{len(mutants)} made, {len(bad)} don't compile, {len(apart)} are to be tried apart", flush=True)

    for command in ("cargo build --profile mutants -p simulation", f"{NEXTEST} --no-run", f"{NEXTEST} --no-fail-fast"):
        done = run(command, folder)
        assert done.returncode == 0, done.stdout + done.stderr
    simulation = "cargo run -q --profile mutants -p simulation --"
    for number, name in names.items():
        if number in bad or name in apart:
            continue
        steps = [f"{simulation} --seed 1 --schedules 500 --jobs 1"] if CORE in name else []
        steps += [f"{NEXTEST} -j 2 -E 'not ({LONG})'", f"{NEXTEST} -j 2 -E '{LONG}'"]
        if CORE in name:
            steps.append(f"{simulation} --seed 1 --schedules 3000 --jobs 1")
        # The first that fails is enough. 124 says that the time was over, which should be for a watchdog to say.
        ends = (run(f"timeout 400 {step}", folder, MUTANT=str(number)).returncode for step in steps)
        print({0: "SURVIVES", 124: "HANGS"}.get(next(filter(None, ends), 0), "found"), name, flush=True)


main(*sys.argv[1:])
