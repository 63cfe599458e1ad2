"""Bar charts as SVG for the documents: `bars.py memory OUT.svg`, `bars.py sqlite OUT.svg`. Numbers come from the tables in docs/memory.md and benches/RESULTS.md."""

import html
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def rows(file, heading):
    """The table of `file` whose head begins with `heading`: for each row its cells."""
    lines = (ROOT / file).read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith(f"| {heading}"))
    table = []
    for line in lines[start + 2:]:
        if not line.startswith("|"):
            return table
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table


def number(text):
    return float(re.search(r"[\d.]+", text).group())


def chart(title, bars):
    """`bars`: label, value, what is written beside it. Readable on a light and on a dark page."""
    row, left, width = 30, 250, 760
    most = max(value for _, value, _ in bars)
    scale = (width - left - 190) / most
    height = 44 + row * len(bars)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="14" role="img">',
             f"<title>{html.escape(title)}</title>", f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             f'<text x="12" y="24" font-size="15" font-weight="bold" fill="#222222">{html.escape(title)}</text>']
    for at, (label, value, beside) in enumerate(bars):
        y = 38 + row * at
        long = max(value * scale, 1.5)
        colour = "#2a6f97" if "pool-core" in label or "shared" in label or "forked" in label else "#b8b8b8"
        parts.append(f'<text x="{left - 10}" y="{y + 16}" text-anchor="end" fill="#222222">{html.escape(label)}</text>')
        parts.append(f'<rect x="{left}" y="{y + 3}" width="{long:.1f}" height="{row - 10}" fill="{colour}"/>')
        parts.append(f'<text x="{left + long + 8:.1f}" y="{y + 16}" fill="#222222">{html.escape(beside)}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"


def memory():
    again = {cells[0]: cells[2] for cells in rows("docs/memory.md", "import, again in one process")}
    own = {cells[0]: cells[1] for cells in rows("docs/memory.md", "| memory of its own")}
    child = own["a child that has checked a small file"]
    bars = [("importModules once more", again["`Lean`, plain"]), ("with shared regions", again["`Lean`, regions shared"]),
            ("a forked process, with its check", child)]
    return chart("Memory that one more `import Lean` takes", [(label, number(text), text) for label, text in bars])


def sqlite():
    bars = []
    for cells in rows("benches/RESULTS.md", "64 databases"):
        if cells[0] in ("pool-core, at most 16", "r2d2_sqlite, 64 pools", "r2d2_sqlite, 16 pools", "deadpool-sqlite, 64 pools", "deadpool-sqlite, 16 pools"):
            bars.append((cells[0], number(cells[3]), f"{cells[3]} at most, {cells[1]} opened"))
    return chart("64 databases, room for 16: connections at a time", bars)


if __name__ == "__main__":
    charts = {"memory": memory, "sqlite": sqlite}
    if len(sys.argv) != 3 or sys.argv[1] not in charts:
        sys.exit(__doc__)
    pathlib.Path(sys.argv[2]).write_text(charts[sys.argv[1]]())
