#!/usr/bin/python3
"""The package in a whole Debian under real systemd and cgroup v2, with rootless Podman; GitLab is simulated beside it.

usage: run.py --deb FILE --upgrade FILE --gitlab PROGRAM --folder FOLDER --guide FOLDER [--only WORD,WORD]
"""
import base64
import json
import re
import sys
import time

from gitlab import TOKEN, GitLab, Hold, held, job
from machine import HOST, Machine
from suite import Failed, Suite, arguments, check

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
# The runner a process of the machine, its jobs containers. Its limits are the defaults.
SCOPE_IMAGES = """
[[pool]]
name = "scope-images"
driver = "scope"
tags = ["scope-image"]
executor = "docker"
command = ["/usr/bin/env", "AUTOGIT_TEST_DIALECT=19.4", "/usr/bin/python3", "/opt/autogit-test/autogit-test-runner", "run", "--config", "/run/autogit/config.toml"]
memory = "96MiB"
cpus = 0.5
cooldown = "3s"
[pool.docker]
image = "%s"
helper_image = "%s"
service_memory = "32MiB"
""" % (JOB_IMAGE, RUNNER_IMAGE)
# Native jobs in the machine's own programs, others in busybox of their architecture, which QEMU runs.
FOREIGN = """
[[pool]]
name = "%s"
tags = ["autogit"]
architecture = "%s"
architecture_tags = true
image = "localhost/autogit-test-%s:1"
command = ["/foreign-runner"]
network = "host"
memory = "192MiB"
cpus = 1.0
start_timeout = "10m"
cooldown = "10s"
"""
# Beside emulators its Python may take its time.
SLOW = CONTAINER.replace("cooldown =", 'start_timeout = "10m"\ncooldown =')
ARCHITECTURES = SLOW.replace("memory =", "architecture_tags = true\nmemory =") + "".join(
    FOREIGN % (pool, pool, image) for pool, image in [("arm64", "arm64"), ("riscv64", "riscv64"), ("s390x", "arm64")])
GPUS = SLOW.replace('"default"', '"gpu"').replace('"autogit", "docker"', '"gpu"').replace("memory =", 'gpu = "nvidia"\nmemory =') + """
[[pool]]
name = "scope-gpu"
driver = "scope"
tags = ["scope-gpu"]
gpu = "nvidia"
command = ["/opt/autogit-test/scope-runner"]
memory = "192MiB"
cpus = 1.0
start_timeout = "10m"
cooldown = "3s"
"""
# A GPU that is none: a harmless node of the machine that neither containers nor scopes have by themselves, a variable and a mount.
SPECIFICATION = {
    "cdiVersion": "0.5.0", "kind": "nvidia.com/gpu",
    "devices": [{"name": "standin", "containerEdits": {"deviceNodes": [{"path": "/dev/fuse"}], "env": ["AUTOGIT_STANDIN_GPU=standin"]}}],
    "containerEdits": {"mounts": [{"hostPath": "/etc/hostname", "containerPath": "/run/autogit-standin-gpu", "options": ["ro", "bind"]}]}}
BOTH = CONTAINER + SCOPE.replace('"autogit", "docker", ', "")


def service(command):
    """A service of a job, reached as `web`."""
    return f"  services: [{{name: {JOB_IMAGE}, alias: web, command: {json.dumps(['sh', '-c', command])}}}]\n"


# Can be opened, and is alone: neither the machine's disk nor its serial port is there.
GPU_NODE = ["exec 3<>/dev/fuse", "for node in vda ttyS1 kmsg; do if [ -e /dev/$node ]; then exit 11; fi; done", "echo node $(echo alone)"]
# 64 MiB that stay, and a processor all the time.
MEASURED = ["python3 -c 'import time; x = b\"x\" * (64 << 20); end = time.time() + 16\nwhile time.time() < end: pass'"]
OWN_IMAGE = [
    "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max",
    "grep -E 'CapBnd|NoNewPrivs' /proc/self/status",
    "if command -v python3; then exit 11; fi",
    "for file in /run/autogit /run/engine /run/user /var/lib/autogit /var/run/docker.sock /run/docker.sock; do if [ -e $file ]; then exit 12; fi; done",
    "test -s .gitlab-ci.yml && echo cloned and $(echo done)"]
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
    "root/measured": job(MEASURED),
    "root/measured-container": job(MEASURED, "docker, autogit"),
    "root/own-image": job(OWN_IMAGE, "image"),
    "root/scope-own-image": job(OWN_IMAGE, "scope-image"),
    "root/s390x": job(["true"], "autogit, s390x"),
    "root/scope-gpu": job(GPU_NODE, "scope-gpu"),
    "root/served": job(
        ["for i in $(seq 30); do if wget -q -O - http://web:8000/; then exit 0; fi; sleep 1; done", "exit 11"], "image",
        service("mkdir /www && echo served by name >/www/index.html && exec httpd -f -p 8000 -h /www")),
}


class VirtualMachine(Suite):
    first = ("test_the_package_installs_and_opens_its_sockets", "test_the_images_are_there", "test_configured_it_is_ready_and_useful")

    def __init__(self, options):
        super().__init__(Machine(options.folder, options.port), options)
        self.hold = Hold()
        with open(f"{options.guide}/scenario-1.gitlab-ci.yml") as first, open(f"{options.guide}/scenario-2.gitlab-ci.yml") as second:
            self.projects = {
                "root/runner-test": first.read(), "root/architectures": second.read(), "root/held": held(self.hold, "held"),
                "root/held-container": held(self.hold, "held-container", "docker, autogit"),
                "root/held-image": held(self.hold, "held-image", "image", "wget -q -O /dev/null", service("exec sleep 86400")),
                "root/scope-held-image": held(self.hold, "scope-held-image", "scope-image", "wget -q -O /dev/null", service("exec sleep 86400")),
                "root/gpu": held(
                    self.hold, "gpu", "gpu", first=[*GPU_NODE, "echo variable $AUTOGIT_STANDIN_GPU", "echo mount $(cat /run/autogit-standin-gpu)"]),
                **PROJECTS}
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
        for architecture in ["arm64", "riscv64"]:
            self.sh(self.as_user(f"podman load -q -i /opt/autogit-test/foreign-{architecture}.tar"), 600)

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
        self.sh(f"autogitctl hook install root/held-container --url http://127.0.0.1:{self.machine.http_port}/webhook/job")
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
        # The two of the first stage. Webhooks come in any order, and GitLab gives a runner the job that it likes: a line names the job that had no runner then.
        story = self.sh(f"journalctl -u autogit AUTOGIT_JOB={ids[0]} AUTOGIT_JOB={ids[1]} -o cat")
        check(len(re.findall(f"^Dispatching job ({ids[0]}|{ids[1]}) for project root/runner-test", story, re.M)) >= 2, f"two runners for two jobs:\n{story}")
        check(story.count("Job finished") >= 2, f"both end:\n{story}")
        for job in ids[:2]:
            check(f"Job {job} assigned to runner" in story, f"no «Job {job} assigned to runner» in the jobs' story:\n{story}")
        fields = json.loads(self.sh(f"journalctl -u autogit AUTOGIT_JOB={ids[0]} -o json | head -1"))
        for field in ["PRIORITY", "AUTOGIT_RUNNER", "AUTOGIT_POOL", "AUTOGIT_PROJECT", "CODE_FILE", "CODE_LINE"]:
            check(field in fields, f"no {field}")

    def made_for_jobs(self):
        """What runners had the engine make for their jobs: containers, networks and volumes."""
        which = "-q --filter label=com.gitlab.gitlab-runner.managed=true"
        return self.sh(self.as_user(f"podman ps -a {which}; podman network ls {which}; podman volume ls {which}")).split()

    def own_image(self, path):
        """A job in a container of its own with its limits, of which nothing is left but the pool's cache."""
        project, ids = self.gitlab.start(path)
        done = self.gitlab.wait(project, ids, ["success", "failed"], 600)
        trace = self.gitlab.trace(project, ids[0])
        check(done[0]["status"] == "success" and "cloned and done" in trace, trace)
        check(f"\n{96 << 20}\n50000 100000\n" in trace, f"its limits: {trace}")
        # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETFCAP.
        check("CapBnd:\t00000000800000fb" in trace and "NoNewPrivs:\t1" in trace, trace)
        check(TOKEN not in trace and "glrt-" not in trace, "a token is in the job's log")
        self.no_runners(300)
        check(self.made_for_jobs() == [], f"left: {self.made_for_jobs()}")

    def killed_in_its_job(self, path, kill):
        """Of a runner that is killed in the middle of a job nothing is left. `kill` is a command of the engine's user, for the runner's name."""
        project, ids = self.start_held(path)
        self.until("the job runs in its container", lambda: "begun" in self.gitlab.trace(project, ids[0]), 600)
        made = self.made_for_jobs()
        check(len(made) >= 4, f"a job, a service, a network and a volume: {made}")
        self.sh(self.as_user(kill(self.api("/runners")[0]["name"])))
        killed = time.monotonic()
        self.until("nothing is left of its job", lambda: self.made_for_jobs() == [], 300)
        self.note(f"{len(made)} things of the job, gone {time.monotonic() - killed:.0f} s after its runner was killed")
        self.no_runners(300)
        self.gitlab.call("POST", f"projects/{project}/jobs/{ids[0]}/cancel")

    def test_a_job_runs_in_its_own_image_rootless(self):
        self.pools(IMAGES, verb="reload")
        self.own_image("root/own-image")
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
        self.killed_in_its_job("root/held-image", lambda name: f"podman kill -s KILL {name}")

    def no_scopes(self):
        units = self.sh(self.as_user("systemctl --user list-units --all --plain --no-legend 'autogit-runner-*'"))
        check(units == "", f"units are left: {units}")
        check(self.sh("ls /var/lib/autogit/scopes") == "", "folders are left")

    def test_a_scopes_job_runs_in_its_own_image(self):
        self.pools(SCOPE_IMAGES, verb="reload")
        self.own_image("root/scope-own-image")
        volumes = self.sh(self.as_user("podman volume ls -q")).split()
        check(sum(v.startswith("autogit-cache-") and v.endswith("-scope-images") for v in volumes) == 1, f"volumes: {volumes}")
        self.no_scopes()

    def test_a_scope_with_images_sees_the_engines_socket_alone(self):
        logins = "/run/user/1000/containers"
        auth = base64.b64encode(b"u:registry-secret").decode()
        self.sh(self.as_user(f"mkdir -p {logins}; umask 077; echo '{json.dumps({'auths': {'registry.invalid': {'auth': auth}}})}' >{logins}/auth.json"))
        project, ids = self.start_held("root/scope-held-image")
        self.until("the job runs in its container", lambda: "begun" in self.gitlab.trace(project, ids[0]), 600)
        self.sh(f"rm {logins}/auth.json")
        runner = self.api("/runners")[0]
        show = self.sh(self.as_user(f"systemctl --user show {runner['name']}.scope -p MemoryMax -p CPUQuotaPerSecUSec"))
        check("MemoryMax=134217728" in show and "CPUQuotaPerSecUSec=1s" in show, f"the runner's own allowance: {show}")
        pid = self.sh(self.as_user(f"systemctl --user show -p MainPID --value {runner['name']}.service"))
        root, folder = f"/proc/{pid}/root", f"/var/lib/autogit/scopes/{runner['id']}"
        check(self.sh(f"find {root}/run/user -mindepth 1") == "", "it sees something of /run/user")
        check(self.sh(f"ls -A {root}/home {root}/var/lib/autogit").split() == [f"{root}/home:", f"{root}/var/lib/autogit:", "scopes"], "it sees homes, or our state")
        check(self.sh(f"find {root}{folder}/engine -type s") == f"{root}{folder}/engine/podman.sock", "no socket")
        code, out = self.sh(f"nsenter -m -t {pid} touch {folder}/engine/x", ok=False)
        check(code != 0 and "Read-only file system" in out, f"the socket's folder: {code} {out}")
        environment = self.sh(f"tr '\\0' '\\n' </proc/{pid}/environ")
        check(f"DOCKER_HOST=unix://{folder}/engine/podman.sock" in environment.splitlines(), environment)
        config = f"{folder}/work/.docker/config.json"
        check(self.sh(f"stat -c '%a %U' {config}; grep -c {auth} {config}") == "600 homelab\n1", "the logins for registries")
        check(self.sh(f"journalctl --no-pager | grep -c -e registry-secret -e {auth} || true") == "0", "a login is in the journal")
        self.release("root/scope-held-image", project, ids)
        self.no_runners(300)
        check(self.made_for_jobs() == [], f"left: {self.made_for_jobs()}")
        self.no_scopes()

    def test_a_killed_scope_in_its_job_leaves_nothing(self):
        self.killed_in_its_job("root/scope-held-image", lambda name: f"systemctl --user kill -s KILL {name}.scope")
        self.no_scopes()

    def waits(self, job, reason, seconds=120):
        """`job` is its id."""
        def waiting():
            return next((j.get("waiting_reason") for j in self.api("/jobs") if j["id"] == job), None)
        try:
            self.until("it waits with that reason", lambda: waiting() == reason, seconds)
        except Failed:
            raise Failed(f"job {job} waits with {waiting()!r}, wanted {reason!r}") from None

    def test_the_probe_finds_emulators_in_its_sandbox(self):
        self.sh("systemctl start autogit-probe.service")
        host = json.loads(self.sh("cat /run/autogit/host.json"))
        flags = {e["architecture"]: e["flags"] for e in host["emulators"]}
        check("F" in flags.get("arm64", "") and "F" in flags.get("riscv64", ""), f"emulators of the probe: {flags}, {host['remarks']}")

    def test_scenario_2_with_rootless_podman(self):
        self.pools(ARCHITECTURES, verb="reload")
        project, ids = self.gitlab.start("root/architectures")
        emulated, deadline = {}, time.monotonic() + 900
        while any(j["status"] in ("pending", "running") for j in self.gitlab.jobs(project) if j["id"] in ids):
            emulated.update({r["architecture"]: r.get("emulated", False) for r in self.api("/runners")})
            check(time.monotonic() < deadline, f"jobs are {[(j['name'], j['status']) for j in self.gitlab.jobs(project)]}, runners {emulated}")
            time.sleep(0.5)
        for done in self.gitlab.jobs(project):
            trace = self.gitlab.trace(project, done["id"])
            machine = {"test:amd64": "x86_64", "test:arm64": "aarch64", "test:riscv64": "riscv64"}[done["name"]]
            check(done["status"] == "success" and machine in trace.split() and "Running on" in trace, f"{done['name']} {done['status']}: {trace}")
        check(emulated == {"amd64": False, "arm64": True, "riscv64": True}, f"emulated, as /runners has it: {emulated}")
        hosts = self.sh("autogitctl hosts")
        check(all(name in hosts.split("emulates")[1].splitlines()[0] for name in ("arm64", "riscv64")), hosts)
        self.no_runners(300)

    def test_a_job_without_an_emulator_waits(self):
        self.pools(ARCHITECTURES, verb="reload")
        # The daemon waits 10 s for a look, which may take longer here; what it reads then is to be of now.
        self.sh("echo -1 >/proc/sys/fs/binfmt_misc/qemu-s390x; systemctl start autogit-probe.service; systemctl reload autogit")
        self.until("the daemon knows", lambda: "s390x" not in self.sh("autogitctl hosts"), 120)
        project, ids = self.gitlab.start("root/s390x")
        try:
            self.waits(ids[0], "the host is amd64 and has no emulator for s390x: apt install qemu-user-static")
        finally:
            self.gitlab.call("POST", f"projects/{project}/jobs/{ids[0]}/cancel")
            self.sh("systemctl restart systemd-binfmt")

    def gpus(self):
        """The machine has a stand-in for a GPU, and pools for it."""
        self.sh(f"mkdir -p /etc/cdi; echo '{json.dumps(SPECIFICATION)}' >/etc/cdi/autogit-test.json")
        self.pools(GPUS, verb="reload")

    def test_a_gpu_is_one_jobs_at_a_time_rootless(self):
        self.gpus()
        self.hold.hold("gpu")
        project, first = self.gitlab.start("root/gpu")
        self.gitlab.wait(project, first, ["running"], 600)
        runner = self.api("/runners")[0]
        check(runner["gpu_enabled"] and len(runner["gpus"]) == 1, str(runner))
        _, second = self.gitlab.start("root/gpu")
        self.waits(second[0], f"the GPU is in use (runner {runner['id']})")
        said = self.sh("autogitctl gpus")
        check("in use" in said and runner["id"] in said and str(first[0]) in said, said)
        self.hold.release("gpu")
        self.gitlab.wait(project, first + second, ["success"], 600)
        for one in first + second:
            trace = self.gitlab.trace(project, one)
            check(all(line in trace for line in ("node alone", "variable standin", "mount homelab")), trace)
        self.no_runners(300)
        check("free" in self.sh("autogitctl gpus"), "the GPU is not free again")

    def test_a_scope_has_its_gpu_and_no_other_device(self):
        self.gpus()
        project, ids = self.gitlab.start("root/scope-gpu")
        done = self.gitlab.wait(project, ids, ["success", "failed"], 600)
        trace = self.gitlab.trace(project, ids[0])
        check(done[0]["status"] == "success" and "node alone" in trace, trace)
        self.no_runners(300)

    def test_a_job_waits_for_a_gpu_that_went_away(self):
        self.gpus()
        self.sh("mv /etc/cdi/autogit-test.json /root; systemctl start autogit-probe.service; systemctl reload autogit")
        self.until("the daemon knows", lambda: "gone" in self.sh("autogitctl gpus"), 120)
        project, ids = self.gitlab.start("root/gpu")
        self.waits(ids[0], "pool gpu wants 1 NVIDIA GPU, and the host has none: autogitctl gpus")
        # Nobody says that it is back: the daemon asks once a minute.
        self.sh("mv /root/autogit-test.json /etc/cdi")
        self.gitlab.wait(project, ids, ["success"], 600)
        self.no_runners(300)
        self.sh("rm -r /etc/cdi")

    def test_scenario_1_with_scopes(self):
        self.pools(SCOPE, verb="reload")
        self.scenario()
        self.no_scopes()

    def test_a_scope_has_its_limits(self):
        self.pools(SCOPE, verb="reload")
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
        self.pools(SCOPE, verb="reload")
        project, ids = self.gitlab.start("root/peek")
        done = self.gitlab.wait(project, ids, ["success", "failed"])
        trace = self.gitlab.trace(project, ids[0])
        check(done[0]["status"] == "success" and "contained" in trace, trace[-3000:])
        check(TOKEN not in trace and "glrt-" not in trace, "a token is in the job's log")

    def test_a_job_over_its_memory_is_killed_and_the_host_is_not(self):
        self.pools(SCOPE, verb="reload")
        project, ids = self.gitlab.start("root/greedy")
        self.gitlab.wait(project, ids, ["failed"])
        found = self.until("the journal names it", lambda: self.sh("journalctl -u autogit -x MESSAGE_ID=2b1a9c47f0c34d0f8c7c6a4b5be1f608 -o short --no-pager"), 20)
        check("killed a process of the runner at its memory limit" in found and "limit=192 MiB" in found and "raise memory in the pool scopes" in found, found)
        check(self.api("/health")["status"] == "healthy", "the daemon is not healthy")

    def test_cpu_quota_holds(self):
        self.pools(SCOPE, verb="reload")
        project, ids = self.gitlab.start("root/burner")
        self.gitlab.wait(project, ids, ["success"])
        trace = self.gitlab.trace(project, ids[0])
        share = float(trace.split("quota ")[-1].split()[0])
        self.note(f"a busy loop under cpus = 0.5 got {share:.2f} CPUs")
        check(0.3 <= share <= 0.58, f"a busy loop got {share}")

    def test_what_jobs_used_is_read_from_their_control_groups(self):
        self.pools(BOTH, verb="reload")
        began = self.sh("date +'%F %T'")
        for path, limit in (("root/measured", 192 << 20), ("root/measured-container", 256 << 20)):
            project, ids = self.gitlab.start(path)
            self.gitlab.wait(project, ids, ["success"])
            usage = self.until("it is told", lambda: self.api(f"/jobs/{ids[0]}").get("usage"))
            self.note(f"{path}: {usage}")
            check(usage["cpu_seconds"] >= 2 and usage["memory_limit_bytes"] == limit, f"{path}: {usage}")
            check(64 << 20 <= usage["peak_memory_bytes"] <= limit, f"{path}: {usage}")
        asked = self.sh(f"journalctl --since '{began}' -o cat _COMM=podman | grep -c /stats || true")
        check(asked == "0", f"the engine was asked {asked} times")

    def test_a_notifications_command_runs_outside_the_sandbox(self):
        """As the service's user, whose home it can write to, with the notification at its standard input."""
        told = """
[[notify]]
name = "mine"
kind = "command"
command = ["/bin/sh", "-c", "{ cat; echo; id -u; ls /home; } >$HOME/told"]
"""
        self.configure(CONFIG.format(url=self.gitlab.inside, pools=BOTH) + told, verb="reload")
        self.sh("autogitctl notify test")
        told = self.sh("cat /home/homelab/told; ls -l /home/homelab/told")
        check("\n1000\n" in told and "homelab" in told.split("\n1000\n")[1], told)
        check(json.loads(told.split("\n1000\n")[0]), told)
        self.sh("rm /home/homelab/told")
        self.pools(BOTH, verb="reload")

    def test_a_hung_daemon_is_restarted_and_adopts_its_runner(self):
        self.pools(SCOPE, verb="reload")
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
        self.log_in_and_out()
        for job in jobs:
            self.release(*job)
        self.healthy()

    def test_a_user_who_does_not_linger_is_told_of_and_comes_back(self):
        self.pools(BOTH, verb="reload")
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
        self.pools(BOTH, verb="reload")
        project, ids = self.start_held("root/held")
        self.gitlab.wait(project, ids, ["running"])
        pid, runner = self.pid(), self.api("/runners")[0]["id"]
        socket = self.sh("systemctl show -p ActiveEnterTimestampMonotonic --value autogit.socket")
        self.sh(f"apt-get install -y /opt/autogit-test/{self.upgrade}", 240)
        self.until("another process", lambda: self.pid() not in (pid, "0"))
        check(self.sh("systemctl show -p ActiveEnterTimestampMonotonic --value autogit.socket") == socket, "the socket was closed")
        self.until("adopted", lambda: any(r["id"] == runner and r["current_job"] == ids[0] for r in self.api("/runners")), 30)
        self.release("root/held", project, ids)

    def test_scenario_1_with_rootless_docker(self):
        """Of the user whose Podman goes on beside it, as Debian's package sets it up."""
        # Debian 12's script starts the service, and ends when it finds no docker beside itself.
        said = self.sh(self.as_user("PATH=$PATH:/usr/share/docker.io/contrib:/usr/sbin dockerd-rootless-setuptool.sh install 2>&1 || true"), 300)
        check("starting systemd service docker.service" in said, said)
        docker = "docker -H unix:///run/user/1000/docker.sock"
        self.until("rootless Docker answers", lambda: self.sh(self.as_user(f"{docker} version"), ok=False)[0] == 0, 300)
        self.sh(self.as_user(f"{docker} import /opt/autogit-test/empty.tar {IMAGE}"), 300)
        socket = '\n[engine]\nsocket = "/run/user/1000/docker.sock"\n'
        self.configure(CONFIG.format(url=self.gitlab.inside, pools=CONTAINER) + socket)
        self.until("it says which engine", lambda: "Docker" in self.api("/hosts")[0].get("engine", ""), 120)
        self.scenario()
        check(self.sh(self.as_user(f"{docker} ps -aq")) == "", "containers are left")
        # A purge would look for it in the engine that is configured then.
        self.sh("autogitctl cache clear default")
        check("autogit" not in self.sh(self.as_user(f"{docker} volume ls -q")), "a cache is left")
        self.sh(self.as_user("systemctl --user disable --now docker"))
        self.pools(CONTAINER)

    def test_a_host_over_ssh_under_the_unit_as_shipped(self):
        """This machine's own Podman, reached as another machine's is: ssh is the daemon's child in its sandbox, and its key a credential."""
        far = self.go_far()
        check("memory" in far()["cgroup_controllers"] and far()["remarks"] == [], far())
        self.scenario()
        self.sh("systemctl stop ssh; pkill -KILL -x sshd || true")
        self.until("it is away", lambda: far()["status"] == "away", 120)
        self.until("it says why", lambda: "by ssh: " in far()["remarks"][0] and "refused" in far()["remarks"][0], 120)
        self.sh("systemctl start ssh")
        self.until("it is back", lambda: far()["status"] == "ok", 120)
        self.pools(CONTAINER)

    def go_far(self, more=""):
        """Has runners on this machine as on another one, which ssh reaches; returns how that is shown."""
        self.sh("rm -f /etc/autogit/ssh-key*; ssh-keygen -q -t ed25519 -N '' -f /etc/autogit/ssh-key")
        self.sh("ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null >/etc/autogit/known_hosts")
        self.sh("install -d -m 700 -o homelab -g homelab /home/homelab/.ssh")
        self.sh("install -m 600 -o homelab -g homelab /etc/autogit/ssh-key.pub /home/homelab/.ssh/authorized_keys")
        host = '[[host]]\nname = "far"\nengine = "ssh://homelab@127.0.0.1"\nmemory = "2GiB"\n'
        self.configure(CONFIG.format(url=self.gitlab.inside, pools=CONTAINER).replace('[host]\nmemory = "2GiB"\n', host + more))

        def far():
            return next(h for h in self.api_even_degraded("/hosts") if h["name"] == "far")
        self.until("it answers", lambda: far()["status"] == "ok" and far().get("architecture"), 120)
        return far

    def test_a_host_that_sleeps_is_woken_for_a_job_and_sent_back(self):
        """Its switch is a command of the service's user, outside of the daemon's sandbox: it writes where that has no home. What is switched is sshd."""
        self.sh("install -d -o homelab -g homelab /home/homelab/far")
        self.sh(
            "systemd-run --quiet --unit=far --path-property=PathChanged=/home/homelab/far sh -c "
            "'if [ -e /home/homelab/far/off ]; then systemctl stop ssh; pkill -KILL -x sshd; else systemctl start ssh; fi; true'")
        self.sh("printf '%s\n' '#!/bin/sh' 'echo \"$1 $AUTOGIT_HOST\"; [ \"$1\" = on ] && rm ~/far/off || touch ~/far/off' >/usr/local/bin/far-switch")
        self.sh("chmod 755 /usr/local/bin/far-switch")
        far = self.go_far(
            '[host.power]\nwake = ["/usr/local/bin/far-switch", "on"]\nsleep = ["/usr/local/bin/far-switch", "off"]\nidle = "1m"\nwake_time = "90s"\n')
        self.until("it is sent to sleep", lambda: far()["status"] == "asleep", 240)
        check(self.api("/health")["status"] == "healthy", "a host that sleeps is no trouble")
        project, ids = self.gitlab.start("root/runner-test")
        first = min(ids)
        self.until("it is woken", lambda: far()["status"] == "waking", 120)
        waits = next(j for j in self.api("/jobs") if j["id"] == first)
        check("is being woken" in waits.get("waiting_reason", ""), waits)
        self.gitlab.wait(project, ids, ["success"], 300)
        said = self.sh("journalctl -t autogit-power -o cat --no-pager")
        check("off far" in said and "on far" in said, said)
        story = self.sh("journalctl -u autogit -o cat --no-pager -n 300")
        for line in ["Sending a host without runners to sleep", "A host without runners does not answer", "Waking a host", "A host woke up"]:
            check(line in story, f"no «{line}»: {story}")
        self.no_runners()
        self.sh("systemctl stop far.path; rm -rf /usr/local/bin/far-switch /home/homelab/far; systemctl start ssh")
        self.pools(CONTAINER)

    def test_secrets_are_nowhere(self):
        # From a file, or the search would find its own command line.
        self.sh("cp /etc/autogit/gitlab-token /root/pattern")
        out = self.sh(
            "journalctl --no-pager -o export | grep -acf /root/pattern || true; "
            "grep -rlsaf /root/pattern /var/lib/autogit /run/autogit /proc/[0-9]*/cmdline || true")
        check(out == "0", f"the token is in: {out}")

    def test_removal_takes_runners_along_and_purge_leaves_nothing(self):
        self.pools(BOTH)
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
    parser.add_argument("--guide", required=True)
    parser.add_argument("--port", type=int, default=18080)
    suite = VirtualMachine(parser.parse_args())
    sys.exit(suite.main())


main()
