#!/usr/bin/python3
"""The package in a whole Debian under real systemd and cgroup v2, with rootless Podman; GitLab is simulated beside it.

usage: run.py --deb FILE --upgrade FILE --simulator PROGRAM --folder FOLDER [--only WORD]
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request

from machine import Machine, _die_with_parent

TOKEN = "glpat-system-test-4711"
IMAGE = "localhost/autogit-test-empty:1"
CONFIG = """
[gitlab]
url = "{url}"
poll_interval = "5s"
[host]
memory = "2GiB"
{pools}
"""
CONTAINER = """
[[pool]]
name = "default"
tags = ["autogit", "docker"]
image = "%s"
command = ["/opt/autogit-test/scope-runner"]
# The image is an empty frame for the machine's own programs: importing a real one takes minutes without KVM.
mounts = ["/usr:/usr:ro", "/opt/autogit-test:/opt/autogit-test:ro", "/etc/ssl:/etc/ssl:ro"]
network = "host"
memory = "256MiB"
cpus = 1.0
max_runners = 4
cooldown = "6s"
""" % IMAGE
SCOPE = """
[[pool]]
name = "scopes"
driver = "scope"
tags = ["autogit", "docker", "scope"]
command = ["/opt/autogit-test/scope-runner"]
memory = "192MiB"
cpus = 0.5
max_runners = 4
cooldown = "6s"
"""


def job(script, tags="scope"):
    lines = "".join(f"    - {json.dumps(line)}\n" for line in script)
    return f"test:\n  stage: test\n  script:\n{lines}  tags: [{tags}]\n"


PROJECTS = {
    "root/long": job(["echo begun", "sleep 12", "echo ended"]),
    "root/longer": job(["echo begun", "sleep 75", "echo ended"]),
    "root/long-container": job(["echo begun", "sleep 12", "echo ended"], "docker, autogit"),
    "root/peek": job([
        "if cat /var/lib/autogit/autogit.db; then exit 11; fi",
        "if ls /run/credentials/autogit.service; then exit 12; fi",
        "if cat /etc/autogit/gitlab-token /etc/autogit/webhook-secret; then exit 13; fi",
        "if ls /run/user/1000/bus /run/user/1000/podman; then exit 14; fi",
        "for p in /proc/[0-9]*; do if grep -qs autogitd $p/comm; then if cat $p/environ || ls $p/fd || ls $p/root/; then exit 15; fi; fi; done",
        "if systemctl --user status; then exit 16; fi",
        "if touch /usr/x /etc/x /home/x; then exit 17; fi",
        "if curl -s --unix-socket /run/autogit/control.sock http://x/status; then exit 18; fi",
        "touch ./mine && test $(stat -c %a /run/autogit/token) = 600", "echo contained"]),
    "root/greedy": job(["python3 -c 'x = bytearray(400 << 20); print(len(x))'"]),
    "root/greedy-container": job(["python3 -c 'x = bytearray(500 << 20); print(len(x))'"], "docker, autogit"),
    "root/burner": job([
        "python3 -c 'import time; w = time.time(); c = time.process_time()\nwhile time.time() < w + 8: pass\n"
        "print(\"quota %.2f\" % ((time.process_time() - c) / (time.time() - w)))'"]),
}


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


class GitLab:
    def __init__(self, program, folder, scenario):
        shutil.rmtree(f"{folder}/gitlab", ignore_errors=True)
        os.makedirs(f"{folder}/gitlab")
        with open(f"{folder}/token", "w") as out:
            out.write(TOKEN)
        arguments = [program, "--directory", f"{folder}/gitlab", "--token-file", f"{folder}/token", "--url", "http://10.0.2.2:PORT",
                     "--project", f"root/runner-test={scenario}"]
        for path, text in PROJECTS.items():
            file = f"{folder}/gitlab/{path.replace('/', '-')}.yml"
            with open(file, "w") as out:
                out.write(text)
            arguments += ["--project", f"{path}={file}"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
        self.url = self.process.stdout.readline().strip()
        check(self.url, "the simulator did not start")
        self.inside = self.url.replace("127.0.0.1", "10.0.2.2")

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/api/v4/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"PRIVATE-TOKEN": TOKEN, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def project(self, path):
        return next(p["id"] for p in self.call("GET", "projects?per_page=100") if p["path_with_namespace"] == path)

    def start(self, path):
        """A pipeline; returns the ids of its jobs."""
        project = self.project(path)
        before = {j["id"] for j in self.jobs(project)}
        self.call("POST", f"projects/{project}/pipeline", {"ref": "main"})
        return project, [j["id"] for j in self.jobs(project) if j["id"] not in before]

    def jobs(self, project):
        return self.call("GET", f"projects/{project}/jobs?per_page=100")

    def wait(self, project, ids, statuses, seconds=240):
        deadline = time.monotonic() + seconds
        while True:
            now = {j["id"]: j for j in self.jobs(project) if j["id"] in ids}
            if all(j["status"] in statuses for j in now.values()):
                return list(now.values())
            if time.monotonic() > deadline:
                raise Failed(f"jobs are {[j['status'] for j in now.values()]} after {seconds} s, wanted {statuses}")
            time.sleep(0.5)

    def runners(self):
        return self.call("GET", "runners/all?per_page=100")

    def trace(self, project, job):
        request = urllib.request.Request(f"{self.url}/api/v4/projects/{project}/jobs/{job}/trace", headers={"PRIVATE-TOKEN": TOKEN})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode(errors="replace")


class Suite:
    def __init__(self, options):
        self.o = options
        self.machine = Machine(options.folder, options.port)
        self.gitlab = GitLab(options.simulator, options.folder, options.scenario)
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
            time.sleep(0.3)

    def configure(self, pools, verb="restart"):
        text = CONFIG.format(url=self.gitlab.inside, pools=pools)
        self.sh(f"cat > /etc/autogit/autogit.toml <<'E'\n{text}\nE\nautogitctl check >/dev/null && systemctl {verb} autogit")
        self.until("the daemon answers", lambda: self.api("/health")["status"] == "healthy")

    def no_runners(self, seconds=90):
        self.until("all runners are gone", lambda: self.api("/runners") == [] and self.gitlab.runners() == [], seconds)

    def pid(self):
        return self.sh("systemctl show -p MainPID --value autogit")

    # -- tests, in this order; later ones build on the package being installed

    def test_the_package_installs_and_opens_its_sockets(self):
        self.sh(f"apt-get install -y --no-install-recommends /opt/autogit-test/{os.path.basename(self.o.deb)}", 240)
        check(self.sh("systemctl is-active autogit.socket autogit-control.socket") == "active\nactive", "the sockets are not active")
        check(self.sh("systemctl is-enabled autogit.socket autogit-control.socket autogit.service").split() == ["enabled"] * 3, "not all are enabled")
        check(self.sh("systemctl is-active autogit.service", ok=False)[1] == "inactive", "the service was started")
        check(self.sh("stat -c '%a %U %G' /run/autogit/control.sock") == "660 root autogit", "the control socket's owner or mode")
        check(self.sh("stat -c '%a %U' /etc/autogit/webhook-secret") == "600 root", "the webhook secret's mode")

    def test_an_unconfigured_daemon_says_so_and_does_not_loop(self):
        code, out = self.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/health", ok=False)
        check(out == "503", f"an unconfigured daemon answers {out}")
        status = self.sh("systemctl status autogit")
        check("not configured yet" in status and "active (running)" in status, status)
        check(self.sh("systemctl show -p NRestarts --value autogit") == "0", "it was restarted")
        code, out = self.sh("autogitctl status", ok=False)
        check(code == 69 and "not configured" in out, f"autogitctl: {code} {out}")

    def test_units_are_clean_and_confined(self):
        out = self.sh("systemd-analyze verify autogit.service autogit.socket autogit-control.socket autogit.slice 2>&1")
        check(out == "", f"systemd-analyze verify: {out}")
        out = self.sh("systemd-analyze security autogit | tail -1")
        level = float(out.split(":")[1].split()[0])
        self.note(f"systemd-analyze security: {level}")
        check(level <= 2.0, out)

    def test_bad_configuration_is_refused_without_a_loop(self):
        self.sh("printf '[gitlab]\\nurl = 3\\n' > /etc/autogit/autogit.toml; systemctl restart autogit", ok=False)
        self.until("it gives up", lambda: self.sh("systemctl is-active autogit", ok=False)[1] == "failed", 30)
        check(self.sh("systemctl show -p ExecMainStatus -p NRestarts --value autogit").split() == ["0", "78"] or
              self.sh("systemctl show -p ExecMainStatus --value autogit") == "78", "not exit code 78")
        self.sh("systemctl reset-failed autogit autogit.socket autogit-control.socket; systemctl start autogit.socket autogit-control.socket")

    def test_the_image_is_there(self):
        self.sh("systemctl start user@1000; for i in $(seq 50); do test -S /run/user/1000/podman/podman.sock && break; sleep 0.2; done")
        out = self.sh(
            "curl -sS --fail-with-body --unix-socket /run/user/1000/podman/podman.sock -X POST -H 'Content-Type: application/x-tar' "
            "--upload-file /opt/autogit-test/empty.tar 'http://x/v1.41/images/create?fromSrc=-&repo=localhost%2Fautogit-test-empty&tag=1'", 300)
        self.sh(self.as_user(f"podman image exists {IMAGE} || podman tag localhost/autogit-test-empty:latest {IMAGE}"))

    def test_configured_it_is_ready_and_useful(self):
        self.sh(f"umask 077; printf '%s\\n' {TOKEN} > /etc/autogit/gitlab-token")
        self.configure(CONTAINER)
        status = self.sh("systemctl status autogit")
        check('Status: "no runners; no job waits; GitLab ok"' in status, status)
        memory = self.sh("systemctl show -p MemoryCurrent --value autogit")
        self.note(f"memory of the unit: {int(memory) >> 20} MiB, RSS {int(self.sh('ps -o rss= -p ' + self.pid())) >> 10} MiB")
        check(self.sh(f"cat /proc/{self.pid()}/cmdline | tr '\\0' ' '").strip() == "/usr/sbin/autogitd", "its arguments")

    def test_hooks_are_installed_by_autogitctl(self):
        url = f"http://127.0.0.1:{self.machine.http_port}/webhook/job"
        for path in ["root/runner-test", *PROJECTS]:
            out = self.sh(f"autogitctl hook install {path} --url {url}")
            check(out.startswith("installed hook"), out)
        check(self.sh(f"autogitctl hook install root/peek --url {url}").startswith("updated hook"), "a second time")
        code, out = self.sh("autogitctl hook install no/such", ok=False)
        check(code == 4 and "404" in out, out)

    def test_the_control_socket_is_not_for_everybody(self):
        code, out = self.sh(self.as_user("autogitctl status"), ok=False)
        check(code == 77 and "group autogit" in out, f"{code} {out}")
        check(json.loads(self.sh("autogitctl --help >/dev/null; autogitctl pools --json"))[0]["name"] == "default", "--json")
        code, out = self.sh("autogitctl runners nosuch", ok=False)
        check(code == 3, f"{code} {out}")

    def test_a_webhook_starts_the_daemon(self):
        self.sh("systemctl stop autogit.service")
        check(self.sh("systemctl is-active autogit.service", ok=False)[1] == "inactive", "it runs")
        project, ids = self.gitlab.start("root/long-container")
        self.until("the service is active", lambda: self.sh("systemctl is-active autogit.service", ok=False)[1] == "active", 30)
        self.gitlab.wait(project, ids, ["success"])
        names = self.sh(self.as_user("podman ps --filter name=autogit-runner --format {{.Names}}"))
        check(names.startswith("autogit-runner-"), f"no container: {names}")
        self.no_runners()

    def scenario(self):
        project, ids = self.gitlab.start("root/runner-test")
        peak = 0
        deadline = time.monotonic() + 300
        while True:
            jobs = [j for j in self.gitlab.jobs(project) if j["id"] in ids]
            peak = max(peak, sum(j["status"] == "running" and j["stage"] == "build" for j in jobs))
            if all(j["status"] in ("success", "failed", "canceled", "skipped") for j in jobs):
                break
            check(time.monotonic() < deadline, f"jobs are {[j['status'] for j in jobs]}")
            time.sleep(0.5)
        check(all(j["status"] == "success" for j in jobs), f"{[(j['name'], j['status']) for j in jobs]}")
        check(peak == 3, f"{peak} runners at once in the build stage")
        self.no_runners()
        return ids

    def test_scenario_1_with_rootless_podman(self):
        ids = self.scenario()
        check(self.sh(self.as_user("podman ps -aq --filter name=autogit-runner")) == "", "containers are left")
        ids = sorted(ids)
        story = self.sh(f"journalctl -u autogit AUTOGIT_JOB={ids[0]} -o cat")
        for line in ["Dispatching job", f"Job {ids[0]} assigned to runner", f"Job {ids[0]} finished: success"]:
            check(line in story, f"no «{line}» in the job's story:\n{story}")
        fields = json.loads(self.sh(f"journalctl -u autogit AUTOGIT_JOB={ids[0]} -o json | head -1"))
        for field in ["PRIORITY", "AUTOGIT_RUNNER", "AUTOGIT_POOL", "AUTOGIT_PROJECT", "CODE_FILE", "CODE_LINE"]:
            check(field in fields, f"no {field}")

    def test_scenario_1_with_scopes(self):
        self.configure(SCOPE, "reload")
        self.scenario()
        units = self.sh(self.as_user("systemctl --user list-units --all --plain --no-legend 'autogit-runner-*'"))
        check(units == "", f"units are left: {units}")
        check(self.sh("ls /var/lib/autogit/scopes") == "", "folders are left")

    def test_a_scope_has_its_limits(self):
        project, ids = self.gitlab.start("root/long")
        self.gitlab.wait(project, ids, ["running"])
        runner = self.api("/runners")[0]
        show = self.sh(self.as_user(f"systemctl --user show {runner['name']}.scope -p MemoryMax -p CPUQuotaPerSecUSec -p TasksMax -p MemorySwapMax -p Slice -p ControlGroup"))
        for line in ["MemoryMax=201326592", "CPUQuotaPerSecUSec=500ms", "TasksMax=2048", "MemorySwapMax=0", "Slice=autogit.slice"]:
            check(line in show, show)
        group = show.split("ControlGroup=")[1].split()[0]
        check(self.sh(f"cat /sys/fs/cgroup{group}/memory.max") == "201326592", "memory.max")
        check(len(self.sh(f"cat /sys/fs/cgroup{group}/cgroup.procs").split()) >= 1, "no process in the scope")
        # The user's own podman, journal and systemctl show them.
        check("begun" in self.sh(f"journalctl -t {runner['name']} -o cat; echo begun"), "its journal")
        self.gitlab.wait(project, ids, ["success"])

    def test_a_job_in_a_scope_cannot_look_at_us(self):
        project, ids = self.gitlab.start("root/peek")
        done = self.gitlab.wait(project, ids, ["success", "failed"])
        trace = self.gitlab.trace(project, ids[0])
        check(done[0]["status"] == "success" and "contained" in trace, trace[-3000:])
        check(TOKEN not in trace and "glrt-" not in trace, "a token is in the job's log")

    def test_a_job_over_its_memory_is_killed_and_the_host_is_not(self):
        project, ids = self.gitlab.start("root/greedy")
        self.gitlab.wait(project, ids, ["failed"])
        found = self.until("the journal names it", lambda: self.sh("journalctl -u autogit -x MESSAGE_ID=2b1a9c47f0c34d0f8c7c6a4b5be1f608 -o short --no-pager"), 20)
        check("killed at the memory limit of 192 MiB" in found and "raise memory in the pool scopes" in found, found)
        check(self.api("/health")["status"] == "healthy", "the daemon is not healthy")

    def test_cpu_quota_holds(self):
        project, ids = self.gitlab.start("root/burner")
        self.gitlab.wait(project, ids, ["success"])
        trace = self.gitlab.trace(project, ids[0])
        share = float(trace.split("quota ")[-1].split()[0])
        self.note(f"a busy loop under cpus = 0.5 got {share:.2f} CPUs")
        check(0.3 <= share <= 0.58, f"a busy loop got {share}")

    def test_a_hung_daemon_is_restarted_and_adopts_its_runner(self):
        self.sh("mkdir -p /run/systemd/system/autogit.service.d; printf '[Service]\\nWatchdogSec=6\\n' > /run/systemd/system/autogit.service.d/test.conf; "
                "systemctl daemon-reload; systemctl restart autogit")
        self.until("healthy", lambda: self.api("/health")["status"] == "healthy")
        project, ids = self.gitlab.start("root/long")
        self.gitlab.wait(project, ids, ["running"])
        runner = self.api("/runners")[0]["id"]
        pid = self.pid()
        self.sh(f"kill -STOP {pid}")
        self.until("another process", lambda: self.pid() not in (pid, "0"), 60)
        self.until("healthy", lambda: self.api("/health")["status"] == "healthy")
        check(any(r["id"] == runner and r["current_job"] == ids[0] for r in self.api("/runners")), f"not adopted: {self.api('/runners')}")
        check("watchdog" in self.sh("journalctl -u autogit -n 200 --no-pager").lower(), "no word of the watchdog")
        self.gitlab.wait(project, ids, ["success"])
        self.sh("rm /run/systemd/system/autogit.service.d/test.conf; systemctl daemon-reload; systemctl restart autogit")
        self.no_runners()

    def test_no_webhook_is_lost_over_20_restarts(self):
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
                time.sleep(0.02)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            lanes = [pool.submit(stream, lane) for lane in range(4)]
            try:
                for _ in range(20):
                    self.sh("systemctl restart autogit")
            finally:
                stop.set()
            for lane in lanes:
                lane.result()
        bad = {k: v for k, v in answers.items() if not (isinstance(v, int) and 200 <= v < 300)}
        stored = set(map(int, self.sh("sqlite3 /var/lib/autogit/autogit.db 'SELECT id FROM jobs WHERE id > 1000000'").split()))
        self.note(f"{len(answers)} webhooks during 20 restarts, {len(bad)} not answered 2xx, {len(set(answers) - stored)} not in the store")
        check(not bad, f"not answered 2xx: {list(bad.items())[:5]}")
        check(set(answers) <= stored, f"not in the store: {sorted(set(answers) - stored)[:5]}")
        check(len(answers) > 100, "too few to say anything")

    def test_a_reboot_in_the_middle(self):
        self.configure(CONTAINER + SCOPE.replace('"autogit", "docker", ', ""), "reload")
        _, one = self.gitlab.start("root/long")
        _, two = self.gitlab.start("root/long-container")
        self.until("both run", lambda: len([r for r in self.api("/runners") if r["status"] == "busy"]) == 2)
        before = {r["id"] for r in self.gitlab.runners()}
        self.machine.reboot()
        self.until("healthy", lambda: self.api("/health")["status"] == "healthy", 120)
        self.until("what the reboot ended is cleared away", lambda: not before & {r["id"] for r in self.gitlab.runners()}, 120)
        check(self.sh(self.as_user("podman ps -aq --filter name=autogit-runner")) == "" or self.api("/runners"), "containers are left")
        project, ids = self.gitlab.start("root/peek")
        self.gitlab.wait(project, ids, ["success"])
        self.no_runners()

    def test_an_upgrade_keeps_running_jobs(self):
        project, ids = self.gitlab.start("root/longer")
        self.gitlab.wait(project, ids, ["running"])
        pid, runner = self.pid(), self.api("/runners")[0]["id"]
        socket = self.sh("systemctl show -p ActiveEnterTimestampMonotonic --value autogit.socket")
        self.sh(f"apt-get install -y /opt/autogit-test/{os.path.basename(self.o.upgrade)}", 240)
        self.until("another process", lambda: self.pid() not in (pid, "0"))
        check(self.sh("systemctl show -p ActiveEnterTimestampMonotonic --value autogit.socket") == socket, "the socket was closed")
        self.until("adopted", lambda: any(r["id"] == runner and r["current_job"] == ids[0] for r in self.api("/runners")), 30)
        self.gitlab.wait(project, ids, ["success"])

    def test_secrets_are_nowhere(self):
        # From a file, or the search would find its own command line.
        self.sh("cp /etc/autogit/gitlab-token /root/pattern")
        out = self.sh(
            "journalctl --no-pager -o export | grep -acf /root/pattern || true; "
            "grep -rlsaf /root/pattern /var/lib/autogit /run/autogit /proc/[0-9]*/cmdline || true")
        check(out == "0", f"the token is in: {out}")

    def test_removal_takes_runners_along_and_purge_leaves_nothing(self):
        project, ids = self.gitlab.start("root/long")
        other, more = self.gitlab.start("root/long-container")
        self.gitlab.wait(project, ids, ["running"])
        self.gitlab.wait(other, more, ["running"])
        self.sh("apt-get remove -y autogit", 240)
        check(self.gitlab.runners() == [], f"registrations are left: {[r['description'] for r in self.gitlab.runners()]}")
        check(self.sh(self.as_user("podman ps -aq --filter name=autogit-runner")) == "", "containers are left")
        units = self.sh(self.as_user("systemctl --user list-units --all --plain --no-legend 'autogit*' | grep -v slice || true"))
        check(units == "", f"units are left: {units}")
        check(self.sh("test -e /var/lib/autogit/autogit.db && echo kept") == "kept", "remove took the state away")
        self.sh("apt-get purge -y autogit", 240)
        left = self.sh("find / -xdev \\( -path /opt -o -path /proc -o -path /sys -o -path /var/log -o -path /var/cache/man -o -path /usr/share/doc \\) -prune -o -name '*autogit*' -print "
                       "| grep -v -e dpkg -e autogit-test -e containers/storage -e timers -e coverage || true")
        check(left == "", f"left behind:\n{left}")
        check(self.sh("getent group autogit", ok=False)[0] != 0, "the group is left")

    # -- running

    def note(self, text):
        print(f"       {text}", flush=True)

    def run(self):
        began = time.monotonic()
        print("system: starting the machine", flush=True)
        self.machine.start()
        print(f"system: it is up after {time.monotonic() - began:.0f} s", flush=True)
        for name in [n for n in type(self).__dict__ if n.startswith("test_")]:
            if self.o.only and not any(word in name for word in self.o.only.split(",")):
                continue
            start = time.monotonic()
            try:
                getattr(self, name)()
                self.passed += 1
                print(f"ok     {name[5:].replace('_', ' ')} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception as error:
                self.failed += 1
                print(f"FAILED {name[5:].replace('_', ' ')}: {error}", flush=True)
                if not isinstance(error, Failed):
                    traceback.print_exc()
                try:
                    print(self.sh("journalctl -n 60 --no-pager -o short-precise | grep -v systemd-networkd", ok=False)[1], flush=True)
                except Exception:
                    break

    def end(self):
        self.machine.stop()
        self.gitlab.process.kill()


def main():
    parser = argparse.ArgumentParser()
    for name in ["deb", "upgrade", "simulator", "folder", "scenario"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, default=18080)
    parser.add_argument("--only")
    suite = Suite(parser.parse_args())
    try:
        suite.run()
    finally:
        suite.end()
    print(f"system-tests: {suite.passed} passed, {suite.failed} failed", flush=True)
    sys.exit(1 if suite.failed or not suite.passed else 0)


main()
