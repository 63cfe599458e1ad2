module
public import Lean

/-!
What is true of the whole process: which Lean runs, and how many extensions are registered.

Since it last ran on real Lean: `extensionEpoch` moved here from `Session.lean`, unchanged; `runningVersion` is new.
-/

public section
namespace LeanPool
open Lean

/-- The version of the Lean that runs, such as `4.27.0`. (New since it last ran on real Lean.) -/
@[export leanpool_version]
def runningVersion : IO String := do
  return Lean.versionString

/-- Grows when an import registers an extension or attribute: an environment imported at a lower epoch is stale. -/
@[export leanpool_extension_epoch]
def extensionEpoch : IO UInt64 := do
  return ((← persistentEnvExtensionsRef.get).size + (← scopedEnvExtensionsRef.get).size
    + (← getNumBuiltinAttributes)).toUInt64

end LeanPool
