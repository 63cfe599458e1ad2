module
public import Lean

/-!
What a file asks for: its header as Lean's own parser reads it, and the words in which an import is handed to
`LeanPool.Import`.

Since it last ran on real Lean: moved here from `Session.lean` and `Import.lean`, the code unchanged.
-/

public section
namespace LeanPool
open Lean

/-- One import as text, in the words of a header and in their order: `[public ][meta ][all ]Module.Name`. -/
def renderImport (i : Import) : String :=
  (if i.isExported then "public " else "") ++ (if i.isMeta then "meta " else "") ++ (if i.importAll then "all " else "")
    ++ i.module.toString

def parseImport (text : String) : Import :=
  let words := (text.splitOn " ").filter (· != "")
  { module := (words.getLastD "").toName, isExported := words.contains "public", isMeta := words.contains "meta",
    importAll := words.contains "all" }

/-- The header of `source` as Lean's own parser reads it: `module` first if it begins with that word, then each import in
order (see `renderImport`), `Init` included where Lean adds it. -/
@[export leanpool_header]
def header (source fileName : String) : IO (Array String) := do
  let (header, _, messages) ← Parser.parseHeader (Parser.mkInputContext source fileName)
  if let some message := messages.toArray.find? (·.severity == .error) then
    throw <| IO.userError s!"{fileName}:{message.pos.line}:{message.pos.column}: {← message.data.toString}"
  let header : Elab.HeaderSyntax := header
  let imports := header.imports.map renderImport
  return if header.isModule then #["module"] ++ imports else imports

end LeanPool
