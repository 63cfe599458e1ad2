#!/bin/sh
# run.sh LEAN_DIR OUT TARGET: the program with both allocators, Lean's library named by lean-backend alone and by the program too, in debug and
# release. Then built with an objcopy that does nothing: whose memory the package's code takes is the program's own then, and Lean must not
# be started. Exit code 1 if something is otherwise.
cd "$(dirname "$0")" || exit 2
[ $# -eq 3 ] || { echo "usage: run.sh LEAN_DIR OUT TARGET" >&2; exit 2; }
LEAN_SYSROOT=$(cd "$1" && pwd) || exit 2
LEANPOOL_KIT=$(cd "$2" && pwd) || exit 2
CARGO_TARGET_DIR=$3
export LEAN_SYSROOT LEANPOOL_KIT CARGO_TARGET_DIR LINK_FROM
failed=0

run() {  # run NAME PROFILE FEATURES EXPECTED-CODE WORDS
    flag=
    [ "$2" = release ] && flag=--release
    cargo build --locked -q $flag $3 || exit 2
    whose=
    case $3 in *mimalloc)
        whose=", the program's own mi_free"
        nm "$CARGO_TARGET_DIR/$2/dependent" | grep -q "U mi_free" && whose=", Lean's mi_free" ;;
    esac
    output=$("$CARGO_TARGET_DIR/$2/dependent" 2>&1)
    code=$?
    last=$(echo "$output" | tail -n 1 | cut -c 1-300)
    result="as expected"
    [ $code -eq "$4" ] && echo "$last" | grep -q "$5" || { result=WRONG; failed=1; }
    echo "$result: $1, linked by the $LINK_FROM, $2$whose: exit code $code: $last"
}

for LINK_FROM in dependency program; do
    run "system allocator" debug "" 0 "2 panics caught"
    run "mimalloc" debug "--features mimalloc" 0 "2 panics caught"
done
for LINK_FROM in dependency program; do
    run "mimalloc" release "--features mimalloc" 0 "2 panics caught"
done

LEANPOOL_OBJCOPY=true
export LEANPOOL_OBJCOPY
LINK_FROM=dependency
run "names that are not told apart" debug "--features mimalloc" 1 "another allocator than Lean's"
exit $failed
