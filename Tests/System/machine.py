"""The test machine in QEMU, as seen from the host: start it, run commands in it, lose its power."""
import base64
import itertools
import json
import os
import socket
import subprocess
import time

from suite import die_with_parent

# This host as the machine sees it. Not in QEMU's usual 10.0.2.0/24: that is slirp4netns' too, so a container behind it could not reach us.
NETWORK, HOST = "10.0.42.0/24", "10.0.42.2"


class Machine:
    """One machine. Its second serial port leads to agent.py; its port 8080 is forwarded to `http_port` here.

    With `discard`, what it writes to its disk is gone when it stops. `memory` is in MiB."""

    def __init__(self, folder, http_port, memory=3072, discard=False):
        self.folder = folder
        self.memory = memory
        self.snapshot = "on" if discard else "off"
        self.kernel = ""
        self.http_port = http_port
        self.process = None
        self.boot_id = None
        self._ids = itertools.count(1)
        self._buffer = b""

    def _power_on(self):
        path = f"{self.folder}/agent.sock"
        if os.path.exists(path):
            os.unlink(path)
        self.process = subprocess.Popen(
            # no_timer_check: on a busy host the kernel's check that its timer ticks comes too late, and it panics.
            ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(self.memory), "-nodefaults", "-display", "none",
             "-kernel", f"{self.folder}/vmlinuz", "-initrd", f"{self.folder}/initrd.img", "-append",
             f"root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 no_timer_check {self.kernel}",
             "-drive", f"file={self.folder}/disk.img,format=raw,if=virtio,cache=unsafe,snapshot={self.snapshot}",
             "-netdev", f"user,id=net0,net={NETWORK},host={HOST},restrict=off,hostfwd=tcp:127.0.0.1:{self.http_port}-:8080", "-device", "virtio-net-pci,netdev=net0",
             "-serial", f"file:{self.folder}/console.log", "-chardev", f"socket,id=agent,path={path},server=on,wait=off", "-serial", "chardev:agent"],
            stdin=subprocess.DEVNULL, stderr=open(f"{self.folder}/qemu.log", "w"), preexec_fn=die_with_parent)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.port.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)
        self._buffer = b""

    def start(self):
        """Starts it and waits for its agent. An emulated kernel may hang before there is any userspace, so it gets a second try; what is wrong
        with the machine itself fails that one as well."""
        self._power_on()
        try:
            self.wait_for_boot(400)
        except TimeoutError:
            with open(f"{self.folder}/console.log", errors="replace") as console:
                print(f"       the machine didn't boot within 400 s; once more. The end of its console: {console.read()[-1500:]!r}", flush=True)
            self.cut_power()
            self._power_on()
            self.wait_for_boot()

    def wait_for_boot(self, seconds=900):
        self.boot_id = self._receive(lambda message: "ready" in message, seconds)["ready"]

    def _receive(self, wanted, seconds):
        deadline = time.monotonic() + seconds
        while True:
            while b"\n" in self._buffer:
                line, self._buffer = self._buffer.split(b"\n", 1)
                if line.startswith(b"@"):
                    message = json.loads(base64.b64decode(line[1:]))
                    if wanted(message):
                        return message
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the machine does not answer; see " + self.folder + "/console.log")
            self.port.settimeout(left)
            data = self.port.recv(65536)
            if not data:
                raise EOFError("the machine is gone; see " + self.folder + "/console.log")
            self._buffer += data

    def run(self, command, timeout=120):
        """Returns (exit code, output)."""
        number = next(self._ids)
        line = b"@" + base64.b64encode(json.dumps({"id": number, "run": command, "timeout": timeout}).encode()) + b"\n"
        self.port.settimeout(30)
        self.port.sendall(line)
        answer = self._receive(lambda message: message.get("id") == number, timeout + 60)
        return answer["code"], answer["out"]

    def reboot(self):
        """A clean reboot, asked for from inside."""
        self.run("systemd-run --no-block --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot")
        old = self.boot_id
        while self.boot_id == old:
            self.wait_for_boot()

    def restart_with(self, kernel):
        """A clean shutdown, and a start with more words on the kernel's command line."""
        self.run("systemd-run --no-block --on-active=1 --timer-property=AccuracySec=100ms systemctl poweroff")
        self.process.wait(timeout=300)
        self.kernel = kernel
        self.start()

    def cut_power(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
