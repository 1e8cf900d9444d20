#!/bin/sh
# exec: the program is process 1 and gets the signals itself. NODE_FLAGS, unlike NODE_OPTIONS, takes V8's options too.
exec /usr/local/bin/node ${NODE_FLAGS:-} /usr/local/lib/nauti/nauti.js "$@"
