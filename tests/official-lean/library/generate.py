#!/usr/bin/env python3
"""generate.py FOLDER [MODULES CONSTANTS]: Lean text of a library with many constants.

Writes FOLDER/Gen/M000.lean, M001.lean ... and FOLDER/Gen.lean, which imports the last ones, and so all.
Every module imports up to three earlier ones, so that there is a graph with shared parts; modules 2 k and 2 k + 1 do not import each
other, so that they can be compiled at the same time. The text is the same on every call. Defaults: 77 modules of about 980 constants.
"""
import os
import sys


def imports(i):
    return sorted({j for j in (i - 2, i // 2, i // 3) if 0 <= j < i - i % 2})


def module(i, constants):
    lines = ["prelude", "import Kit.Data"] + [f"import Gen.M{j:03}" for j in imports(i)]
    lines += ["set_option linter.all false", f"namespace Gen.M{i:03}", "universe u"]
    before = f"Gen.M{i - 2:03}" if i >= 2 else None
    for k in range(constants):
        kind = k % 8
        if kind == 0:     # makes use of another module
            n = f"{before}.f1" if before else "1"
            lines.append(f"theorem t{k} : Eq (HAdd.hAdd {n} {k}) (Nat.add {n} {k}) := rfl")
        elif kind == 1:
            lines.append(f"def f{k} : Nat := {i * constants + k}")
        elif kind == 2:
            lines.append(f"theorem t{k} {{α : Sort u}} (a b : α) (h : Eq a b) : Eq b a := Eq.symm h")
        elif kind == 3:
            lines.append(f"theorem t{k} : Eq (HMul.hMul f{k - 2} 1) f{k - 2} := rfl")
        elif kind == 4:
            lines.append(f"theorem t{k} (p q : Prop) (h : And p q) : And q p := ⟨h.right, h.left⟩")
        elif kind == 5:
            lines.append(f"axiom a{k} : Eq f{k - 4} f{k - 4}")
        elif kind == 6:
            lines.append(f"def g{k} (n : Nat) : List Nat := List.cons n (List.cons {k} List.nil)")
        else:
            lines.append(f"theorem t{k} (n : Nat) : Eq (g{k - 1} n) (g{k - 1} n) := rfl")
    lines.append(f"end Gen.M{i:03}")
    return "\n".join(lines) + "\n"


def main():
    folder = sys.argv[1]
    modules, constants = (int(a) for a in sys.argv[2:4]) if len(sys.argv) > 3 else (77, 980)
    os.makedirs(os.path.join(folder, "Gen"), exist_ok=True)
    for i in range(modules):
        with open(os.path.join(folder, "Gen", f"M{i:03}.lean"), "w", encoding="utf-8") as f:
            f.write(module(i, constants))
    used = {j for i in range(modules) for j in imports(i)}
    with open(os.path.join(folder, "Gen.lean"), "w", encoding="utf-8") as f:
        f.write("prelude\n" + "".join(f"import Gen.M{i:03}\n" for i in range(modules) if i not in used))


main()
