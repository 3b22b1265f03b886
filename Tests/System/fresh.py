#!/usr/bin/python3
"""The package on a Debian as its installer leaves one: `apt install` with all that it recommends, the configuration of the README, the engine's own network,
and runners in images of their own. GitLab is simulated beside the machine.

usage: fresh.py --suite NAME --deb FILE --upgrade FILE --gitlab PROGRAM --folder FOLDER --guide FOLDER --readme FILE [--only WORD,WORD]
"""
import json
import re
import sys
import time

from gitlab import TOKEN, GitLab, Hold, held, job
from machine import HOST, Machine
from suite import Suite, arguments, check

# The names that AutoGit and gitlab-runner take without configuration, for the images that the tests have instead.
RUNNER = "docker.io/gitlab/gitlab-runner:alpine"
HELPER = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v19.4.0"
JOB = "docker.io/library/debian:12"
# The machine's own address, as QEMU gives it, and the engine's name for it.
OWN, INSIDE = "10.0.42.15", "host.containers.internal"
# A port of the machine that leads to GitLab, as if GitLab were on it.
PORT = 3000
# As in GitLab's own image, what isn't an order to the runner is a program: that image is the helper's here, too.
ENTRYPOINT = json.dumps(["/bin/sh", "-c", 'if [ "$0" = run ]; then exec /usr/local/bin/autogit-test-runner "$0" "$@"; fi; exec "$0" "$@"'])


def readme(file, url):
    """The configuration that the README shows first, for another GitLab."""
    with open(file) as text:
        block = re.search(r"```toml\n(\[gitlab\]\n.*?)```", text.read(), re.DOTALL).group(1)
    return re.sub(r'url = ".*"', f'url = "{url}"', block)


def reached(address):
    """A line of a job's script: says whether it has a connection there."""
    return f'if nc -w 5 {address} {PORT} </dev/null; then echo "reached {address}"; else echo "did not reach {address}"; fi'


def first_job(file):
    """The guide's first pipeline, up to its first job."""
    with open(file) as text:
        return text.read().split("# CPU-intensive")[0]


class Fresh(Suite):
    first = ("test_the_package_installs_with_what_it_recommends", "test_setup_needs_flags_only", "test_it_starts_with_the_readmes_configuration")
    # The oldest version of the API that Docker takes can be set from 25 on, and Debian 12 has 20.10.
    trixie_only = ("test_an_engine_that_refuses_old_versions_of_the_api_runs_jobs",)

    def __init__(self, options):
        self.suite = options.suite
        self.name = f"fresh-{options.suite}"
        # The defaults reserve 3.1 GiB for a job, of which QEMU takes what is used.
        super().__init__(Machine(options.folder, options.port, memory=6144), options)
        self.readme = options.readme
        self.hold = Hold()
        self.projects = {
            "root/runner-test": first_job(f"{options.guide}/scenario-1.gitlab-ci.yml"),
            "root/held": held(self.hold, "held", "docker, autogit", "wget -q -O /dev/null"),
            "root/here": job([*map(reached, [INSIDE, OWN]), "test -s .gitlab-ci.yml && echo cloned and $(echo done)"], "docker")}
        self.gitlab = GitLab(options.gitlab, options.folder, self.projects, HOST)

    def runs_a_job(self):
        project, ids = self.gitlab.start("root/runner-test")
        done = self.gitlab.wait(project, ids, ["success", "failed"], 600)
        trace = self.gitlab.trace(project, ids[0])
        check(done[0]["status"] == "success" and "Hello from AutoGit dynamic runner!" in trace, trace)

    def chosen(self):
        return [name for name in super().chosen() if self.suite == "trixie" or name not in self.trixie_only]

    # -- tests

    def test_the_package_installs_with_what_it_recommends(self):
        check(self.sh("command -v podman", ok=False)[0] != 0, "Podman is there already")
        self.install("")
        versions = self.sh("dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n' podman netavark slirp4netns passt uidmap systemd 2>/dev/null || true")
        self.note(", ".join(line.removeprefix("installed ") for line in versions.splitlines() if line.startswith("installed ")))

    def import_images(self, engine):
        """What an engine with a way out would pull."""
        runner = f"--change 'ENTRYPOINT {ENTRYPOINT}' --change 'ENV AUTOGIT_TEST_DIALECT=19.4'"
        for file, names, change in [("runner", [RUNNER, HELPER], runner), ("job", [JOB], "")]:
            self.sh(f"cd /; {engine} import {change} /opt/autogit-test/{file}.tar {names[0]}", 600)
            for name in names[1:]:
                self.sh(f"cd /; {engine} tag {names[0]} {name}")

    def setup(self, url, *options, selftest="--no-selftest"):
        """Flags only, as in a script; returns what it said and how long it took."""
        began = time.monotonic()
        said = self.sh(f"printf %s {TOKEN} | autogitctl setup --url {url} --token-file - --yes --no-hooks {selftest} {' '.join(options)} 2>&1", 900)
        check(TOKEN not in said, "the token is in what it says")
        return said, time.monotonic() - began

    def test_setup_needs_flags_only(self):
        """Also switches the user's engine on, which apt leaves off."""
        self.import_images("runuser -u homelab -- env XDG_RUNTIME_DIR=/run/user/1000 podman")
        said, seconds = self.setup(self.gitlab.inside, selftest="")
        for line in ["takes the token", "Podman Engine", f"containers reach {self.gitlab.inside}", "AutoGit runs", "The self-test succeeded: 1 of 1 pool."]:
            check(line in said, said)
        check(self.sh("stat -c %a /etc/credstore.encrypted/autogit.gitlab-token") == "600", "the token is not encrypted")
        for path in self.projects:
            self.sh(f"autogitctl hook install {path} --url http://127.0.0.1:{self.machine.http_port}/webhook/job")
        began = time.monotonic()
        self.runs_a_job()
        self.note(f"setup took {seconds:.0f} s with its self-test, and a job after it {time.monotonic() - began:.0f} s")

    def test_the_doctor_has_no_fault_to_tell_of(self):
        code, text = self.sh("autogitctl doctor 2>/dev/null", 300, ok=False)
        check(code in (0, 1) and "✗" not in text and f"reaches {self.gitlab.inside}" in text, text)

    def test_it_starts_with_the_readmes_configuration(self):
        self.sh(f"printf %s {TOKEN} | autogitctl token set --token-file - --storage plain")
        self.configure(readme(self.readme, self.gitlab.inside))

    def test_the_first_job_of_the_guide_succeeds(self):
        self.runs_a_job()
        check(self.sh(self.as_user("podman ps -q --filter name=autogit-runner")) != "", "no container of a runner, which is to wait for more jobs")

    def test_a_login_and_logout_end_no_job(self):
        self.hold.hold("held")
        project, ids = self.gitlab.start("root/held")
        self.until("the job runs in its container", lambda: "begun" in self.gitlab.trace(project, ids[0]), 300)
        self.log_in_and_out()
        self.hold.release("held")
        self.gitlab.wait(project, ids, ["success"])
        self.healthy()

    def bring_gitlab_here(self):
        """A port of this machine leads to GitLab."""
        self.sh(f"systemctl is-active -q gitlab-here || systemd-run --unit gitlab-here systemd-socket-activate -l 0.0.0.0:{PORT} "
                f"/lib/systemd/systemd-socket-proxyd {self.gitlab.inside.removeprefix('http://')}")

    def test_a_gitlab_on_this_host_is_reached_by_the_engines_name(self):
        self.bring_gitlab_here()
        said, _ = self.setup(f"http://127.0.0.1:{PORT}")
        check(f"containers reach this machine's GitLab as http://{INSIDE}:{PORT}" in said, said)
        check(self.sh("cat /etc/autogit/autogit.toml").count(INSIDE) == 2, "runner_url and clone_url")
        project, ids = self.gitlab.start("root/here")
        done = self.gitlab.wait(project, ids, ["success", "failed"], 600)
        trace = self.gitlab.trace(project, ids[0])
        check(done[0]["status"] == "success" and "cloned and done" in trace and f"\nreached {INSIDE}" in trace, trace)
        # slirp4netns leads to the host's own address; with pasta a container has that address itself.
        check(f"\n{'did not reach' if self.pasta() else 'reached'} {OWN}" in trace, trace)
        self.configure(readme(self.readme, self.gitlab.inside))

    def pasta(self):
        return "pasta" in self.sh(self.as_user("podman info --format {{.Host.RootlessNetworkCmd}} 2>/dev/null || true"))

    def test_a_gitlab_in_a_container_here_delivers_its_webhooks(self):
        """The package autogit-gitlab with a stand-in for GitLab's image, which has no API: GitLab's is at a port of this machine. Its hook is called from
        that container."""
        self.bring_gitlab_here()
        data = "/var/lib/autogit-gitlab/data"
        self.sh(f"DEBIAN_FRONTEND=noninteractive apt-get install -y /opt/autogit-test/{self.gitlab_deb}", 600)
        self.sh("cd /; " + self.as_user("podman import -q --change 'ENTRYPOINT [\"/assets/wrapper\"]' --change 'ENV PATH=/opt/gitlab/bin:/bin' "
                                        "/opt/autogit-test/gitlab-stand-in.tar localhost/gitlab-stand-in:1"), 300)
        self.sh("printf 'GITLAB_IMAGE=localhost/gitlab-stand-in:1\nGITLAB_HTTP_PORT=3001\n' >>/etc/default/autogit-gitlab; "
                "systemctl start --no-block autogit-gitlab")
        self.until("the container is there", lambda: self.sh(f"test -e {data}/root-password", ok=False)[0] == 0, 300)
        self.sh(f"printf %s {TOKEN} >{data}/token; touch {data}/may-come {data}/may-go")
        said = self.sh(f"autogitctl setup --with-gitlab --url http://{OWN}:{PORT} --yes --no-selftest --project root/held 2>&1", 900)
        project = self.gitlab.project("root/held")
        hook = max(self.gitlab.call("GET", f"projects/{project}/hooks"), key=lambda h: h["id"])["url"]
        body = {"object_kind": "build", "build_id": 4711, "build_name": "x", "build_stage": "t", "build_status": "pending", "project_id": project}
        # Debian's busybox crashes when its wget is given a time.
        ask = "cd /; runuser -u homelab -- env XDG_RUNTIME_DIR=/run/user/1000 podman exec autogit-gitlab timeout 30 wget -S -O /dev/null"
        code, answer = self.sh(
            f"secret=$(cat /etc/autogit/webhook-secret); echo '{json.dumps(body)}' >{data}/body; {ask} --header 'X-Gitlab-Event: Job Hook' "
            f"--header \"X-Gitlab-Token: $secret\" --header 'Content-Type: application/json' --post-file /var/opt/gitlab/body {hook} 2>&1", ok=False)
        check(code == 0 and " 202 " in answer, f"{hook} from GitLab's container: {code} {answer}\n{said}")
        code, answer = self.sh(f"{ask} http://{OWN}:8080/health 2>&1", ok=False)
        check((code != 0 and "refused" in answer) if self.pasta() else code == 0, f"{OWN} from GitLab's container: {code} {answer}")
        self.note(f"GitLab's container delivers to {hook}")
        # Who configures by hand hears of the setting, where it is needed.
        self.sh("sed -i /^webhook_url/d /etc/autogit/autogit.toml")
        said = self.sh("autogitctl doctor 2>/dev/null", 300, ok=False)[1]
        check("webhook-address" in said and (f'webhook_url = "http://{INSIDE}:8080/webhook/job"' in said) == self.pasta(), said)
        self.sh("systemctl disable --now autogit-gitlab", 300)
        self.configure(readme(self.readme, self.gitlab.inside))

    def test_an_engine_that_refuses_old_versions_of_the_api_runs_jobs(self):
        """As Docker 29 does, which knows nothing before 1.44: Debian 13's Docker, told to be like that."""
        self.sh("mkdir -p /etc/systemd/system/docker.service.d; "
                "printf '[Service]\\nEnvironment=DOCKER_MIN_API_VERSION=1.44\\n' >/etc/systemd/system/docker.service.d/test.conf")
        self.sh("DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker.io docker-cli", 900)
        self.until("Docker answers", lambda: self.sh("docker version", ok=False)[0] == 0, 300)
        code, said = self.sh("DOCKER_API_VERSION=1.41 docker ps 2>&1", ok=False)
        check(code != 0 and "client version 1.41 is too old. Minimum supported API version is 1.44" in said, f"{code} {said}")
        self.import_images("docker")
        socket = "/run/docker.sock"
        with self.drop_in("SupplementaryGroups=docker"):
            self.configure(readme(self.readme, self.gitlab.inside) + f'\n[engine]\nsocket = "{socket}"\n')
            self.until("it says which engine", lambda: "Docker" in self.api("/hosts")[0].get("engine", ""), 120)
            self.runs_a_job()
            check(self.sh("docker ps -q --filter name=autogit-runner") != "", "no container of a runner, which is to wait for more jobs")
            self.note(self.sh("docker version --format 'Docker {{.Server.Version}}, API {{.Server.MinAPIVersion}} to {{.Server.APIVersion}}'"))
            self.sh("autogitctl evacuate", 300)
        self.configure(readme(self.readme, self.gitlab.inside))
        self.sh("systemctl disable --now docker.service docker.socket containerd.service 2>&1", 120)

    def test_after_a_reboot_it_is_there_again(self):
        began = time.monotonic()
        self.machine.reboot()
        booted = time.monotonic()
        self.healthy(300)
        self.note(f"down and up again after {booted - began:.0f} s, healthy after {time.monotonic() - booted:.1f} s more")
        self.runs_a_job()

    def test_a_kernel_without_the_memory_controller_is_told_of_and_lived_with(self):
        """As a Raspberry Pi's."""
        self.machine.restart_with("cgroup_disable=memory")
        self.until("it says so", lambda: any("no memory controller" in w for w in self.api_even_degraded("/health").get("warnings", [])), 300)
        said = self.sh("autogitctl doctor 2>/dev/null", 300, ok=False)[1]
        check("✗ cgroups" in said and "the kernel has no memory controller" in said and "update-grub" in said, said)
        self.configure(readme(self.readme, self.gitlab.inside).replace("[[pool]]\n", '[[pool]]\nmemory = "none"\n'))
        self.runs_a_job()


def main():
    parser = arguments(__doc__)
    for name in ["suite", "folder", "guide", "readme"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, default=18081)
    sys.exit(Fresh(parser.parse_args()).main())


main()
