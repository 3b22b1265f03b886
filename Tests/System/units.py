#!/usr/bin/python3
"""The units, sockets, journal, watchdog and maintainer scripts under a booted systemd in a container: all that needs no
cgroup limits and no rootless engine, in seconds. GitLab is simulated beside it.

usage: unshare --mount --net units.py --deb FILE --upgrade FILE --gitlab PROGRAM --root TREE [--only WORD,WORD]
"""
import json
import os
import sys
import tempfile

from container import Container
from gitlab import TOKEN, GitLab, job
from suite import Suite, arguments, check

CONFIG = """
[gitlab]
url = "{url}"
poll_interval = "1s"
[host]
memory = "2GiB"
[[pool]]
name = "{name}"
driver = "scope"
tags = ["scope"]
command = ["/bin/false"]
memory = "64MiB"
"""


class Units(Suite):
    name = "units"

    def __init__(self, options):
        super().__init__(Container(options.root), options)
        self.folder = tempfile.TemporaryDirectory()
        self.options = options

    def main(self):
        with self.folder:
            return super().main()

    def start_gitlab(self):
        self.gitlab = GitLab(self.options.gitlab, self.folder.name, {"root/a": job(["true"], "nobody-has-this")}, "127.0.0.1")

    def pool(self, name, verb="restart", url=None):
        self.configure(CONFIG.format(url=url or self.gitlab.url, name=name), verb, healthy=url is None)

    def state(self, *properties):
        return self.sh("systemctl show --value autogit " + " ".join(f"-p {p}" for p in properties)).split()

    # -- tests

    def test_the_package_installs_and_opens_its_sockets(self):
        self.install()

    def test_installing_it_again_changes_nothing(self):
        self.sh("echo '# mine' >> /etc/autogit/autogit.toml")
        before = self.sh("sha256sum /etc/autogit/*; stat -c '%a %U %G %n' /etc/autogit /etc/autogit/* /run/autogit")
        self.sh(f"dpkg -i /opt/autogit-test/{self.deb} && dpkg-reconfigure autogit")
        check(self.sh("sha256sum /etc/autogit/*; stat -c '%a %U %G %n' /etc/autogit /etc/autogit/* /run/autogit") == before, "it changed something")
        check(self.sh("systemctl is-active autogit.socket autogit-control.socket") == "active\nactive", "the sockets are closed")

    def reconfigure(self, around="{}"):
        """Runs postinst again; returns what it says."""
        return self.sh(around.format("dpkg-reconfigure autogit 2>&1"))

    def forget_lingering(self):
        self.sh("for name in $(ls /var/lib/systemd/linger); do loginctl disable-linger $name; done; rm -f /var/lib/autogit/lingering")

    def test_an_upgrade_makes_the_user_linger(self):
        self.forget_lingering()
        self.sh(f"dpkg -i /opt/autogit-test/{self.deb}")
        check(self.lingering() == "homelab", f"lingering: {self.lingering()}")
        check(self.sh("cat /var/lib/autogit/lingering") == "homelab", "not marked")

    def test_the_user_that_the_unit_really_has_lingers(self):
        running, stopped = "{}", "unshare --mount sh -c 'mount -t tmpfs tmpfs /run && {}'"
        for around in running, stopped:
            for user in "visitor", "1001":
                self.forget_lingering()
                with self.drop_in(f"# User=nobody-here\nUser=nobody\n User = {user} "):
                    self.reconfigure(around)
                check(self.lingering() == "visitor", f"User={user}, {around}: lingering: {self.lingering()}")
                check(self.sh("cat /var/lib/autogit/lingering") == "visitor", "not marked")
        self.forget_lingering()
        self.reconfigure(around=stopped)
        check(self.lingering() == "homelab", f"without a drop-in: lingering: {self.lingering()}")

    def test_lingering_that_was_there_is_not_ours(self):
        self.sh("rm /var/lib/autogit/lingering")
        self.reconfigure()
        check(self.sh("test -e /var/lib/autogit/lingering", ok=False)[0] != 0, "marked as ours")

    def test_a_user_that_does_not_exist_is_told_of(self):
        self.forget_lingering()
        self.sh("cp /etc/autogit/autogit.toml /root/before")
        self.sh(f"cat > /etc/autogit/autogit.toml <<'E'\n{CONFIG.format(url='http://127.0.0.1:9', name='one')}\nE\n"
                "umask 077; echo glpat-x > /etc/autogit/gitlab-token")
        for user in "nobody-here", "4711":
            words = f"runs as the user {user}, and there is no such user"
            with self.drop_in(f"User={user}"):
                said = self.reconfigure()
                check(words in said and "systemctl edit autogit.service" in said, said)
                said = self.sh("autogitctl check")
                check(words in said and "configuration is valid" in said, said)
                check(words in json.loads(self.sh("autogitctl check --json"))["warnings"][0], "--json")
        check(self.lingering() == "", f"lingering: {self.lingering()}")
        check("loginctl enable-linger homelab" in self.sh("autogitctl check"), self.sh("autogitctl check"))
        self.reconfigure()
        check("warning" not in self.sh("autogitctl check"), self.sh("autogitctl check"))
        self.sh("cp /root/before /etc/autogit/autogit.toml; rm /etc/autogit/gitlab-token")

    def test_root_follows_no_link_of_the_service(self):
        self.forget_lingering()
        self.sh("ln -s /etc/victim /var/lib/autogit/lingering")
        self.reconfigure()
        check(self.sh("test -e /etc/victim", ok=False)[0] != 0, "it wrote through the link")
        check(self.lingering() == "homelab", "it does not linger")
        self.sh("rm /var/lib/autogit/lingering")

    def test_a_refusal_of_logind_is_told_of_and_fails_no_installation(self):
        self.sh("mkdir /run/refusing; printf '#!/bin/sh\nexit 1\n' > /run/refusing/loginctl; chmod 755 /run/refusing/loginctl")
        for marker in "rm -f", "ln -sf /etc/victim":
            self.sh(f"rm -f /var/lib/systemd/linger/*; {marker} /var/lib/autogit/lingering")
            said = self.reconfigure("PATH=/run/refusing:$PATH {}")
            check("once systemd-logind is running, run: loginctl enable-linger homelab" in said, said)
            check("homelab" not in self.sh("cat /var/lib/autogit/lingering 2>/dev/null || true"), "marked as ours")
        self.sh("rm /var/lib/autogit/lingering")
        self.reconfigure()
        check(self.lingering() == "homelab", "it does not linger")

    def test_units_are_clean(self):
        self.units_are_clean()

    def test_manuals_and_completions_are_there(self):
        for page in ["8 autogitd", "1 autogitctl", "5 autogit.toml"]:
            check("DESCRIPTION" in self.sh(f"MANWIDTH=100 man {page} | cat"), f"man {page}")
        check("autogitctl" in self.sh("bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader autogitctl; complete -p autogitctl'"), "bash")
        self.sh("test -s /usr/share/zsh/vendor-completions/_autogitctl")

    def test_an_unconfigured_daemon_says_so_and_does_not_loop(self):
        code, out = self.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/health", ok=False)
        check(out == "503", f"an unconfigured daemon answers {out}")
        status = self.sh("systemctl status autogit")
        check("not configured yet" in status and "active (running)" in status, status)
        check(self.state("NRestarts") == ["0"], "it was restarted")
        code, out = self.sh("autogitctl status", ok=False)
        check(code == 69 and "not configured" in out, f"autogitctl: {code} {out}")

    def test_a_bad_configuration_is_refused_without_a_loop(self):
        self.sh("printf '[gitlab]\\nurl = 3\\n' > /etc/autogit/autogit.toml; systemctl restart autogit", ok=False)
        self.until("it gives up", lambda: self.is_active() == "failed", 30)
        check(sorted(self.state("ExecMainStatus", "NRestarts")) == ["0", "78"], str(self.state("ExecMainStatus", "NRestarts")))
        check("autogit.toml:2: " in self.sh("journalctl -u autogit -n 20 -o cat"), "it does not say where")
        self.sh("systemctl reset-failed autogit autogit.socket autogit-control.socket; systemctl start autogit.socket autogit-control.socket")

    def test_configured_it_is_ready_and_says_what_it_does(self):
        self.start_gitlab()
        self.sh(f"umask 077; printf '%s\\n' {TOKEN} > /etc/autogit/gitlab-token")
        self.pool("one")
        check(set(self.state("ActiveState", "Type")) == {"active", "notify"}, "not active")
        self.until("its status", lambda: "no runners; no job waits; GitLab ok" in self.sh("systemctl status autogit"), 10)
        check(self.sh("stat -c '%a %U' /var/lib/autogit /var/lib/autogit/autogit.db").split() == ["700", "homelab", "600", "homelab"], "the state's mode")

    def test_a_webhook_starts_it(self):
        self.sh("systemctl stop autogit.service")
        check(self.is_active() == "inactive", "it runs")
        secret = self.sh("cat /etc/autogit/webhook-secret")
        body = json.dumps({"object_kind": "build", "build_id": 77, "build_name": "x", "build_stage": "t", "build_status": "pending", "project_id": 1})
        answer = self.sh(
            f"curl -s -o /dev/null -w '%{{http_code}}' -H 'X-Gitlab-Token: {secret}' -H 'X-Gitlab-Event: Job Hook' --json '{body}' http://127.0.0.1:8080/webhook/job")
        check(answer.startswith("2"), f"answered {answer}")
        check(self.is_active() == "active", "it does not run")
        check(self.sh("sqlite3 /var/lib/autogit/autogit.db 'SELECT count(*) FROM jobs WHERE id = 77'") == "1", "the job is not in the store")

    def test_the_journal_has_fields_and_the_catalog_explains(self):
        project, ids = self.gitlab.start("root/a")
        self.until("it is seen", lambda: self.sh(f"journalctl -u autogit AUTOGIT_JOB={ids[0]} -o cat"), 30)
        entry = json.loads(self.sh(f"journalctl -u autogit AUTOGIT_JOB={ids[0]} MESSAGE_ID=2b1a9c47f0c34d0f8c7c6a4b5be1f603 -o json").splitlines()[0])
        for field in ["PRIORITY", "MESSAGE_ID", "AUTOGIT_PROJECT", "CODE_FILE", "CODE_LINE", "CODE_FUNC", "SYSLOG_IDENTIFIER"]:
            check(field in entry, f"no {field} in {entry}")
        check(entry["PRIORITY"] == "4", f"priority {entry['PRIORITY']}")
        check("Subject: No pool serves a job" in self.sh(f"journalctl -u autogit -x AUTOGIT_JOB={ids[0]} --no-pager"), "no explanation")

    def test_a_reload_takes_over_pools_and_a_bad_one_changes_nothing(self):
        pid = self.pid()
        self.pool("two", "reload")
        check([p["name"] for p in json.loads(self.sh("autogitctl pools --json"))] == ["two"], self.sh("autogitctl pools"))
        self.sh("cp /etc/autogit/autogit.toml /root/good; echo 'nonsense =' >> /etc/autogit/autogit.toml; systemctl reload autogit")
        self.until("it says so", lambda: "reload" in self.sh("journalctl -u autogit -p warning -n 5 -o cat").lower(), 10)
        check([p["name"] for p in json.loads(self.sh("autogitctl pools --json"))] == ["two"], "the bad one was taken")
        check(self.pid() == pid and self.is_active() == "active", "it did not stay")
        self.sh("cp /root/good /etc/autogit/autogit.toml")

    def test_gitlab_away_and_a_refused_token_are_told_of(self):
        self.sh("cp /etc/autogit/gitlab-token /root/token; echo glpat-wrong > /etc/autogit/gitlab-token; systemctl restart autogit")
        self.until("401", lambda: self.sh("journalctl -u autogit -x MESSAGE_ID=2b1a9c47f0c34d0f8c7c6a4b5be1f605 --no-pager -n 3 | grep 'refuses the token' || true"), 20)
        self.pool("two", url="http://127.0.0.1:9")
        self.until("away", lambda: self.sh("journalctl -u autogit -x MESSAGE_ID=2b1a9c47f0c34d0f8c7c6a4b5be1f604 --no-pager -n 3 | grep 'cannot be reached' || true"), 20)
        self.until("its status", lambda: "GitLab ok" not in self.sh("systemctl status autogit"), 10)
        check("glpat-" not in self.sh("journalctl -u autogit --no-pager -o export"), "a token in the journal")
        self.sh("cp /root/token /etc/autogit/gitlab-token")
        self.pool("two")

    def test_the_control_socket_is_not_for_everybody(self):
        self.control_socket_is_closed_to_others()

    def test_a_crash_and_a_hang_end_in_a_new_start(self):
        pid = self.pid()
        self.sh(f"kill -SEGV {pid}")
        self.until("another process", lambda: self.pid() not in (pid, "0") and self.is_active() == "active", 20)
        with self.watchdog(2):
            pid = self.pid()
            self.sh(f"kill -STOP {pid}")
            self.until("another process", lambda: self.pid() not in (pid, "0") and self.is_active() == "active", 20)
            check("Watchdog timeout" in self.sh("journalctl -u autogit -n 50 --no-pager -o cat"), "not by the watchdog")

    def test_no_webhook_is_lost_over_20_restarts(self):
        self.webhooks_over_restarts(20)

    def test_a_stop_is_quick_and_clean(self):
        self.sh("systemctl stop autogit.service")
        check(sorted(self.state("ExecMainStatus", "Result")) == ["0", "success"], str(self.state("ExecMainStatus", "Result")))

    def test_removal_keeps_the_state_and_purge_leaves_nothing(self):
        self.sh("apt-get remove -y autogit", 120)
        check(self.sh("test -e /var/lib/autogit/autogit.db && echo kept") == "kept", "remove took the state away")
        self.sh("touch /etc/victim; printf '../../../../etc/victim\n-x\n\n' > /var/lib/autogit/lingering")
        self.purge()
        self.sh("rm /etc/victim")
        check(self.lingering() == "homelab", "lingering that was the operator's is gone")


def main():
    parser = arguments(__doc__)
    parser.add_argument("--root", required=True)
    options = parser.parse_args()
    options.root = os.path.abspath(options.root)
    sys.exit(Units(options).main())


main()
