#!/bin/sh
# Runs a program below process 1 of the container, and ends it by SIGTERM.
#
# Programs of OVS tidy up on SIGTERM and then raise it again, which does nothing to process 1: they would crash instead.
"$@" &
child=$!
ended=
trap 'ended=1; kill -TERM "$child" 2>/dev/null' TERM INT
code=0
wait "$child" || code=$?
# A signal ends the wait, not the program.
while kill -0 "$child" 2>/dev/null; do wait "$child" || code=$?; done
[ -z "$ended" ] || exit 0
exit "$code"
