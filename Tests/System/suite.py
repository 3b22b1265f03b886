"""What the tests in the virtual machine and those in the container share."""
import argparse
import concurrent.futures
import contextlib
import json
import os
import threading
import time
import traceback
import urllib.error
import urllib.request


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def arguments(text):
    parser = argparse.ArgumentParser(usage=text)
    for name in ["deb", "upgrade", "gitlab"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--only", help="only the tests whose names contain one of these words")
    parser.add_argument("--skip", help="not the tests whose names contain one of these words")
    parser.add_argument("--until", type=float, help="seconds since 1970 after which no further test begins; those left out are named")
    return parser


def die_with_parent():
    import ctypes
    import signal
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Suite:
    """Tests are the methods named test_…, in their order: later ones build on the package being installed.

    Those in `first` also run when --only names others, which build on them. Where it names none, the machine isn't started.
    `machine` has start(), stop(), run(command, timeout) and `http_port`, where its port 8080 is reached from here."""
    name = "system"
    first = ()

    def __init__(self, machine, options):
        self.machine, self.only, self.skip, self.time_up = machine, options.only, options.skip, options.until
        self.deb, self.upgrade = os.path.basename(options.deb), os.path.basename(options.upgrade)
        self.gitlab_deb = self.deb.replace("autogit_", "autogit-gitlab_").rsplit("_", 1)[0] + "_all.deb"
        self.gitlab = None
        self.passed = self.failed = 0

    # -- helpers

    def sh(self, command, timeout=120, ok=True):
        code, out = self.machine.run(command, timeout)
        if ok and code != 0:
            raise Failed(f"{command}: exit {code}\n{out[-3000:]}")
        return out.strip() if ok else (code, out.strip())

    def as_user(self, command):
        return f"runuser -u homelab -- env XDG_RUNTIME_DIR=/run/user/1000 sh -c {json.dumps(command)}"

    def api(self, path, timeout=20):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.machine.http_port}{path}", timeout=timeout) as answer:
            return json.load(answer)

    def api_even_degraded(self, path):
        """The answer of /health, whatever its status."""
        try:
            return self.api(path)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def until(self, what, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            value = None
            try:
                value = condition()
            except (OSError, urllib.error.URLError):
                pass
            if value:
                return value
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not within {seconds} s")
            time.sleep(0.2)

    def pid(self):
        return self.sh("systemctl show -p MainPID --value autogit")

    def lingering(self):
        return self.sh("ls /var/lib/systemd/linger")

    def is_active(self):
        return self.unit_state("autogit")

    def unit_state(self, unit):
        return self.sh(f"systemctl show -p ActiveState --value {unit}")

    def healthy(self, seconds=60):
        self.until("the daemon is healthy", lambda: self.api("/health")["status"] == "healthy", seconds)

    def configure(self, text, verb="restart", healthy=True):
        self.sh(f"cat > /etc/autogit/autogit.toml <<'E'\n{text}\nE\nautogitctl check >/dev/null && systemctl {verb} autogit")
        if healthy:
            self.healthy()

    def note(self, text):
        print(f"       {text}", flush=True)

    # -- checks that are made of both machines

    def install(self, options="--no-install-recommends"):
        self.sh(f"DEBIAN_FRONTEND=noninteractive apt-get install -y {options} /opt/autogit-test/{self.deb}", 1200)
        check(self.sh("systemctl is-active autogit.socket autogit-control.socket") == "active\nactive", "the sockets are not active")
        check(self.sh("systemctl is-enabled autogit.socket autogit-control.socket autogit.service").split() == ["enabled"] * 3, "not all are enabled")
        check(self.is_active() == "inactive", "the service was started")
        check(self.sh("stat -c '%a %U %G' /run/autogit/control.sock") == "660 root autogit", "the control socket's owner or mode")
        check(self.sh("stat -c '%a %U' /etc/autogit/webhook-secret") == "600 root", "the webhook secret's mode")
        check(self.lingering() == "homelab", f"lingering: {self.lingering()}")
        check(self.sh("stat -c '%a %U' /var/lib/autogit; cat /var/lib/autogit/lingering") == "700 homelab\nhomelab", "postrm would not know that it was us")

    def units_are_clean(self):
        out = self.sh("systemd-analyze verify autogit.service autogit.socket autogit-control.socket autogit.slice 2>&1")
        check(out == "", f"systemd-analyze verify: {out}")

    def control_socket_is_closed_to_others(self):
        code, out = self.sh(self.as_user("autogitctl status"), ok=False)
        check(code == 77 and "group autogit" in out, f"{code} {out}")

    @contextlib.contextmanager
    def drop_in(self, lines):
        """An operator's lines under [Service] of the unit; systemd knows of them, and nothing is restarted."""
        folder = "/etc/systemd/system/autogit.service.d"
        self.sh(f"mkdir -p {folder}; cat > {folder}/test.conf <<'E'\n[Service]\n{lines}\nE\nsystemctl daemon-reload")
        try:
            yield
        finally:
            self.sh(f"rm {folder}/test.conf; rmdir --ignore-fail-on-non-empty {folder}; systemctl daemon-reload")

    @contextlib.contextmanager
    def watchdog(self, seconds):
        with self.drop_in(f"WatchdogSec={seconds}"):
            self.sh("systemctl restart autogit")
            self.healthy()
            yield
        self.sh("systemctl restart autogit")

    def webhooks_over_restarts(self, restarts):
        """A stream of webhooks from four connections at a time while the service is restarted again and again."""
        secret = self.sh("cat /etc/autogit/webhook-secret")
        stop = threading.Event()
        answers = {}

        def stream(lane):
            number = 1_000_000 + lane * 100_000
            while not stop.is_set():
                number += 1
                body = {"object_kind": "build", "build_id": number, "build_name": "x", "build_stage": "t", "build_status": "created", "project_id": 1}
                request = urllib.request.Request(
                    f"http://127.0.0.1:{self.machine.http_port}/webhook/job", data=json.dumps(body).encode(), method="POST",
                    headers={"X-Gitlab-Token": secret, "X-Gitlab-Event": "Job Hook", "Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        answers[number] = answer.status
                except urllib.error.HTTPError as error:
                    answers[number] = error.code
                except OSError as error:
                    answers[number] = str(error)
                stop.wait(0.005)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            lanes = [pool.submit(stream, lane) for lane in range(4)]
            try:
                for _ in range(restarts):
                    self.sh("systemctl restart autogit")
            finally:
                stop.set()
            for lane in lanes:
                lane.result()
        bad = {k: v for k, v in answers.items() if not (isinstance(v, int) and 200 <= v < 300)}
        stored = set(map(int, self.sh("sqlite3 /var/lib/autogit/autogit.db 'SELECT id FROM jobs WHERE id > 1000000'").split()))
        self.note(f"{len(answers)} webhooks during {restarts} restarts, {len(bad)} not answered 2xx, {len(set(answers) - stored)} not in the store")
        check(not bad, f"not answered 2xx: {list(bad.items())[:5]}")
        check(set(answers) <= stored, f"not in the store: {sorted(set(answers) - stored)[:5]}")
        check(len(answers) > 100, "too few to say anything")

    def purge(self):
        self.sh("apt-get purge -y autogit", 240)
        left = self.sh("find / -xdev \\( -path /opt -o -path /proc -o -path /sys -o -path /var/log -o -path /var/cache/man -o -path /usr/share/doc \\) -prune -o -name '*autogit*' -print "
                       "| grep -v -e dpkg -e autogit-test -e containers/storage -e timers -e coverage || true")
        check(left == "", f"left behind:\n{left}")
        check(self.sh("getent group autogit", ok=False)[0] != 0, "the group is left")

    def log_in_and_out(self):
        """Through PAM, as at the console or over SSH. The visitor, who does not linger, logs out later: once logind has ended all of theirs, it would have
        ended all of homelab's."""
        self.sh("su -l homelab -c true; su -l visitor -c true")
        self.until("the visitor's systemd has ended", lambda: self.unit_state("user@1001") == "inactive")
        check(self.unit_state("user@1000") == "active", f"homelab's systemd is {self.unit_state('user@1000')} after a logout")

    # -- running

    def show_the_fleet(self):
        """What there was at a failure, to both sides."""
        for path in ["/runners", "/jobs"]:
            try:
                print(f"{path}: {json.dumps(self.api(path))}", flush=True)
            except (OSError, ValueError) as error:
                print(f"{path}: {error}", flush=True)
        units = "systemctl --user list-units --all --plain --no-legend 'autogit*'; systemctl --user list-jobs --no-legend; systemd-cgls --no-pager -u autogit.slice"
        print(self.sh(self.as_user(units) + " 2>&1; ls /var/lib/autogit/scopes", ok=False)[1], flush=True)

    def chosen(self):
        """The names of the tests to run."""
        names = [name for name in type(self).__dict__ if name.startswith("test_")]
        if self.skip:
            left_out = [name for name in names if any(word in name for word in self.skip.split(","))]
            print(f"{self.name}: left out here: {', '.join(left_out) or 'none'}", flush=True)
            names = [name for name in names if name not in left_out]
        if not self.only:
            return names
        wanted = {name for name in names if any(word in name for word in self.only.split(","))}
        return [name for name in names if name in wanted or name in self.first] if wanted else []

    def is_late(self):
        """By the clock of the wall, which who calls this has, too."""
        return self.time_up is not None and time.time() > self.time_up

    def run(self):
        began = time.monotonic()
        names = self.chosen()
        if self.is_late():
            print(f"{self.name}: left out for want of time: {', '.join(names)}", flush=True)
            names = []
        if names:
            self.machine.start()
            print(f"{self.name}: the machine is up after {time.monotonic() - began:.0f} s", flush=True)
        for index, name in enumerate(names):
            if self.is_late():
                print(f"{self.name}: left out for want of time: {', '.join(names[index:])}", flush=True)
                break
            start = time.monotonic()
            words = name.removeprefix("test_").replace("_", " ")
            try:
                getattr(self, name)()
                self.passed += 1
                print(f"ok     {words} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception as error:
                self.failed += 1
                print(f"FAILED {words}: {error}", flush=True)
                if not isinstance(error, Failed):
                    traceback.print_exc()
                try:
                    self.show_the_fleet()
                    print(self.sh("journalctl -n 4000 --no-pager -o short-precise | grep -v -e systemd-networkd -e 'Polling for jobs' | tail -n 90", ok=False)[1], flush=True)
                except Exception:
                    break
        print(f"{self.name}: {self.passed} passed, {self.failed} failed, in {time.monotonic() - began:.0f} s", flush=True)

    def main(self):
        """Runs, cleans up, and returns the exit code."""
        try:
            self.run()
        finally:
            self.machine.stop()
            if self.gitlab:
                self.gitlab.process.kill()
        return 0 if self.failed == 0 and (self.passed or self.only or self.is_late()) else 1
