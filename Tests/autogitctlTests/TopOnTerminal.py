"""A daemon for tests of `autogitctl top`, which runs it on a terminal of its own.

TopOnTerminal.py PROGRAM runs all checks and exits with 0 when they hold; with `serve SOCKET` it only serves.
"""

import fcntl
import json
import os
import pty
import queue
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty
from datetime import datetime, timedelta, timezone


def ago(seconds):
    return (datetime.now(timezone.utc) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def runner(id, pool, status, **more):
    return dict(
        id=id, name=f"autogit-runner-{id}", status=status, phase="ready", pool=pool, driver="container", architecture="amd64", gpu_enabled=False,
        tags=[], jobs_done=1, cpus=1, memory_bytes=1 << 30, requested_at=ago(900), last_seen=ago(1), **more)


def pool(name, maximum, **more):
    return dict(
        dict(
            name=name, driver="container", tags=[name], run_untagged=False, paused=False, max_runners=maximum, warm=0, cooldown=60, max_jobs=0, cpus=1,
            memory_bytes=1 << 30, runners={}, failures=0), **more)


class Daemon:
    """HTTP/1.1 of the little that curl needs, with a thread for each connection."""

    def __init__(self, path):
        self.path = path
        self.calls = []
        self.readers = []
        self.opened = threading.Event()
        self.pools = [
            pool("linux", 8, runners={"busy": 2, "idle": 1}), pool("gpu", 2, failures=3, last_error="no such image: cuda:99"),
            pool("arm", 40, runners={"busy": 1}, pull=dict(image="x", received_bytes=10 << 20, total_bytes=90 << 20)),
        ]
        self.runners = [
            runner("aaaa1111", "linux", "busy", current_job=4710), runner("bbbb2222", "linux", "busy", current_job=4711),
            runner("cccc3333", "linux", "idle", cooldown_left=42.5), runner("dddd4444", "arm", "busy", current_job=4712),
        ]
        self.jobs = [
            dict(id=4720, project_id=1, project="group/app", name="evil\x1b[2J\u202e\u4f60\u597d", status="pending", pending_at=ago(700), tags=["cuda"],
                 waiting_reason="no pool has all of the tags cuda"),
            dict(id=4721, project_id=1, project="group/app", name="test", status="pending", pending_at=ago(5)),
        ] + [
            dict(id=4710 + n, project_id=1, project="group/app", name=f"build-{n}", status="running", running_at=ago(100 + n)) for n in range(3)
        ]

    def status(self):
        return dict(
            version="0.7.0", instance="i", started_at=ago(9999), gitlab="ok", engine="ok", warnings=[], runners={"busy": 3, "idle": 1},
            jobs={"pending": 2, "running": 3}, waiting={"4720": "no pool has all of the tags cuda"}, spawns=dict(count=4, failed=0),
            memory_promised_bytes=0, cpus_promised=0)

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(64)
        self.sockets = []
        threading.Thread(target=self.accept, args=[self.server], daemon=True).start()

    def stop(self):
        os.unlink(self.path)
        for one in [self.server] + self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def accept(self, server):
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            self.sockets.append(connection)
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        try:
            file = connection.makefile("rwb")
            while request := file.readline().decode().split():
                while file.readline() not in (b"\r\n", b""):
                    pass
                if request[1] == "/events":
                    return self.events(file)
                status, body = self.answer(request[0], request[1])
                if status == 200 and isinstance(body, str):
                    data = body.encode()
                else:
                    data = json.dumps(body).encode() + b"\n"
                file.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(data)) + data)
                file.flush()
        except (OSError, ValueError):
            pass

    def events(self, file):
        news = queue.Queue()
        self.readers.append(news)
        file.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 2000\n\n")
        file.flush()
        self.opened.set()
        while True:
            number = news.get()
            file.write(b"id: L-%d\nevent: job\ndata: {}\n\n" % number)
            file.flush()

    def tell(self):
        for news in self.readers:
            news.put(1)

    def answer(self, method, path):
        if method != "GET":
            self.calls.append(f"{method} {path}")
        parts = path.split("?")[0].split("/")
        if method == "POST" and parts[1] == "pools":
            one = next(p for p in self.pools if p["name"] == parts[2])
            one["paused"] = parts[3] == "pause"
            return 200, dict(name=one["name"], paused=one["paused"])
        if method == "DELETE":
            one = next(r for r in self.runners if r["id"] == parts[2])
            one["status"] = "draining"
            return 200, one
        if path.startswith("/runners/"):
            self.calls.append(f"{method} {path}")
            return 200, "".join(f"line {n} of the log\x07\r\n" for n in range(100))
        views = {"/status": self.status, "/jobs": lambda: self.jobs, "/pools": lambda: self.pools, "/runners": lambda: self.runners}
        if path in views:
            return 200, views[path]()
        return 404, dict(type="about:blank", title="Not Found", status=404, detail="there is no such thing")


class Screen:
    """The program on a terminal, of which everything that it wrote is kept."""

    def __init__(self, program, arguments, columns=100, rows=30, **environment):
        self.master, self.terminal = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.terminal)
        self.output = b""
        self.start = 0

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        env = dict(os.environ, TERM="xterm-256color", **environment)
        self.process = subprocess.Popen(
            [program] + arguments, stdin=self.terminal, stdout=self.terminal, stderr=self.terminal, env=env, preexec_fn=own_terminal)

    def resize(self, columns, rows):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def pump(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.output += os.read(self.master, 65536)

    def wait(self, condition, what, seconds=600):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not seen: {what}\n{self.output[-3000:]!r}"
            self.pump(0.05)

    def see(self, text, seconds=600):
        """Waits for a text that is written after the last key or `mark`."""
        self.wait(lambda: text.encode() in self.output[self.start:], text, seconds)

    def shown(self, text):
        self.wait(lambda: text.encode() in self.output, text)

    def mark(self):
        self.start = len(self.output)

    def press(self, keys):
        self.mark()
        os.write(self.master, keys.encode())

    def ends(self, status):
        self.wait(lambda: self.process.poll() is not None, "the end")
        while select.select([self.master], [], [], 0.05)[0]:
            self.pump(0)
        assert self.process.returncode == status, (self.process.returncode, self.output[-300:])
        assert self.output.rstrip().endswith(b"\x1b[?25h\x1b[?1049l"), self.output[-200:]
        assert b"\x1b[?7h" in self.output
        assert termios.tcgetattr(self.terminal) == self.before, "the terminal's settings are not as before"
        os.close(self.master)
        os.close(self.terminal)


def check(program):
    folder = tempfile.mkdtemp(prefix="autogit-top-")
    path = folder + "/control.sock"
    arguments = ["top", "--socket", path]
    daemon = Daemon(path)

    gone = subprocess.run([program] + arguments, capture_output=True, text=True)
    assert gone.returncode == 69 and "does not answer" in gone.stderr, gone

    daemon.start()
    frame = subprocess.run([program] + arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert frame.returncode == 0 and "WAITING 2" in frame.stdout and "\x1b" not in frame.stdout, frame
    assert frame.stdout.index("WAITING") < frame.stdout.index("POOLS") < frame.stdout.index("RUNNERS")
    whole = subprocess.run([program] + arguments + ["--json"], capture_output=True, text=True)
    assert whole.stdout.count("\n") == 1
    assert json.loads(whole.stdout) == dict(status=json.loads(whole.stdout)["status"], jobs=daemon.jobs, pools=daemon.pools, runners=daemon.runners)

    # The frame, an event, keys, a new size, and the end by a key.
    screen = Screen(program, arguments)
    screen.shown("no pool has all of the tags cuda")
    screen.shown("j/k select")
    assert b"\x1b[?1049h" in screen.output and b"\x1b[2J\xe2" not in screen.output
    assert termios.tcgetattr(screen.terminal) != screen.before
    assert daemon.opened.wait(600)
    daemon.jobs[1]["waiting_reason"] = "linux is at its maximum"
    screen.mark()
    daemon.tell()
    screen.see("linux is at its maximum")
    screen.press("p")
    screen.wait(lambda: "POST /pools/linux/pause" in daemon.calls, "the pause")
    screen.see("paused")
    screen.press("p")
    screen.wait(lambda: "POST /pools/linux/resume" in daemon.calls, "the resumption")
    screen.press("\x1b[Bjjjd")
    screen.see("drain autogit-runner-bbbb2222")
    screen.press("n")
    screen.see("j/k select")
    assert not any(call.startswith("DELETE") for call in daemon.calls)
    screen.press("dy")
    screen.wait(lambda: "DELETE /runners/bbbb2222" in daemon.calls, "the drain")
    screen.see("draining")
    screen.press("l")
    screen.see("line 99 of the log\ufffd")
    screen.press("g")
    screen.see("line 0 of the log")
    screen.press("\x1b")
    screen.see("POOLS")
    screen.mark()
    screen.resize(40, 10)
    screen.see("RUNNERS 4")
    screen.see(" more")
    # The daemon ends and comes back.
    screen.mark()
    daemon.stop()
    screen.see("the daemon does n")
    screen.mark()
    daemon.start()
    screen.see("linux")
    screen.press("q")
    screen.ends(0)

    for number in [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]:
        screen = Screen(program, arguments)
        screen.shown("j/k select")
        screen.process.send_signal(number)
        screen.ends(-number)
    screen = Screen(program, arguments)
    screen.shown("j/k select")
    screen.press("\x03")
    screen.ends(0)

    screen = Screen(program, arguments, NO_COLOR="1")
    screen.shown("j/k select")
    assert not any(code in screen.output for code in [b"\x1b[31m", b"\x1b[33m", b"\x1b[32m"])
    # A terminal that goes away.
    os.close(screen.terminal)
    os.close(screen.master)
    screen.process.wait(600)

    # A terminal that does not read any more: neither keys nor signals wait for it.
    screen = Screen(program, arguments, columns=300, rows=100)
    screen.shown("j/k select")
    for size in range(60):
        screen.resize(250 + size % 2, 100)
        time.sleep(0.02)
    screen.process.send_signal(signal.SIGTERM)
    screen.process.wait(600)
    daemon.stop()
    os.rmdir(folder)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serving = Daemon(sys.argv[2])
        serving.start()
        while True:
            time.sleep(3)
            serving.tell()
    else:
        check(sys.argv[1])
        print("ok")
