#!/usr/bin/python3
"""Runs in the test machine as root: takes commands over the second serial port and answers with what came of them.

A line each way, base64 of JSON, so that nothing in a command or an output can look like the protocol."""
import base64
import json
import os
import subprocess
import tty

port = os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY)
tty.setraw(port)


def send(message):
    line = b"\n@" + base64.b64encode(json.dumps(message).encode()) + b"\n"
    while line:
        line = line[os.write(port, line):]


send({"ready": open("/proc/sys/kernel/random/boot_id").read().strip()})
with os.fdopen(os.dup(port), "rb", buffering=65536) as lines:
    for line in lines:
        if not line.startswith(b"@"):
            continue
        order = json.loads(base64.b64decode(line[1:]))
        try:
            done = subprocess.run(["/bin/bash", "-c", order["run"]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=order["timeout"])
            send({"id": order["id"], "code": done.returncode, "out": done.stdout.decode(errors="replace")[-200000:]})
        except subprocess.TimeoutExpired as late:
            send({"id": order["id"], "code": 124, "out": (late.stdout or b"").decode(errors="replace") + "\n(timed out)"})
