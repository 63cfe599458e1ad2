module
public meta import Lean.Elab.Command

public meta section

/-!
What differs between Lean 4.27 and later versions is said with these two commands. Everything else is written against what they
have in common.
-/

namespace LeanpoolBackend
open Lean Elab Command

private def isBefore (major minor : Nat) : Bool :=
  Lean.version.major < major || (Lean.version.major == major && Lean.version.minor < minor)

/-- `#since 4 32 command`: elaborates `command` with Lean 4.32 and later only. -/
syntax (name := since) "#since " num num command : command
/-- `#until 4 32 command`: elaborates `command` with versions before Lean 4.32 only. -/
syntax (name := until_) "#until " num num command : command

@[command_elab since] def elabSince : CommandElab := fun stx => do
  unless isBefore stx[1].toNat stx[2].toNat do elabCommand stx[3]

@[command_elab until_] def elabUntil : CommandElab := fun stx => do
  if isBefore stx[1].toNat stx[2].toNat then elabCommand stx[3]

end LeanpoolBackend
