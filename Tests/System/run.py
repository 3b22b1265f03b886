#!/usr/bin/python3
"""The package in a whole Debian under real systemd and cgroup v2, with rootless Podman; GitLab is simulated beside it.

usage: run.py --deb FILE --upgrade FILE --gitlab PROGRAM --folder FOLDER --scenario FILE [--only WORD,WORD]
"""
import json
import sys
import time

from gitlab import TOKEN, GitLab, Hold, job
from machine import HOST, Machine
from suite import Suite, arguments, check

IMAGE = "localhost/autogit-test-empty:1"
JOB_IMAGE = "localhost/autogit-test-job:1"
RUNNER_IMAGE = "localhost/autogit-test-runner:1"
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
cooldown = "3s"
""" % IMAGE
SCOPE = """
[[pool]]
name = "scopes"
driver = "scope"
tags = ["autogit", "docker", "scope"]
command = ["/opt/autogit-test/scope-runner"]
memory = "192MiB"
cpus = 0.5
io_weight = 300
max_runners = 4
cooldown = "3s"
"""
# Without network: runners are where a user's are, behind slirp4netns, and each build has a network of its own.
IMAGES = """
[[pool]]
name = "images"
tags = ["image"]
executor = "docker"
image = "%s"
command = ["/usr/bin/env", "AUTOGIT_TEST_DIALECT=19.4", "/usr/local/bin/autogit-test-runner", "run", "--config", "/run/autogit/config.toml"]
memory = "96MiB"
cpus = 0.5
cooldown = "3s"
[pool.docker]
image = "%s"
helper_image = "%s"
service_memory = "32MiB"
""" % (RUNNER_IMAGE, JOB_IMAGE, RUNNER_IMAGE)
BOTH = CONTAINER + SCOPE.replace('"autogit", "docker", ', "")


def held(hold, name, tags="scope", fetch="curl -sf", more=""):
    """A job that runs until this test lets it end."""
    return job(["echo begun", f"until {fetch} http://{HOST}:{hold.server_port}/{name}; do sleep 0.2; done", "echo ended"], tags, more)


def service(command):
    """A service of a job, reached as `web`."""
    return f"  services: [{{name: {JOB_IMAGE}, alias: web, command: {json.dumps(['sh', '-c', command])}}}]\n"


PROJECTS = {
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
        "python3 -c 'import time; w = time.time(); c = time.process_time()\nwhile time.time() < w + 6: pass\n"
        "print(\"quota %.2f\" % ((time.process_time() - c) / (time.time() - w)))'"]),
    "root/own-image": job([
        "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max",
        "grep -E 'CapBnd|NoNewPrivs' /proc/self/status",
        "if command -v python3; then exit 11; fi",
        "for file in /run/autogit /var/run/docker.sock /run/docker.sock; do if [ -e $file ]; then exit 12; fi; done",
        "test -s .gitlab-ci.yml && echo cloned and $(echo done)"], "image"),
    "root/served": job(
        ["for i in $(seq 30); do if wget -q -O - http://web:8000/; then exit 0; fi; sleep 1; done", "exit 11"], "image",
        service("mkdir /www && echo served by name >/www/index.html && exec httpd -f -p 8000 -h /www")),
}


class VirtualMachine(Suite):
    def __init__(self, options):
        super().__init__(Machine(options.folder, options.port), options)
        self.hold = Hold()
        with open(options.scenario) as scenario:
            self.projects = {
                "root/runner-test": scenario.read(), "root/held": held(self.hold, "held"),
                "root/held-container": held(self.hold, "held-container", "docker, autogit"),
                "root/held-image": held(self.hold, "held-image", "image", "wget -q -O /dev/null", service("exec sleep 86400")), **PROJECTS}
        self.gitlab = GitLab(options.gitlab, options.folder, self.projects, HOST)

    def start_held(self, path):
        """A pipeline whose job runs until `self.hold.release(path)`."""
        self.hold.hold(path.split("/")[1])
        return self.gitlab.start(path)

    def release(self, path, project, ids):
        self.hold.release(path.split("/")[1])
        self.gitlab.wait(project, ids, ["success"])

    def pools(self, *pools, verb="restart"):
        self.configure(CONFIG.format(url=self.gitlab.inside, pools="".join(pools)), verb)

    def no_runners(self, seconds=90):
        self.until("all runners are gone", lambda: self.api("/runners") == [] and self.gitlab.runners() == [], seconds)

    def test_the_package_installs_and_opens_its_sockets(self):
        self.install()

    def test_units_are_clean_and_confined(self):
        self.units_are_clean()
        out = self.sh("systemd-analyze security autogit | tail -1")
        level = float(out.split(":")[1].split()[0])
        self.note(f"systemd-analyze security: {level}")
        check(level <= 2.0, out)

    def test_the_images_are_there(self):
        self.sh("systemctl start user@1000; for i in $(seq 50); do test -S /run/user/1000/podman/podman.sock && break; sleep 0.2; done")
        for image, file in [(IMAGE, "empty"), (JOB_IMAGE, "job"), (RUNNER_IMAGE, "runner")]:
            name = image.removesuffix(":1")
            self.sh(
                "curl -sS --fail-with-body --unix-socket /run/user/1000/podman/podman.sock -X POST -H 'Content-Type: application/x-tar' "
                f"--upload-file /opt/autogit-test/{file}.tar 'http://x/v1.41/images/create?fromSrc=-&repo={name.replace('/', '%2F')}&tag=1'", 600)
            self.sh(self.as_user(f"podman image exists {image} || podman tag {name}:latest {image}"))

    def test_configured_it_is_ready_and_useful(self):
        self.sh(f"umask 077; printf '%s\\n' {TOKEN} > /etc/autogit/gitlab-token")
        self.pools(CONTAINER)
        status = self.sh("systemctl status autogit")
        check('Status: "no runners; no job waits; GitLab ok"' in status, status)
        check("thread priority" not in self.sh("journalctl -u autogit -o cat"), "the runtime complains in the journal")
        memory = self.sh("systemctl show -p MemoryCurrent --value autogit")
        self.note(f"memory of the unit: {int(memory) >> 20} MiB, RSS {int(self.sh('ps -o rss= -p ' + self.pid())) >> 10} MiB")
        check(self.sh(f"cat /proc/{self.pid()}/cmdline | tr '\\0' ' '").strip() == "/usr/sbin/autogitd", "its arguments")

    def test_hooks_are_installed_by_autogitctl(self):
        url = f"http://127.0.0.1:{self.machine.http_port}/webhook/job"
        for path in self.projects:
            out = self.sh(f"autogitctl hook install {path} --url {url}")
            check(out.startswith("installed hook"), out)
        check(self.sh(f"autogitctl hook install root/peek --url {url}").startswith("updated hook"), "a second time")
        code, out = self.sh("autogitctl hook install no/such", ok=False)
        check(code == 4 and "404" in out, out)

    def test_the_control_socket_is_not_for_everybody(self):
        self.control_socket_is_closed_to_others()
        check(json.loads(self.sh("autogitctl --help >/dev/null; autogitctl pools --json"))[0]["name"] == "default", "--json")
        code, out = self.sh("autogitctl runners nosuch", ok=False)
        check(code == 3, f"{code} {out}")

    def test_a_webhook_starts_the_daemon(self):
        self.sh("systemctl stop autogit.service")
        check(self.is_active() == "inactive", "it runs")
        project, ids = self.start_held("root/held-container")
        self.until("the service is active", lambda: self.is_active() == "active", 30)
        self.gitlab.wait(project, ids, ["running"])
        names = self.sh(self.as_user("podman ps --filter name=autogit-runner --format {{.Names}}"))
        check(names.startswith("autogit-runner-"), f"no container: {names}")
        self.release("root/held-container", project, ids)
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
        for line in ["Dispatching job", f"Job {ids[0]} assigned to runner", "Job finished"]:
            check(line in story, f"no «{line}» in the job's story:\n{story}")
        fields = json.loads(self.sh(f"journalctl -u autogit AUTOGIT_JOB={ids[0]} -o json | head -1"))
        for field in ["PRIORITY", "AUTOGIT_RUNNER", "AUTOGIT_POOL", "AUTOGIT_PROJECT", "CODE_FILE", "CODE_LINE"]:
            check(field in fields, f"no {field}")

    def made_for_jobs(self):
        """What runners had the engine make for their jobs: containers, networks and volumes."""
        which = "-q --filter label=com.gitlab.gitlab-runner.managed=true"
        return self.sh(self.as_user(f"podman ps -a {which}; podman network ls {which}; podman volume ls {which}")).split()

    def test_a_job_runs_in_its_own_image_rootless(self):
        self.pools(IMAGES, verb="reload")
        project, ids = self.gitlab.start("root/own-image")
        done = self.gitlab.wait(project, ids, ["success", "failed"], 600)
        trace = self.gitlab.trace(project, ids[0])
        check(done[0]["status"] == "success" and "cloned and done" in trace, trace)
        check(f"\n{96 << 20}\n50000 100000\n" in trace, f"its limits: {trace}")
        # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETFCAP.
        check("CapBnd:\t00000000800000fb" in trace and "NoNewPrivs:\t1" in trace, trace)
        check(TOKEN not in trace and "glrt-" not in trace, "a token is in the job's log")
        self.no_runners(300)
        check(self.made_for_jobs() == [], f"left: {self.made_for_jobs()}")
        volumes = self.sh(self.as_user("podman volume ls -q")).split()
        check(all(v.startswith("autogit-cache-") for v in volumes) and sum(v.endswith("-images") for v in volumes) == 1, f"volumes: {volumes}")

    def test_a_job_reaches_its_service_by_name_rootless(self):
        project, ids = self.gitlab.start("root/served")
        done = self.gitlab.wait(project, ids, ["success", "failed"], 600)
        trace = self.gitlab.trace(project, ids[0])
        check(done[0]["status"] == "success" and "served by name" in trace, trace)
        self.no_runners(300)
        check(self.made_for_jobs() == [], f"left: {self.made_for_jobs()}")

    def test_a_killed_runner_in_its_job_leaves_nothing(self):
        project, ids = self.start_held("root/held-image")
        self.until("the job runs in its container", lambda: "begun" in self.gitlab.trace(project, ids[0]), 600)
        made = self.made_for_jobs()
        check(len(made) >= 4, f"a job, a service, a network and a volume: {made}")
        self.sh(self.as_user(f"podman kill -s KILL {self.api('/runners')[0]['name']}"))
        killed = time.monotonic()
        self.until("nothing is left of its job", lambda: self.made_for_jobs() == [], 300)
        self.note(f"{len(made)} things of the job, gone {time.monotonic() - killed:.0f} s after its runner was killed")
        self.no_runners(300)
        self.gitlab.call("POST", f"projects/{project}/jobs/{ids[0]}/cancel")

    def test_scenario_1_with_scopes(self):
        self.pools(SCOPE, verb="reload")
        self.scenario()
        units = self.sh(self.as_user("systemctl --user list-units --all --plain --no-legend 'autogit-runner-*'"))
        check(units == "", f"units are left: {units}")
        check(self.sh("ls /var/lib/autogit/scopes") == "", "folders are left")

    def test_a_scope_has_its_limits(self):
        project, ids = self.start_held("root/held")
        self.gitlab.wait(project, ids, ["running"])
        runner = self.api("/runners")[0]
        show = self.sh(self.as_user(f"systemctl --user show {runner['name']}.scope -p MemoryMax -p CPUQuotaPerSecUSec -p TasksMax -p MemorySwapMax -p Slice -p ControlGroup"))
        for line in ["MemoryMax=201326592", "CPUQuotaPerSecUSec=500ms", "TasksMax=2048", "MemorySwapMax=0", "Slice=autogit.slice"]:
            check(line in show, show)
        group = show.split("ControlGroup=")[1].split()[0]
        check(self.sh(f"cat /sys/fs/cgroup{group}/memory.max") == "201326592", "memory.max")
        check("300" in self.sh(f"cat /sys/fs/cgroup{group}/io.weight /sys/fs/cgroup{group}/io.bfq.weight 2>/dev/null || true"), "the io controller has no weight")
        check(len(self.sh(f"cat /sys/fs/cgroup{group}/cgroup.procs").split()) >= 1, "no process in the scope")
        self.until("its output is in the journal", lambda: "polling for jobs" in self.sh(f"journalctl -t {runner['name']} -o cat").lower(), 10)
        self.release("root/held", project, ids)

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
        check("killed a process of the runner at its memory limit" in found and "limit=192 MiB" in found and "raise memory in the pool scopes" in found, found)
        check(self.api("/health")["status"] == "healthy", "the daemon is not healthy")

    def test_cpu_quota_holds(self):
        project, ids = self.gitlab.start("root/burner")
        self.gitlab.wait(project, ids, ["success"])
        trace = self.gitlab.trace(project, ids[0])
        share = float(trace.split("quota ")[-1].split()[0])
        self.note(f"a busy loop under cpus = 0.5 got {share:.2f} CPUs")
        check(0.3 <= share <= 0.58, f"a busy loop got {share}")

    def test_a_hung_daemon_is_restarted_and_adopts_its_runner(self):
        with self.watchdog(6):
            project, ids = self.start_held("root/held")
            self.gitlab.wait(project, ids, ["running"])
            runner = self.api("/runners")[0]["id"]
            pid = self.pid()
            self.sh(f"kill -STOP {pid}")
            self.until("another process", lambda: self.pid() not in (pid, "0"), 60)
            self.healthy()
            check(any(r["id"] == runner and r["current_job"] == ids[0] for r in self.api("/runners")), f"not adopted: {self.api('/runners')}")
            check("watchdog" in self.sh("journalctl -u autogit -n 200 --no-pager").lower(), "no word of the watchdog")
            self.release("root/held", project, ids)
        self.no_runners()

    def test_no_webhook_is_lost_over_20_restarts(self):
        self.webhooks_over_restarts(20)

    def test_a_login_and_logout_end_no_job(self):
        self.pools(BOTH, verb="reload")
        jobs = [(path, *self.start_held(path)) for path in ("root/held", "root/held-container")]
        for _, project, ids in jobs:
            self.gitlab.wait(project, ids, ["running"])
        # Through PAM, as at the console or over SSH. The visitor, who does not linger, logs out later: once logind has ended all
        # of theirs, it would have ended all of homelab's.
        self.sh("su -l homelab -c true; su -l visitor -c true")
        self.until("the visitor's systemd has ended", lambda: self.unit_state("user@1001") == "inactive")
        check(self.unit_state("user@1000") == "active", f"homelab's systemd is {self.unit_state('user@1000')} after a logout")
        for job in jobs:
            self.release(*job)
        self.healthy()

    def test_a_user_who_does_not_linger_is_told_of_and_comes_back(self):
        first = self.sh("systemctl show -p InvocationID --value user@1000")
        # Nobody of this user is logged in: logind ends all of theirs at once, as after a logout.
        self.sh("loginctl disable-linger homelab")
        self.until("the user's systemd has been started again", lambda: self.unit_state("user@1000") == "active" and self.sh("systemctl show -p InvocationID --value user@1000") != first)
        self.healthy()
        advice = "loginctl enable-linger homelab"
        found = self.until("the journal says so", lambda: self.sh("journalctl -q -u autogit -x MESSAGE_ID=2b1a9c47f0c34d0f8c7c6a4b5be1f60b --no-pager"))
        check(advice in found and "Subject: A logout would end runners" in found, found)
        warnings = self.until("/health has it", lambda: self.api_even_degraded("/health").get("warnings"))
        check(advice in warnings[0], warnings)
        check(advice in self.sh("autogitctl status || true"), self.sh("autogitctl status || true"))
        check(advice in self.sh("autogitctl check"), self.sh("autogitctl check"))
        self.sh("loginctl enable-linger homelab")
        self.until("it is taken back", lambda: self.api_even_degraded("/health")["warnings"] == [])
        project, ids = self.start_held("root/held-container")
        self.gitlab.wait(project, ids, ["running"])
        self.release("root/held-container", project, ids)

    def test_a_reboot_in_the_middle(self):
        self.pools(BOTH, verb="reload")
        _, one = self.start_held("root/held")
        _, two = self.start_held("root/held-container")
        self.until("both run", lambda: len([r for r in self.api("/runners") if r["status"] == "busy"]) == 2)
        before = {r["id"] for r in self.gitlab.runners()}
        began = time.monotonic()
        self.machine.reboot()
        booted = time.monotonic()
        self.healthy(120)
        self.note(f"down and up again after {booted - began:.0f} s, healthy after {time.monotonic() - booted:.1f} s more")
        self.until("what the reboot ended is cleared away", lambda: not before & {r["id"] for r in self.gitlab.runners()}, 120)
        check(self.sh(self.as_user("podman ps -aq --filter name=autogit-runner")) == "" or self.api("/runners"), "containers are left")
        project, ids = self.gitlab.start("root/peek")
        self.gitlab.wait(project, ids, ["success"])
        self.no_runners()

    def test_an_upgrade_keeps_running_jobs(self):
        project, ids = self.start_held("root/held")
        self.gitlab.wait(project, ids, ["running"])
        pid, runner = self.pid(), self.api("/runners")[0]["id"]
        socket = self.sh("systemctl show -p ActiveEnterTimestampMonotonic --value autogit.socket")
        self.sh(f"apt-get install -y /opt/autogit-test/{self.upgrade}", 240)
        self.until("another process", lambda: self.pid() not in (pid, "0"))
        check(self.sh("systemctl show -p ActiveEnterTimestampMonotonic --value autogit.socket") == socket, "the socket was closed")
        self.until("adopted", lambda: any(r["id"] == runner and r["current_job"] == ids[0] for r in self.api("/runners")), 30)
        self.release("root/held", project, ids)

    def test_secrets_are_nowhere(self):
        # From a file, or the search would find its own command line.
        self.sh("cp /etc/autogit/gitlab-token /root/pattern")
        out = self.sh(
            "journalctl --no-pager -o export | grep -acf /root/pattern || true; "
            "grep -rlsaf /root/pattern /var/lib/autogit /run/autogit /proc/[0-9]*/cmdline || true")
        check(out == "0", f"the token is in: {out}")

    def test_removal_takes_runners_along_and_purge_leaves_nothing(self):
        project, ids = self.start_held("root/held")
        other, more = self.start_held("root/held-container")
        self.gitlab.wait(project, ids, ["running"])
        self.gitlab.wait(other, more, ["running"])
        self.sh("apt-get remove -y autogit", 240)
        check(self.gitlab.runners() == [], f"registrations are left: {[r['description'] for r in self.gitlab.runners()]}")
        check(self.sh(self.as_user("podman ps -aq --filter name=autogit-runner")) == "", "containers are left")
        units = self.sh(self.as_user("systemctl --user list-units --all --plain --no-legend 'autogit*' | grep -v slice || true"))
        check(units == "", f"units are left: {units}")
        check(self.sh("test -e /var/lib/autogit/autogit.db && echo kept") == "kept", "remove took the state away")
        check(self.lingering() == "homelab", "lingering goes with a purge only")
        self.purge()
        check(self.lingering() == "", f"lingering: {self.lingering()}")


def main():
    parser = arguments(__doc__)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--port", type=int, default=18080)
    suite = VirtualMachine(parser.parse_args())
    sys.exit(suite.main())


main()
