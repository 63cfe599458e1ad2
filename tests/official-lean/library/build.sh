#!/bin/sh
# build.sh LEAN OUT [MODULES CONSTANTS]: compiles the library with the `lean` of get.sh.
#
#   OUT/lib       .olean files of Kit, Gen (generated, if MODULES is not 0), Effect, Slow, Deep, Sour
#   OUT/one OUT/two   two modules of one name, `Twin`, with other contents
#   OUT/gen       the generated text
# What is newer than its source and `lean`, and does not follow something that was compiled, is kept. Two modules at a time, a thread
# each: generated modules come in pairs that do not import each other.
set -eu
[ $# -ge 2 ] || { echo "usage: build.sh LEAN OUT [MODULES CONSTANTS]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
lean=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
mkdir -p "$2"
out=$(cd "$2" && pwd)
modules=${3:-77}
constants=${4:-980}
export LEAN_PATH="$out/lib"

compile() {  # compile FOLDER MODULE-FILE TO: exit code 0 if it was compiled, 10 if it is kept
    to=$3/${2%.lean}.olean
    # What was compiled before something that it may import is too old.
    [ -z "$new" ] && [ -f "$to" ] && [ "$to" -nt "$1/$2" ] && [ "$to" -nt "$lean" ] && return 10
    mkdir -p "$(dirname "$to")"
    # Under its name only when it is whole: what is killed in between leaves nothing that looks like a module.
    (cd "$1" && "$lean" -j1 -DElab.async=false -o "$to.part" "$2" && mv "$to.part" "$to") || { echo "build.sh: $2 does not compile" >&2; return 1; }
}
note() {  # note EXIT-CODE
    case $1 in 0) new=1 ;; 10) ;; *) exit 1 ;; esac
}
one() { code=0; compile "$@" || code=$?; note $code; }

new=
for m in Core Data; do one "$here" "Kit/$m.lean" "$out/lib"; done
base=$new
for m in Syntax Io; do one "$here" "Kit/$m.lean" "$out/lib"; done
one "$here" Kit.lean "$out/lib"
for m in Effect Slow Deep Sour; do one "$here/special" "$m.lean" "$out/lib"; done
for f in one two; do one "$here/special/$f" Twin.lean "$out/$f"; done

if [ "$modules" -gt 0 ]; then
    size="$modules $constants $(cksum < "$here/generate.py")"
    if [ "$(cat "$out/gen/.size" 2>/dev/null)" != "$size" ]; then
        rm -rf "$out/gen" "$out/lib/Gen" "$out/lib/Gen.olean"
        python3 "$here/generate.py" "$out/gen" "$modules" "$constants"
        echo "$size" > "$out/gen/.size"
    fi
    new=$base
    i=0
    while [ $i -lt "$modules" ]; do
        second=
        if [ $((i + 1)) -lt "$modules" ]; then
            compile "$out/gen" "Gen/M$(printf %03d $((i + 1))).lean" "$out/lib" &
            second=$!
        fi
        code=0
        compile "$out/gen" "Gen/M$(printf %03d $i).lean" "$out/lib" || code=$?
        other=10
        if [ -n "$second" ]; then other=0; wait $second || other=$?; fi
        note $code
        note $other
        i=$((i + 2))
    done
    one "$out/gen" Gen.lean "$out/lib"
fi
echo "compiled into $2"
