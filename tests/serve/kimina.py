"""The Python client of kimina-lean-server, unchanged, against `leanpool serve` on the official Lean."""

import asyncio
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import typing

import httpx
import typing_extensions

if sys.version_info < (3, 12):
    # The client says that it runs on older Pythons, where its models need this one.
    typing.TypedDict = typing_extensions.TypedDict

from kimina_client import AsyncKiminaClient, Infotree, KiminaClient, Snippet, SnippetStatus, VerifyResponse

from common import ROOT, Kit, service

KEY = "0123456789abcdef0123456789abcdef"
kit = Kit()
texts = ROOT / "tests" / "official-lean" / "texts"


def lean_says(path):
    """What `lean --json` says of a file."""
    with path.open("rb") as text:
        done = subprocess.run([kit.lean, "--json", "--stdin"], stdin=text, env=kit.environment(), capture_output=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def as_there(message):
    severity = {"information": "info"}.get(message["severity"], message["severity"])
    return {"severity": severity, "pos": message["pos"], "endPos": message["endPos"], "data": message["data"].strip()}


def statuses(response):
    return [result.analyze().status for result in response.results]


def synchronous(url):
    client = KiminaClient(api_url=url, api_key=KEY, n_retries=1)
    assert client.health() == {"status": "ok"}
    client.test()
    mixed = [Snippet(id="fine", code="#check Nat"), Snippet(id="wrong", code="#check nothing"),
             Snippet(id="late", code=(texts / "ends" / "spin.lean").read_text()),
             Snippet(id="missing", code="import Nothing.Of.That.Name\n"),
             Snippet(id="again", code="theorem x (a : Nat) : Eq a a := Eq.refl a")]
    response = client.check(mixed, timeout=1, batch_size=8, show_progress=False, debug=True)
    assert [result.id for result in response.results] == [snippet.id for snippet in mixed]
    expected = [SnippetStatus.valid, SnippetStatus.lean_error, SnippetStatus.timeout_error, SnippetStatus.lean_error,
                SnippetStatus.valid]
    assert statuses(response) == expected, response
    assert all(result.diagnostics["repl_uuid"] for result in response.results)
    # Many, in batches and on several connections; each answer is its own.
    many = [Snippet(id=str(n), code=f"def value{n} : Nat := {n}\n#check value{n}") for n in range(200)]
    response = client.check(many, batch_size=7, max_workers=5, show_progress=False)
    assert len(response.results) == 200
    for result in response.results:
        assert result.response["messages"][0]["data"] == f"value{result.id} : Nat"
        assert set(result.response["messages"][0]) == {"severity", "pos", "endPos", "data"}
    # Places are those of the file that was sent: the one difference on purpose.
    placed = client.check("prelude\nimport Kit\n\n#check Nat", show_progress=False).results[0]
    assert placed.response["messages"][0]["pos"] == {"line": 4, "column": 0}, placed
    offered = client.check("#check Nat", infotree=Infotree.full, show_progress=False).results[0]
    assert "tactics" in offered.error, offered
    try:
        KiminaClient(api_url=url, api_key="wrong" * 4, n_retries=1).api_check([Snippet(id="a", code="")])
        raise AssertionError("a wrong key was taken")
    except RuntimeError:
        pass
    client.check(many, batch_size=50, show_progress=False).analyze(1.0)


async def asynchronous(url):
    client = AsyncKiminaClient(api_url=url, api_key=KEY, n_retries=1)
    assert await client.health() == {"status": "ok"}
    await client.test()
    many = [Snippet(id=str(n), code=f"#check (fun x : Nat => x)\n#check w{n}") for n in range(100)]
    response = await client.check(many, batch_size=3, max_workers=8, show_progress=False)
    for result in response.results:
        assert f"w{result.id}" in result.response["messages"][1]["data"]
    await client.close()


def older(url):
    codes = [{"custom_id": 1, "proof": "#check Nat"}, {"custom_id": "b", "code": "#check nothing"}]
    headers = {"Authorization": f"Bearer {KEY}"}
    for path in ["/verify", "/one_pass_verify_batch"]:
        answer = httpx.post(url + path, json={"codes": codes, "timeout": 20}, headers=headers)
        results = VerifyResponse.model_validate(answer.json()).results
        assert [result["custom_id"] for result in results] == ["1", "b"]
        assert results[0]["response"]["messages"][0]["data"] == "Nat : Type" and results[0]["response"]["time"] >= 0
        assert results[1]["response"]["messages"][0]["severity"] == "error"


def same_as_lean(url):
    """The texts of the kit: what is said of each is what `lean --json` says."""
    client = KiminaClient(api_url=url, api_key=KEY, n_retries=1)
    paths = sorted(path for path in texts.glob("*.lean"))
    snippets = [Snippet(id=path.name, code=path.read_bytes().decode()) for path in paths]
    answers = {result.id: result for result in client.check(snippets, timeout=30, show_progress=False).results}
    same = 0
    for path in paths:
        result, there = answers[path.name], [as_there(message) for message in lean_says(path)]
        if result.error is not None:
            # One ends its process, which ends `lean` as well.
            assert path.name == "14-exit.lean" or "IO.Process.exit" in result.error, (path.name, result)
            continue
        here = result.response.get("messages", [])
        if path.name in ("26-header-error.lean", "27-missing-import.lean"):
            # Of a header's mistakes `lean` knows no place, or another file's name is in them.
            assert [m["severity"] for m in here] == [m["severity"] for m in there], (path.name, here, there)
            continue
        assert here == there, (path.name, here, there)
        same += 1
    return same, len(paths)


def times(url):
    """How late a time-out of 1 s is answered, and the next check of that header: measured, not demanded."""
    client = KiminaClient(api_url=url, api_key=KEY, n_retries=1)
    for name in ["spin", "spin-kernel"]:
        begun = time.monotonic()
        late = client.check((texts / "ends" / f"{name}.lean").read_text(), timeout=1, show_progress=False)
        middle = time.monotonic()
        after = client.check("prelude\nimport Kit\n#check Nat", show_progress=False)
        assert statuses(late) + statuses(after) == [SnippetStatus.timeout_error, SnippetStatus.valid]
        print(f"{name}: a time-out of 1 s answered after {middle - begun:.3f} s, the next check after {time.monotonic() - middle:.3f} s")


with tempfile.TemporaryDirectory() as folder:
    key_file = pathlib.Path(folder) / "key"
    key_file.write_text(KEY + "\n")
    with service("--api-key-file", str(key_file), "--preload", "", worker=kit.worker, environment=kit.environment()) as it:
        synchronous(it.url)
        asyncio.run(asynchronous(it.url))
        older(it.url)
        same, of = same_as_lean(it.url)
        times(it.url)
    lines = [json.loads(line) for line in it.said().splitlines()]
    assert not any("#check" in json.dumps(line) for line in lines), "no source is in the log"
print(f"kimina-client: all passed; {same} of {of} texts say what lean says, message by message")
