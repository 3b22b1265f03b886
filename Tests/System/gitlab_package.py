#!/usr/bin/python3
"""The package autogit-gitlab in the virtual machine, with rootless Podman and a stand-in for GitLab's image (gitlab-stand-in): what its unit
does around the container, and what its token program asks of GitLab. The machine's disk is left as it was.

usage: gitlab_package.py --deb FILE --upgrade FILE --gitlab PROGRAM --folder FOLDER [--only WORD,WORD]
"""
import sys

from gitlab import TOKEN, GitLab, job
from machine import HOST, Machine
from suite import Suite, arguments, check

UNIT = "autogit-gitlab"
DATA = "/var/lib/autogit-gitlab/data"
STAND_IN = "localhost/gitlab-stand-in:1"


class GitLabPackage(Suite):
    name = "gitlab"

    def __init__(self, options):
        super().__init__(Machine(options.folder, 18080, discard=True), options)
        self.options = options

    # -- helpers

    def podman(self, words):
        return self.sh(f"cd /; {self.as_user('podman ' + words)}")

    def shown(self, name):
        return self.sh(f"systemctl show --value -p {name} {UNIT}")

    def answer(self):
        return self.sh("curl -s -m 5 -o /dev/null -w '%{http_code}' http://127.0.0.1:3000/-/health || true")

    def is_up(self, seconds=120):
        self.until("GitLab is up", lambda: self.unit_state(UNIT) == "active", seconds)

    def log(self):
        return self.sh("cat /var/lib/autogit-gitlab/logs/stand-in.log").splitlines()

    # -- tests

    def test_it_installs_and_starts_nothing(self):
        self.sh(f"apt-get install -y --no-install-recommends /opt/autogit-test/{self.deb} /opt/autogit-test/{self.gitlab_deb}", 240)
        states = self.sh(f"systemctl is-enabled {UNIT}; systemctl is-active {UNIT}", ok=False)[1]
        check(states == "disabled\ninactive", states)
        check(self.sh("stat -c '%a %U' /etc/autogit/gitlab-root-password") == "600 root", "the password's mode")
        check(len(self.sh("cat /etc/autogit/gitlab-root-password")) >= 24, "a short password")
        out = self.sh(f"systemd-analyze verify {UNIT}.service 2>&1")
        check(out == "", f"systemd-analyze verify: {out}")

    def test_a_start_lasts_until_gitlab_answers_and_says_how_far_it_is(self):
        self.podman("import --quiet --change 'ENTRYPOINT [\"/assets/wrapper\"]' --change 'ENV PATH=/opt/gitlab/bin:/bin' "
                    f"/opt/autogit-test/gitlab-stand-in.tar {STAND_IN}")
        self.sh(f"echo GITLAB_IMAGE={STAND_IN} >> /etc/default/{UNIT}; systemctl start --no-block {UNIT}")
        self.until("GitLab says 503", lambda: self.answer() == "503", 120)
        self.until("its status", lambda: "GitLab is starting, 0 min so far" in self.shown("StatusText"), 60)
        check(self.unit_state(UNIT) == "activating", f"it is {self.unit_state(UNIT)}")
        code, out = self.sh("/usr/lib/autogit/gitlab-token", ok=False)
        check(code == 1 and "not ready yet" in out, f"{code} {out}")
        self.sh(f"touch {DATA}/may-come")
        self.is_up()
        check(self.answer() == "200", "GitLab's port 3000")
        check(self.shown("StatusText").startswith("GitLab answers at http://10.0.42."), self.shown("StatusText"))
        check(self.sh("bash -c 'exec 3<>/dev/tcp/127.0.0.1/2222; head -n 1 <&3'").startswith("SSH-2.0"), "GitLab's port 2222")

    def test_gitlab_has_its_settings(self):
        settings = self.sh("cat /var/lib/autogit-gitlab/config/omnibus-config")
        for line in ["puma['worker_processes'] = 0", "sidekiq['concurrency'] = 10", "prometheus_monitoring['enable'] = false", "nginx['listen_port'] = 80",
                     "gitlab_rails['gitlab_shell_ssh_port'] = 2222"]:
            check(line in settings, f"no {line} in {settings}")
        check(self.sh("cat /var/lib/autogit-gitlab/config/external_url").endswith(":3000"), "external_url")
        check(self.podman("inspect --format '{{.HostConfig.ShmSize}}' autogit-gitlab") == str(256 << 20), "the size of /dev/shm")
        check(self.sh(f"stat -c '%a %u' {DATA}/git-data") == "700 100997", "files of GitLab's own users")

    def test_the_root_password_is_given_as_a_file_and_in_no_other_way(self):
        password = self.sh("cat /etc/autogit/gitlab-root-password")
        check(self.sh(f"cat {DATA}/root-password") == password, "GitLab has another password")
        check(self.sh("stat -c '%a %U' /run/autogit-gitlab /run/autogit-gitlab/root-password").split() == ["700", "homelab", "600", "homelab"], "its copy's mode")
        seen = {"inspect": self.podman("inspect autogit-gitlab"), "the journal": self.sh("journalctl --no-pager -o export"),
                "an environment": self.sh("cat /proc/[0-9]*/environ | tr '\\0' '\\n'"), "a command line": self.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")}
        for where, text in seen.items():
            check(len(text) > 100 and password not in text, f"the password is in {where}")

    def test_the_token_program_prints_a_token_and_nothing_else(self):
        check(self.sh("/usr/lib/autogit/gitlab-token 2>/dev/null") == "glpat-stand-in-00000001", "another output")
        script = self.sh(f"cat {DATA}/script.rb")
        for words in ["scopes: %w[api admin_mode]", "expires_at: 364.days.from_now", "allow_local_requests_from_web_hooks_and_services: true"]:
            check(words in script, f"no {words} in {script}")
        check(self.sh(self.as_user("/usr/lib/autogit/gitlab-token 2>/dev/null")).startswith("glpat-"), "as the service's user")
        code, out = self.sh("runuser -u visitor -- /usr/lib/autogit/gitlab-token", ok=False)
        check(code == 1 and "only root and 1000" in out, f"as another user: {code} {out}")
        self.sh(f"touch {DATA}/no-rails")
        out = self.sh("/usr/lib/autogit/gitlab-token 2>/root/said; test $? = 1 && cat /root/said")
        check("connection refused" in out and "GitLab made no token" in out and "glpat-" not in out, out)
        self.sh(f"rm {DATA}/no-rails")

    def test_setup_goes_on_with_it(self):
        """The stand-in has no API: a GitLab beside the machine has, and takes the token that the stand-in makes."""
        self.gitlab = GitLab(self.options.gitlab, self.options.folder, {"root/a": job(["true"], "docker")}, HOST)
        self.sh(f"printf %s {TOKEN} >{DATA}/token; cp /etc/autogit/autogit.toml /root")
        said = self.sh(f"autogitctl setup --with-gitlab --url {self.gitlab.inside} --runner-url {self.gitlab.inside} --yes --no-hooks --no-selftest 2>&1", 300)
        for line in ["GitLab answers at http://10.0.42.", f"{self.gitlab.inside} takes the token, an administrator's", "AutoGit runs"]:
            check(line in said, said)
        check(TOKEN not in said, "the token is in what it says")
        self.healthy()
        self.sh(f"systemctl stop autogit; rm /etc/autogit/autogit.toml*; mv /root/autogit.toml /etc/autogit; rm {DATA}/token")

    def test_podman_says_that_it_is_healthy(self):
        check(self.podman("ps --format '{{.Names}} {{.Status}}'").endswith("(healthy)"), self.podman("ps"))

    def test_a_crash_ends_in_a_new_start(self):
        self.sh(f"mkdir -p /etc/systemd/system/{UNIT}.service.d; printf '[Service]\\nRestartSec=1\\n' > /etc/systemd/system/{UNIT}.service.d/test.conf; systemctl daemon-reload")
        # The container goes on without Podman's process, and is in the way of the next one.
        self.sh(f"kill -KILL {self.shown('MainPID')}")
        self.until("a restart", lambda: self.shown("NRestarts") == "1", 60)
        self.is_up()
        check(self.podman("ps -a --format '{{.Names}}'") == "autogit-gitlab", self.podman("ps -a"))
        check(self.log().count("starting") == 2, str(self.log()))

    def test_it_runs_after_a_reboot_without_a_login(self):
        self.sh(f"systemctl enable {UNIT}; touch {DATA}/may-go; sync")
        self.machine.reboot()
        self.is_up(300)
        check(self.sh("loginctl list-sessions --no-legend") == "", "somebody is logged in")
        check(self.log().count("ended in order") == 1, f"the shutdown did not wait: {self.log()}")
        check(self.sh(f"cat {DATA}/root-password") == self.sh("cat /etc/autogit/gitlab-root-password"), "another password")

    def test_a_stop_waits_for_gitlab(self):
        self.sh(f"systemctl stop --no-block {UNIT}")
        self.until("GitLab is ending", lambda: self.log()[-1].startswith("SIGTERM"), 60)
        check(self.unit_state(UNIT) == "deactivating", f"it is {self.unit_state(UNIT)}")
        self.sh(f"touch {DATA}/may-go")
        self.until("it has ended", lambda: self.unit_state(UNIT) == "inactive", 120)
        check(self.shown("Result") == "success" and self.log()[-1] == "ended in order", f"{self.shown('Result')} {self.log()}")
        check(self.podman("ps -aq") == "" and self.sh("ls /run/autogit-gitlab 2>/dev/null || true") == "", "something is left")

    def test_a_stop_while_it_starts_is_no_failure(self):
        self.sh(f"rm {DATA}/may-come; touch {DATA}/may-go; systemctl start --no-block {UNIT}")
        self.until("GitLab says 503", lambda: self.answer() == "503", 120)
        self.sh(f"systemctl stop {UNIT}")
        check(self.unit_state(UNIT) == "inactive" and self.podman("ps -aq") == "", f"{self.unit_state(UNIT)} {self.podman('ps -a')}")

    def a_start_fails_and_says(self, line, words):
        """With a line more in its variables."""
        self.sh(f"touch {DATA}/may-go; systemctl stop {UNIT}; cp /etc/default/{UNIT} /root/before; cat >> /etc/default/{UNIT} <<'E'\n{line}\nE")
        code, out = self.sh(f"systemctl start {UNIT}", ok=False)
        self.sh(f"systemctl stop {UNIT}; cp /root/before /etc/default/{UNIT}")
        check(code == 1, f"{code} {out}")
        check(words in self.sh(f"journalctl -u {UNIT} -o cat -n 40"), f"not told: {words}")

    def test_an_address_that_is_none_is_told(self):
        self.a_start_fails_and_says('GITLAB_URL="http://a b"', "GITLAB_URL in /etc/default/autogit-gitlab is not a plain address")

    def test_an_image_that_cannot_be_had_is_told(self):
        self.a_start_fails_and_says("GITLAB_IMAGE=127.0.0.1:9/gitlab:1", "127.0.0.1:9/gitlab:1 could not be pulled, see above; to try by hand, as homelab: podman pull")

    def test_a_purge_keeps_the_data_and_says_where(self):
        out = self.sh(f"rm -r /etc/systemd/system/{UNIT}.service.d; apt-get purge -y {UNIT}", 240)
        check("GitLab's data stays in /var/lib/autogit-gitlab" in out, out)
        check(self.sh(f"test -e {DATA}/root-password && ls /etc/autogit") == "autogit.toml\nwebhook-secret", self.sh("ls /etc/autogit"))


def main():
    parser = arguments(__doc__)
    parser.add_argument("--folder", required=True)
    sys.exit(GitLabPackage(parser.parse_args()).main())


main()
