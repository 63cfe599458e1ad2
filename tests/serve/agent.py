"""The Python package `mcp` as the client of `leanpool mcp`, on the official Lean and on the scripted worker."""

import asyncio
import pathlib
import tempfile

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from common import LEANPOOL, ROOT, SCRIPTED, Kit, scripted_environment

kit = Kit()
spin = (ROOT / "tests" / "official-lean" / "texts" / "ends" / "spin.lean").read_text()


def words(result):
    return "\n".join(part.text for part in result.content)


def server(environment, *args):
    return stdio_client(StdioServerParameters(command=LEANPOOL, args=["mcp", *args], env=environment))


async def on_lean():
    """Texts, on the official Lean and on the scripted worker."""
    async with server(kit.environment(), "--worker", kit.worker) as (reader, writer), ClientSession(reader, writer) as session:
        told = await session.initialize()
        assert "leanpool" in str(told), told
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert set(tools) == {"check", "pool"}
        schemas = {name: tool.model_dump(by_alias=True)["inputSchema"] for name, tool in tools.items()}
        assert {"text", "path", "timeout", "project", "axioms"} <= set(schemas["check"]["properties"])
        assert schemas["pool"]["type"] == "object"

        fine = await session.call_tool("check", {"text": "#check Nat"})
        assert "elaborated without errors" in words(fine) and "1:0: info: Nat : Type" in words(fine), fine
        assert fine.model_dump(by_alias=True)["structuredContent"]["ok"] is True
        wrong = await session.call_tool("check", {"text": "#check Nat\n#check nothing"})
        assert "1 errors" in words(wrong) and "2:7: error:" in words(wrong), wrong
        late = await session.call_tool("check", {"text": spin, "timeout": 0.5})
        assert "timed out" in words(late), late
        assert "project's folder" in words(await session.call_tool("check", {"path": "/etc/passwd"}))
        assert "expected" in words(await session.call_tool("check", {}))
        many = "\n".join(f"#check nothing{n}" for n in range(2000))
        long = await session.call_tool("check", {"text": "set_option maxErrors 0\n" + many + "\n#print axioms Nat" * 2000, "timeout": 60})
        assert len(words(long)) < 21_000, len(words(long))
        pool = await session.call_tool("pool", {})
        assert "MB" in words(pool) and pool.model_dump(by_alias=True)["structuredContent"]["zygotes"], pool
        for bad in [("check", {"txt": "#check Nat"}), ("nothing", {})]:
            try:
                result = await session.call_tool(*bad)
                raise AssertionError(result)
            except AssertionError:
                raise
            except Exception as error:  # a fault of the protocol, said as such
                assert "txt" in str(error) or "nothing" in str(error), error


async def on_project(folder):
    """Files of a project, goals and axioms, on the scripted worker."""
    root = pathlib.Path(folder) / "project"
    root.mkdir()
    (root / "lakefile.toml").write_text('name = "project"\n')
    (root / "A.lean").write_text("-- say hi\n-- sorry |- False\n-- axioms two propext\n")
    (root.parent / "outside.lean").write_text("-- say no\n")
    environment = scripted_environment(folder)
    async with server(environment, "--worker", SCRIPTED, "--project", str(root)) as (reader, writer), ClientSession(reader, writer) as session:
        await session.initialize()
        said = words(await session.call_tool("check", {"path": "A.lean", "axioms": True, "project": "project"}))
        for part in ["1:0: info: hi", "2:3: sorry, goals:\n|- False", "two rests on propext"]:
            assert part in said, said
        for path in ["../outside.lean", str(root.parent / "outside.lean"), "/etc/passwd", "nothing.lean"]:
            refused = await session.call_tool("check", {"path": path})
            assert "say no" not in words(refused) and "not" in words(refused) or "No such" in words(refused), (path, refused)
        assert "no project is called" in words(await session.call_tool("check", {"text": "", "project": "other"}))


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(on_lean())
    asyncio.run(on_project(folder))
print("mcp: all passed")
