prelude
import Kit.Io
/-! An import of this module with extensions fails: its initialiser throws. The second time, Lean would pass over it. -/

@[extern "lean_io_remove_file"] opaque IO.FS.removeFile (path : String) : IO Unit

@[init] def sour : IO Unit := IO.FS.removeFile "/no/such/file/of/Sour"
