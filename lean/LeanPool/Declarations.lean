module
public import Lean

/-!
What an environment declares: what sort of thing a name is, its type, and the names below a prefix.

Nothing here changes the environment it is given.

Since it last ran on real Lean: moved here from `Session.lean`, the code unchanged.
-/

public section
namespace LeanPool
open Lean

/-- Kind of a declaration: 0 none, 1 axiom, 2 definition, 3 theorem, 4 opaque, 5 quotient, 6 inductive type,
7 constructor, 8 recursor. -/
@[export leanpool_declaration_kind]
def declarationKind (env : Environment) (name : String) : UInt8 :=
  match env.find? name.toName with
  | none => 0
  | some (.axiomInfo ..) => 1
  | some (.defnInfo ..) => 2
  | some (.thmInfo ..) => 3
  | some (.opaqueInfo ..) => 4
  | some (.quotInfo ..) => 5
  | some (.inductInfo ..) => 6
  | some (.ctorInfo ..) => 7
  | some (.recInfo ..) => 8

/-- The type of a declaration as Lean prints it; an error if there is no such declaration. -/
@[export leanpool_declaration_type]
def declarationType (env : Environment) (name : String) : IO String := do
  let some info := env.find? name.toName | throw <| IO.userError s!"unknown declaration '{name}'"
  let context : Core.Context := { fileName := "<leanpool>", fileMap := default }
  let (format, _) ← (Meta.MetaM.run' (Meta.ppExpr info.type)).toIO context { env }
  return format.pretty

/-- Names of declarations below `root` (all if it is empty), sorted, at most `limit`; internal names are left out. -/
@[export leanpool_declarations]
def declarations (env : Environment) (root : String) (limit : UInt64) : Array String :=
  let root := root.toName
  let names := env.constants.fold (init := #[]) fun names name _ =>
    if root.isPrefixOf name && !name.isInternalDetail then names.push name.toString else names
  (names.qsort (· < ·)).take limit.toNat

end LeanPool
