prelude
import Kit.Io
/-! An import of this module recurses without end, in interpreted code, on the thread that imports: the runtime throws a C++ exception. -/

partial def deep (n : Nat) : Nat := Nat.succ (deep (Nat.succ n))

def overflow : IO Nat := fun _ => .ok (deep 0)

@[init overflow] opaque depth : Nat
