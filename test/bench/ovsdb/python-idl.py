"""The same work by python3-openvswitch's IDL: python-idl.py SOCKET SCHEMA one-by-one N | load"""

import resource
import sys
import time

import ovs.db.idl
import ovs.poller

remote, schema, mode = sys.argv[1:4]


def memory():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def run_until(idl, condition):
    while not condition():
        idl.run()
        if condition():
            break
        poller = ovs.poller.Poller()
        idl.wait(poller)
        poller.block()


helper = ovs.db.idl.SchemaHelper(schema)
if mode == "load":
    helper.register_columns("Logical_Switch_Port", ["name", "addresses", "external_ids"])
else:
    helper.register_columns("Logical_Switch", ["name", "ports"])
    helper.register_columns("Logical_Switch_Port", ["name", "addresses", "external_ids"])
before = memory()
begin = time.monotonic()
idl = ovs.db.idl.Idl(remote, helper)
run_until(idl, lambda: idl.change_seqno != 0)
if mode == "load":
    rows = len(idl.tables["Logical_Switch_Port"].rows)
    print(time.monotonic() - begin, rows, (memory() - before) / max(rows, 1))
    sys.exit(0)

switch = next(row for row in idl.tables["Logical_Switch"].rows.values() if row.name == "bench")
count = int(sys.argv[4])
begin = time.monotonic()
for i in range(count):
    transaction = ovs.db.idl.Transaction(idl)
    port = transaction.insert(idl.tables["Logical_Switch_Port"])
    port.name = "python-%d" % i
    port.addresses = ["0a:58:0a:71:00:05 10.113.0.5"]
    port.setkey("external_ids", "pod", "demo/python-%d" % i)
    switch.addvalue("ports", port.uuid)
    assert transaction.commit_block() == ovs.db.idl.Transaction.SUCCESS
print(time.monotonic() - begin)
