#!/bin/sh
# The model checker over lane.pml: the protocol in several sizes, which must hold, and its broken variants, which must not.
#   tests/models/run.sh          the small sizes and every variant: about a minute, 1 GB
#   tests/models/run.sh full     and the large sizes: half an hour, 12 GB
# Exit code 0: everything came out as it must. Needs spin and a C compiler.
set -eu
model=$(cd "$(dirname "$0")" && pwd)/lane.pml
work=$(mktemp -d "${TMPDIR:-/tmp}/gptg-models.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
wrong=0
order=

# check holds|breaks WHAT MEGABYTES SECONDS FLAG...
check() {
    expected=$1 what=$2 megabytes=$3 seconds=$4
    shift 4
    rm -f pan* ./*.trail
    spin "$@" -a "$model" >spin.log 2>&1 || { cat spin.log; exit 1; }
    speed=-O1                                   # the compiler takes longer than a search that ends early
    case $expected in breaks) speed=-O0 ;; esac
    "${CC:-cc}" $speed -w $order -DSAFETY -DCOLLAPSE -DMEMLIM="$megabytes" -o pan pan.c
    timeout "$seconds" ./pan -m500000 -w24 >pan.log 2>&1 || true
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
    states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log | head -n 1)
    why=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' pan.log | head -n 1)
    if grep -qE 'out of memory|max search depth too small|Search not completed' pan.log || [ -z "$errors" ]; then
        [ "${errors:-0}" != 0 ] || errors=unfinished
    fi
    case $expected:$errors in
    holds:0) verdict=holds ;;
    holds:*) verdict="FAILS ($errors)" wrong=$((wrong + 1)) ;;
    breaks:0 | breaks:unfinished) verdict=SURVIVES wrong=$((wrong + 1)) ;;
    *) verdict=breaks ;;
    esac
    printf '%-9s %-58s %12s states  %s\n' "$verdict" "$what" "${states:-?}" "$why"
}

check holds  "two jobs, no fault"                                   1000  60 -DFAULTS=0
check holds  "two jobs, any one fault"                              1000  60 -DFAULTS=1
check holds  "the second begins in media, the first asks twice"     1000  60 -DFAULTS=1 -DMEDIA -DROUNDS=2
check holds  "and a direct job beside them"                         1500  90 -DFAULTS=1 -DDIRECT
check breaks "who is in the stream is live"                         1500  60 -DFAULTS=2 -DPENDING_GUARD
check breaks "a follow entry is stale until its turn"               1000  60 -DFAULTS=0 -DNAIVE_FOLLOW
check breaks "no follow entry"                                      1000  60 -DFAULTS=0 -DNO_FOLLOW
check breaks "accept dispatches whatever is in hand"                1000  60 -DFAULTS=0 -DDISPATCH_ALWAYS
check breaks "the end dispatches nobody"                            1000  60 -DFAULTS=0 -DNO_NEXT
check breaks "llm ends the job itself"                              1000  60 -DFAULTS=0 -DLLM_ENDS
check breaks "the follower ends the job before its turn"            1000  60 -DFAULTS=0 -DEARLY_END
check breaks "a commit keeps the reservation"                       1000  60 -DFAULTS=0 -DKEEPS_HOLD
order=-DT_REVERSE                               # finds this one much sooner
check breaks "a commit does not say which response it settles"      1500  60 -DFAULTS=2 -DBLIND_END
order=
check breaks "the second of two responses is not booked"            1000  60 -DFAULTS=1 -DLOSER_IS_QUIET
check breaks "a message whose id is refused stays"                  1000  60 -DFAULTS=1 -DKEEPS_REFUSED
check breaks "what is parked is not brought back"                   1000  60 -DFAULTS=1 -DNO_UNPARK
check breaks "an entry vanishes, and there is no auditor"           1000  60 -DFAULTS=1 -DNO_AUDITOR
if [ "${1:-}" = full ]; then
    check holds "three jobs, any one fault"                         6000  600 -DFAULTS=1 -DNJ=3
    check holds "two jobs, any two faults"                         12000  900 -DFAULTS=2
    check holds "media, two calls, a direct job, any one fault"    12000  900 -DFAULTS=1 -DMEDIA -DROUNDS=2 -DDIRECT
fi
[ $wrong = 0 ] || echo "$wrong came out otherwise than they must"
exit $((wrong > 0))
