"""The Python package `mcp` as the client of `leanpool mcp`, on the official Lean."""

import asyncio
import pathlib
import tempfile

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from common import LEANPOOL, Kit

kit = Kit()


def words(result):
    return "\n".join(part.text for part in result.content)


async def main(folder):
    root = pathlib.Path(folder) / "project"
    root.mkdir()
    (root / "lakefile.toml").write_text('name = "project"\n')
    (root / "A.lean").write_text("#check Nat\n#check nothing\n")
    (root.parent / "outside.lean").write_text("#check Nat\n")
    server = StdioServerParameters(command=LEANPOOL, args=["mcp", "--worker", kit.worker, "--project", str(root)],
                                   env=kit.environment())
    async with stdio_client(server) as (reader, writer), ClientSession(reader, writer) as session:
        told = await session.initialize()
        assert told.serverInfo.name == "leanpool", told
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert set(tools) == {"check", "pool"}
        assert {"text", "path", "timeout", "project", "axioms"} <= set(tools["check"].inputSchema["properties"])
        assert "type" in tools["pool"].inputSchema

        fine = await session.call_tool("check", {"text": "#check Nat"})
        assert "elaborated without errors" in words(fine) and "1:0: info: Nat : Type" in words(fine), fine
        assert fine.structuredContent["ok"] is True
        wrong = await session.call_tool("check", {"path": "A.lean"})
        assert "1 errors" in words(wrong) and "2:7: error:" in words(wrong), wrong
        late = await session.call_tool("check", {"text": "import Slow\n", "timeout": 0})
        assert "not elaborated" in words(late) or "elaborated" in words(late), late
        for path in ["../outside.lean", "/etc/passwd", "nothing.lean"]:
            refused = await session.call_tool("check", {"path": path})
            assert refused.isError, (path, refused)
        assert (await session.call_tool("check", {})).isError
        long = await session.call_tool("check", {"text": "\n".join(f"#check nothing{n}" for n in range(2000)), "timeout": 60})
        assert len(words(long)) < 21_000, len(words(long))
        pool = await session.call_tool("pool", {})
        assert "MB" in words(pool) and pool.structuredContent["zygotes"], pool
        for bad in [("check", {"txt": "#check Nat"}), ("nothing", {})]:
            try:
                result = await session.call_tool(*bad)
                assert result.isError, result
            except Exception as error:  # a fault of the protocol, said as such
                assert "txt" in str(error) or "nothing" in str(error), error


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
print("mcp: all passed")
