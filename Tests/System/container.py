"""A booted systemd in a container (systemd-nspawn): units, sockets, journal and watchdog at full speed; no cgroup limits.

Run inside `unshare --mount --net`: systemd-nspawn wants a tmpfs of its own on /run, and port 8080 is then ours alone."""
import subprocess
import time

from suite import die_with_parent


class Container:
    http_port = 8080

    def __init__(self, root):
        self.root = root
        self.process = None
        self.leader = None

    def start(self):
        subprocess.run("ip link set lo up && mount -t tmpfs tmpfs /run", shell=True, check=True)
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "-D", self.root, "--boot", "--register=no", "--keep-unit", "--console=pipe"],
            stdin=subprocess.DEVNULL, stdout=open(f"{self.root}.log", "w"), stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 60
        while True:
            children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
            if children:
                self.leader = children[0]
                if self.run("systemctl is-system-running --wait", 60)[1].strip() in ("running", "degraded"):
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the container does not boot; see {self.root}.log")
            time.sleep(0.1)

    def run(self, command, timeout=120):
        """Returns (exit code, output)."""
        try:
            done = subprocess.run(
                ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-p", "-n", "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                 "/bin/bash", "-c", f"cd /; {command}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
            return done.returncode, done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired as late:
            return 124, (late.stdout or b"").decode(errors="replace") + "\n(timed out)"

    def stop(self):
        if self.process and self.process.poll() is None:
            self.run("systemctl poweroff --force", 20)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
