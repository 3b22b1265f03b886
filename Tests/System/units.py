#!/usr/bin/python3
"""The units, sockets, journal, watchdog and maintainer scripts under a booted systemd in a container: all that needs no
cgroup limits and no rootless engine, in seconds. GitLab is simulated beside it.

usage: unshare --mount --net units.py --deb FILE --upgrade FILE --gitlab PROGRAM --root TREE [--only WORD,WORD]
"""
import functools
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading

from container import Container
from gitlab import READER, TOKEN, GitLab, job
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

# On another host.
FAR_POOL = """
[[pool]]
name = "far"
hosts = ["far"]
tags = ["far"]
executor = "shell"
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
        self.sh("test -s /usr/share/zsh/vendor-completions/_autogitctl && grep -q '^complete -c .*autogitctl' /usr/share/fish/vendor_completions.d/autogitctl.fish")

    def test_the_packages_own_tests_pass(self):
        """As autopkgtest runs them."""
        out = self.sh("mkdir -p /root/tmp && AUTOPKGTEST_TMP=/root/tmp /opt/autogit-test/installed 2>&1", 240)
        check(out.endswith("installed: all is well"), out)
        # Its job is over, and what it said is not the next test's.
        self.sh("systemctl stop autogit autogit.socket autogit-control.socket; rm -f /var/lib/autogit/autogit.db*; systemctl start autogit.socket autogit-control.socket; "
                "journalctl --rotate; journalctl --vacuum-time=1s >/dev/null 2>&1")

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
        self.until("its status", lambda: "no runners; no job waits; GitLab ok" in self.sh("systemctl status autogit"), 60)
        check(self.sh("stat -c '%a %U' /var/lib/autogit /var/lib/autogit/autogit.db").split() == ["700", "homelab", "600", "homelab"], "the state's mode")

    def probed(self):
        return json.loads(self.sh("cat /run/autogit/host.json"))

    def last_look(self):
        """When it was taken. No other one is under way, which a request would find instead of its own."""
        self.until("the last look is over", lambda: self.unit_state("autogit-probe.service") == "inactive", 20)
        return self.probed()["time"]

    def look_again(self):
        """Has the daemon's user ask for a look at the machine; returns what it found."""
        before = self.last_look()
        self.sh(self.as_user("touch /run/autogit/requests/probe"))
        self.until("a newer look", lambda: self.probed()["time"] > before, 20)
        return self.probed()

    def test_the_probe_looks_at_the_machine_before_a_start(self):
        check(self.sh("systemctl is-active autogit-probe.path; systemctl is-enabled autogit-probe.path") == "active\nenabled", "no look can be asked for")
        out = self.sh("systemd-analyze verify autogit-probe.service autogit-probe.path 2>&1")
        check(out == "", f"systemd-analyze verify: {out}")
        self.sh("rm -f /run/autogit/host.json; systemctl restart autogit")
        host = self.probed()
        machine = self.sh("uname -m")
        check(host["architecture"] == {"x86_64": "amd64", "aarch64": "arm64"}[machine], f"{machine}: {host}")
        check(host["cpus"] > 0 and host["memory"] > 0 and host["gpus"] == [], str(host))
        modes = self.sh("stat -c '%a %U' /run/autogit /run/autogit/host.json /run/autogit/requests").splitlines()
        check(modes == ["755 root", "644 root", "700 homelab"], str(modes))

    def test_the_probe_looks_again_when_the_daemon_asks(self):
        device = {"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/gpu0", "hostPath": "/dev/null"}]}}
        specification = json.dumps({"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [device]})
        self.sh(f"mkdir -p /etc/cdi; echo '{specification}' > /etc/cdi/test.json")
        gpus = self.look_again()["gpus"]
        check([g["cdi"] for g in gpus] == ["nvidia.com/gpu=0"] and gpus[0]["nodes"] == [{"group": 0, "path": "/dev/null"}], str(gpus))
        self.sh("rm -r /etc/cdi")
        check(self.look_again()["gpus"] == [], "the GPU is still there")
        self.sh("systemctl stop autogit.service; systemctl start autogit.service")
        check(self.look_again()["gpus"] == [], "no look after a stop and a start")

    def test_the_probe_follows_no_link_of_the_daemons_user(self):
        self.sh(self.as_user("ln -sf /etc/victim /run/autogit/requests/probe; ln -sf /etc/victim /run/autogit/requests/host.json"))
        refused = self.sh(self.as_user("ln -sf /etc/victim /run/autogit/host.json 2>&1; mv /run/autogit/requests /run/autogit/mine 2>&1; true"))
        check(refused.count("Permission denied") == 2, refused)
        before = self.last_look()
        self.sh("systemctl start autogit-probe.service")
        check(self.probed()["time"] > before, "no look")
        self.sh("ln -sf /etc/victim /run/autogit/host.json; systemctl start autogit-probe.service")
        check(self.sh("stat -c %F /run/autogit/host.json") == "regular file", "the link was kept")
        check(self.sh("test -e /etc/victim", ok=False)[0] != 0, "root wrote through a link")
        self.sh("rm -f /run/autogit/requests/*")

    def webhook(self, build):
        """Delivers one of a job, as GitLab does; returns the answer's status."""
        secret = self.sh("cat /etc/autogit/webhook-secret")
        body = json.dumps({"object_kind": "build", "build_id": build, "build_name": "x", "build_stage": "t", "build_status": "pending", "project_id": 1})
        return self.sh(
            f"curl -s -o /dev/null -w '%{{http_code}}' -H 'X-Gitlab-Token: {secret}' -H 'X-Gitlab-Event: Job Hook' --json '{body}' http://127.0.0.1:8080/webhook/job")

    def test_a_webhook_starts_it(self):
        self.sh("systemctl stop autogit.service")
        check(self.is_active() == "inactive", "it runs")
        answer = self.webhook(77)
        check(answer.startswith("2"), f"answered {answer}")
        check(self.is_active() == "active", "it does not run")
        check(self.sh("sqlite3 /var/lib/autogit/autogit.db 'SELECT count(*) FROM jobs WHERE id = 77'") == "1", "the job is not in the store")

    def test_another_program_on_the_port_is_named_and_the_port_is_changed_in_one_place(self):
        self.sh("systemctl stop autogit.service autogit.socket")
        # As GitLab's web worker, on one address of the port.
        self.sh("systemd-run --quiet --unit=taken -p Type=exec python3 -c '"
                "import socket, time; s = socket.create_server((\"127.0.0.1\", 8080)); time.sleep(3600)'")
        self.until("it listens", lambda: "0100007F:1F90 00000000:0000 0A" in self.sh("cat /proc/net/tcp"), 20)
        code, _ = self.sh("systemctl start autogit.socket", ok=False)
        check(code != 0, "the socket was opened")
        said = self.reconfigure()
        check("port 8080 is in use by python3 (process " in said, said)
        # What it says is done to the letter.
        lines = said.split("these three lines:", 1)[1].splitlines()[1:4]
        lines = "\n".join(line.removeprefix("autogit:").strip() for line in lines)
        self.sh(f"mkdir -p /etc/systemd/system/autogit.socket.d; printf '%s\\n' '{lines}' > /etc/systemd/system/autogit.socket.d/override.conf; "
                "systemctl daemon-reload; systemctl restart autogit.socket")
        try:
            check("healthy" in self.sh("curl -sf http://127.0.0.1:8090/health"), "not on the new port")
            check(":8090/webhook/job" in self.sh("autogitctl hook install root/a"), "hook install does not know the port")
            check("Listening on [::]:8090, the socket of autogit.socket" in self.sh("journalctl -u autogit -o cat -n 30"), "not logged")
            check("listen    [::]:8090" in self.sh("autogitctl check") and "warning" not in self.sh("autogitctl check"), self.sh("autogitctl check"))
            self.sh("cp /etc/autogit/autogit.toml /root/before; printf '[listen]\nhttp = \"0.0.0.0:9000\"\n' >> /etc/autogit/autogit.toml")
            words = 'http = "0.0.0.0:9000" in [listen] has no effect'
            check(words in self.sh("autogitctl check"), self.sh("autogitctl check"))
            self.sh("systemctl restart autogit")
            check(words in self.sh("journalctl -u autogit -p warning -o cat -n 10"), "no warning in the journal")
            self.sh("cp /root/before /etc/autogit/autogit.toml")
        finally:
            self.sh("systemctl stop autogit.service autogit.socket taken.service; rm -r /etc/systemd/system/autogit.socket.d; systemctl daemon-reload; "
                    "systemctl start autogit.socket; systemctl restart autogit")
        check("port 8080 is in use" not in self.reconfigure(), "told without a reason")

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

    def doctor(self):
        """Its findings that are not well, as (check, level), and its exit status."""
        code, out = self.sh("autogitctl doctor --json 2>/dev/null", ok=False)
        found = json.loads(out)
        return {(f["check"], f["level"]): f for f in found["findings"] if f["level"] != "ok"}, code

    OF_HOMELAB = "systemctl --user --machine=homelab@"
    # The hooks of root/a. GitLab refuses a test whose delivery fails, and curl without -f takes that for an answer like any other.
    IN_GITLAB = ("hooks=$(sed -n 's/^url = \"\\(.*\\)\"/\\1/p' /etc/autogit/autogit.toml)/api/v4/projects/root%2Fa/hooks; "
                 f"call() {{ curl -s -H 'PRIVATE-TOKEN: {TOKEN}' \"$@\"; }}; newest() {{ call $hooks | jq '.[-1].id'; }}; ")
    # What is broken, how it is mended, and what the doctor must say: the check and its level.
    # None is mended by the very command that the doctor names.
    FAULTS = [
        ("chmod 644 /etc/autogit/gitlab-token", "chmod 600 /etc/autogit/gitlab-token", "token-file", "fault"),
        ("mv /etc/autogit/gitlab-token /root", "mv /root/gitlab-token /etc/autogit", "token-file", "fault"),
        ("mkdir -p /etc/systemd/system/autogit.service.d; printf '[Service]\\nLoadCredential=\\n' >/etc/systemd/system/autogit.service.d/x.conf; "
         "systemctl daemon-reload",
         "rm /etc/systemd/system/autogit.service.d/x.conf; systemctl daemon-reload", "token-file", "fault"),
        ("mv /etc/autogit/webhook-secret /root", "mv /root/webhook-secret /etc/autogit", "webhook-secret", "warning"),
        ("mv /etc/autogit/autogit.toml /root", "mv /root/autogit.toml /etc/autogit", "configuration", "fault"),
        ("cp /etc/autogit/autogit.toml /root; echo 'odd = ' >>/etc/autogit/autogit.toml", "mv -f /root/autogit.toml /etc/autogit", "configuration", "fault"),
        ("cp /etc/autogit/autogit.toml /root; sed -i 's,^url.*,url = \"http://127.0.0.1:9\",' /etc/autogit/autogit.toml",
         "mv -f /root/autogit.toml /etc/autogit", "gitlab", "fault"),
        ("cp /etc/autogit/gitlab-token /root; echo glpat-wrong >/etc/autogit/gitlab-token", "mv -f /root/gitlab-token /etc/autogit", "gitlab", "fault"),
        ("systemctl disable -q autogit", "systemctl enable -q autogit", "boot", "warning"),
        ("systemctl stop autogit.socket autogit-control.socket autogit", "systemctl start autogit.socket autogit-control.socket autogit", "control-socket", "fault"),
        ("systemctl stop autogit.socket autogit-control.socket autogit; systemctl mask -q --runtime autogit",
         "systemctl unmask -q --runtime autogit; systemctl start autogit.socket autogit-control.socket autogit", "service", "fault"),
        ("loginctl disable-linger homelab", "loginctl enable-linger homelab", "lingering", "fault"),
        ("mkdir -p /etc/systemd/system/autogit.service.d; printf '[Service]\\nUser=nobody-here\\n' >/etc/systemd/system/autogit.service.d/x.conf; "
         "systemctl daemon-reload",
         "rm /etc/systemd/system/autogit.service.d/x.conf; systemctl daemon-reload", "user", "fault"),
        # What a container without nesting does to the sandbox: a mount that fails.
        ("mkdir -p /etc/systemd/system/autogit.service.d; printf '[Service]\\nBindPaths=/not-there\\nRestart=no\\n' >/etc/systemd/system/autogit.service.d/x.conf; "
         "systemctl daemon-reload; systemctl restart autogit || true",
         "rm /etc/systemd/system/autogit.service.d/x.conf; systemctl daemon-reload; systemctl reset-failed autogit; systemctl restart autogit", "service", "fault"),
        ("touch /lib/systemd/system/autogit.service", None, "units", "warning"),
        ("autogitctl pause docto", None, "pool", "warning"),
        (f"cp /etc/autogit/gitlab-token /root; echo {READER} >/etc/autogit/gitlab-token", "mv -f /root/gitlab-token /etc/autogit", "token", "fault"),
        ("systemctl stop autogit.socket", None, "webhook-socket", "fault"),
        # As GitLab's web worker, on one address of the port. systemd-run returns when the program says that it listens.
        ("systemctl stop autogit.socket; systemd-run --quiet --unit=taken -p Type=notify -p NotifyAccess=all python3 -c 'import socket, subprocess, time; "
         "s = socket.create_server((\"127.0.0.1\", 8080)); subprocess.run([\"systemd-notify\", \"--ready\"]); time.sleep(3600)'; "
         "systemctl start autogit.socket || true",
         "systemctl stop taken; systemctl reset-failed autogit.socket; systemctl start autogit.socket autogit", "webhook-socket", "fault"),
        ("cp /etc/subuid /root; sed -i /^homelab:/d /etc/subuid", "mv -f /root/subuid /etc", "subordinate-ids", "fault"),
        ("mv /usr/bin/newuidmap /root", "mv /root/newuidmap /usr/bin", "subordinate-ids", "fault"),
        # With the service, which would start it again (Upholds=).
        ("systemctl stop autogit user@1000", "systemctl start user@1000 autogit", "user-manager", "fault"),
        ("mv /dev/net/tun /dev/net/away", "mv /dev/net/away /dev/net/tun", "tun", "fault"),
        # Only pools of containers need an engine; root's would do as well, and a Podman that still serves outlives the unit of its socket.
        ("cp /etc/autogit/autogit.toml /root; sed -i '/^driver/d; /^command/d' /etc/autogit/autogit.toml; systemctl stop podman.socket; "
         f"{OF_HOMELAB} stop podman.socket; rm -f /run/podman/podman.sock /run/user/1000/podman/podman.sock",
         f"mv -f /root/autogit.toml /etc/autogit; systemctl start podman.socket; {OF_HOMELAB} start podman.socket", "engine", "fault"),
        # All of them: one with another port, of the test of that, would be told of instead.
        (f"{IN_GITLAB} for hook in $(call $hooks | jq '.[].id'); do call -X DELETE $hooks/$hook; done", None, "hook", "warning"),
        # GitLab turns a hook off that has failed four times in a row.
        (f"systemctl stop autogit.socket autogit; {IN_GITLAB} for _ in 1 2 3 4; do call -X POST $hooks/$(newest)/test/job_events; done; "
         "systemctl start autogit.socket autogit", None, "hook", "fault"),
    ]

    def test_the_doctor_finds_what_is_broken_and_nothing_else(self):
        self.pool("docto")
        # The doctor asks for the hooks of projects whose jobs the daemon knows.
        self.sh("autogitctl hook install root/a")
        self.gitlab.start("root/a")
        self.until("its job is known", lambda: "root/a" in self.sh("autogitctl jobs --json"), 30)
        before, _ = self.doctor()
        check(not {f[2] for f in self.FAULTS} & {name for name, _ in before}, f"there is trouble already: {before}")
        for plant, mend, name, level in self.FAULTS:
            self.sh(plant)
            found = {}
            try:
                found, code = self.doctor()
                check((name, level) in found, f"{plant}: found {sorted(found)}")
                check(found[name, level].get("command"), f"{plant}: no command: {found[name, level]}")
                check(code == 2 or level == "warning" and code >= 1, f"{plant}: exit status {code}")
                said = json.dumps(list(found.values()))
                check(TOKEN not in said and "glpat-" not in said, f"{plant}: the token is in what it says")
            finally:
                self.sh(mend or found.get((name, level), {}).get("command", "true"))
        self.until("all is as before", lambda: set(self.doctor()[0]) == set(before), 60)
        text = self.sh("autogitctl doctor 2>&1", ok=False)[1]
        check("✓ service" in text and "autogit.service runs" in text, text)

    def test_credentials_that_a_drop_in_clears_are_told_of(self):
        """As the images of Incus and LXD do."""
        with self.drop_in("LoadCredential="):
            self.sh("systemctl restart autogit", ok=False)
            said = self.sh("journalctl -u autogit -o cat -n 20")
            check("is there, but systemd does not pass it on: a drop-in clears LoadCredential=" in said and "install -o 1000" in said, said)
        self.sh("systemctl reset-failed autogit; systemctl restart autogit")
        self.healthy()

    # As distrobuilder, which makes the images of Incus, writes it.
    INCUS = """[Service]
ProcSubset=all
ProtectProc=default
ProtectControlGroups=no
ProtectKernelTunables=no
NoNewPrivileges=no
LoadCredential="""

    def test_incus_own_drop_in_is_told_of_and_its_remedy_helps(self):
        self.pool("incus")
        folder = "/run/systemd/system/service.d"
        self.sh(f"cp /etc/autogit/autogit.toml /root/before; mkdir -p {folder}\n"
                f"cat >{folder}/zzz-lxc-service.conf <<'E'\n{self.INCUS}\nE\nsystemctl daemon-reload")
        try:
            self.sh("systemctl restart autogit", ok=False)
            self.until("it gives up", lambda: self.is_active() == "failed", 20)
            said = self.sh("journalctl -u autogit -o cat -n 20")
            check("is there, but systemd does not pass it on: a drop-in clears LoadCredential=" in said, said)
            # Root reads the files themselves, and is told what the service does not get all the same.
            warned = json.loads(self.sh("autogitctl check --json"))["warnings"]
            check([w.split(",")[0] for w in warned] == [f"autogit.service does not get /etc/autogit/{name}" for name in ("gitlab-token", "webhook-secret")],
                  str(warned))
            check(("token-file", "fault") in self.doctor()[0], "the doctor finds nothing")
            # Done to the letter: what the journal says of the token, and what check says of the webhooks' secret.
            for words, key in (said, "token_file"), (warned[1], "webhook_secret_file"):
                remedy = re.search("install -o 1000 .*", words).group()
                self.sh(f"{remedy} && sed -i '/^.gitlab.$/a {key} = \"{remedy.split()[-1]}\"' /etc/autogit/autogit.toml")
            check("warning" not in self.sh("autogitctl check"), self.sh("autogitctl check"))
            self.sh("systemctl reset-failed autogit autogit.socket autogit-control.socket; systemctl restart autogit")
            self.healthy()
            check(self.webhook(78).startswith("2"), "webhooks are refused")
            check(("token-file", "fault") not in self.doctor()[0], "the doctor is not content")
        finally:
            self.sh(f"rm -r {folder} /etc/autogit/*-of-the-service; cp /root/before /etc/autogit/autogit.toml; systemctl daemon-reload; "
                    "systemctl reset-failed autogit autogit.socket autogit-control.socket; systemctl restart autogit")
        self.healthy()
        check("warning" not in self.sh("autogitctl check"), self.sh("autogitctl check"))

    def test_the_doctor_mends_what_it_may(self):
        self.sh("loginctl disable-linger homelab; chmod 644 /etc/autogit/gitlab-token")
        said = self.sh("yes | autogitctl doctor --fix 2>&1", ok=False)[1]
        check("run loginctl enable-linger homelab [y/N]?" in said, said)
        found, _ = self.doctor()
        check(("lingering", "fault") not in found and ("token-file", "fault") not in found, f"left: {list(found.values())}, after: {said}")

    def test_a_token_is_stored_encrypted_and_in_the_clear(self):
        def stored(*options):
            return self.sh(f"printf '%s' {TOKEN} | autogitctl token set --token-file - {' '.join(options)}")
        said = stored("--storage", "encrypted")
        check("encrypted for this machine, and GitLab takes it" in said, said)
        check(self.sh("test -e /etc/autogit/gitlab-token", ok=False)[0] != 0, "the token in the clear is still there")
        check(self.sh("stat -c %a /etc/credstore.encrypted/autogit.gitlab-token") == "600", "its mode")
        check(self.sh(f"grep -rI --exclude-dir=credentials {TOKEN} /etc /run /var 2>/dev/null", ok=False)[0] != 0, "the token is in a file in the clear")
        self.healthy()
        check("configuration is valid" in self.sh("autogitctl check"), "check doesn't see it")
        code, said = self.sh("echo glpat-wrong | autogitctl token set --token-file - 2>&1", ok=False)
        check(code == 1 and "nothing was changed" in said.lower(), said)
        self.healthy()
        said = stored("--storage", "plain")
        check(self.sh("cat /etc/autogit/gitlab-token") == TOKEN and "for root only" in said, said)
        check(self.sh("ls /etc/credstore.encrypted /etc/systemd/system/autogit.service.d", ok=False)[1].count("autogit") <= 1, "the encrypted one is left")
        self.healthy()

    def test_a_report_tells_much_and_no_secret(self):
        self.sh("cd /root && autogitctl report --output /root/report.tar.gz && mkdir -p report && tar -C report -xzf report.tar.gz")
        check(self.sh("stat -c %a /root/report.tar.gz") == "600", "its mode")
        names = self.sh("cd /root/report && find . -type f | sort")
        for name in ["doctor.txt", "configuration.txt", "journal.txt", "status.json", "pools.json", "versions.txt"]:
            check(name in names, names)
        secret = self.sh("cat /etc/autogit/webhook-secret")
        check(self.sh(f"grep -rE '{TOKEN}|{secret}' /root/report", ok=False)[0] != 0, "a secret is in it")
        check("autogitd" in self.sh("cat /root/report/*/journal.txt"), "no journal")
        self.sh("rm -r /root/report /root/report.tar.gz")

    ENGINE = """
import http.server, json, socketserver, sys
class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def address_string(self): return "far"
    def do_GET(self):
        path = self.path.split("?")[0]
        if path.endswith("/events"):
            self.send_response(200); self.end_headers(); self.rfile.read(); return
        known = {"/version": {"Version": "4.3.1", "ApiVersion": "1.41", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]},
                 "/info": {"Architecture": "x86_64", "NCPU": 3, "MemTotal": 1 << 30, "Driver": "overlay"}, "/_ping": {}}
        body = json.dumps(known.get("/" + path.split("/")[-1], [])).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer): pass
Server(sys.argv[1], Engine).serve_forever()
"""

    def test_another_host_is_reached_by_ssh_from_the_units_sandbox(self):
        """ssh is the daemon's child, its key a credential, and a host key that is not known is refused. The engine over there is a stand-in."""
        self.sh("rm -f /etc/autogit/ssh-key*; ssh-keygen -q -t ed25519 -N '' -f /etc/autogit/ssh-key; install -d -m 700 -o homelab -g homelab /home/homelab/.ssh")
        self.sh("install -m 600 -o homelab -g homelab /etc/autogit/ssh-key.pub /home/homelab/.ssh/authorized_keys; systemctl start ssh")
        self.sh(f"cat >/opt/engine.py <<'E'{self.ENGINE}E")
        self.sh("systemd-run --quiet --unit=far -p User=homelab -p RuntimeDirectory=far python3 /opt/engine.py /run/far/engine.sock")
        hosts = '[[host]]\nname = "local"\nmemory = "2GiB"\n[[host]]\nname = "far"\nengine = "ssh://homelab@127.0.0.1/run/far/engine.sock"\n'
        self.configure(CONFIG.format(url=self.gitlab.url, name="s").replace('[host]\nmemory = "2GiB"\n', hosts) + FAR_POOL, healthy=False)

        def far():
            return next(h for h in self.api_even_degraded("/hosts") if h["name"] == "far")
        self.until("a key that is not known is refused", lambda: far()["remarks"] and "known" in str(far()["remarks"]))
        self.sh("ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null >/etc/autogit/known_hosts; systemctl restart autogit")
        self.until("it answers", lambda: far()["status"] == "ok" and far().get("architecture") == "amd64", 120)
        child = self.sh("systemd-cgls --no-pager -l -u autogit.service")
        check("ssh" in child and "/run/credentials/autogit.service/ssh-key" in child, child)
        self.sh("systemctl stop ssh; pkill -KILL -x sshd || true")
        self.until("it is away", lambda: far()["status"] == "away", 120)
        self.until("it says why", lambda: "refused" in str(far()["remarks"]), 120)
        self.sh("systemctl start ssh")
        self.until("it is back", lambda: far()["status"] == "ok", 120)
        self.sh("systemctl stop far ssh; rm -rf /home/homelab/.ssh /etc/autogit/ssh-key* /etc/autogit/known_hosts /opt/engine.py")
        self.pool("s")

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

    def test_apt_takes_the_packages_from_a_signed_repository_of_ones_own(self):
        folder, state = f"{self.folder.name}/apt", f"{self.folder.name}/apt-state"
        serve = functools.partial(Quiet, directory=folder)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}"

            def publish(package):
                script = f"{os.path.dirname(os.path.abspath(__file__))}/../../scripts/apt-repository"
                done = subprocess.run([script, folder, url, os.path.abspath(package)], env=os.environ | {"AUTOGIT_APT_STATE": state},
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                check(done.returncode == 0, done.stdout)
                return done.stdout

            def installed():
                return self.sh("dpkg-query -W -f '${Version}' autogit")

            said = publish(self.options.deb)
            # Debian's own are out of reach here.
            self.sh("mv /etc/apt/sources.list /root")
            sources = "/etc/apt/sources.list.d/autogit.sources"
            try:
                self.sh(f"curl -fsS {url}/autogit.sources | sed '/^Signed-By/,$d' >{sources}")
                code, refused = self.sh("apt-get update 2>&1", ok=False)
                check(code != 0 and "NO_PUBKEY" in refused and "is not signed" in refused, f"without its key: {code} {refused}")
                check(self.sh("apt-get install -y autogit", ok=False)[0] != 0, "installed without the key")
                # What the script says is done to the letter.
                fetch, shown = (line.removeprefix("apt-repository:").strip() for line in said.splitlines() if "autogit.sources" in line)
                self.sh(fetch)
                fingerprint = re.search("signed by ([0-9A-F]{40})", said).group(1)
                check(fingerprint in self.sh(shown), "the file has another key")
                install = "apt-get update 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends autogit 2>&1"
                self.sh(install, 240)
                check(installed() == self.deb.split("_")[1], installed())
                publish(self.options.upgrade)
                self.sh(install, 240)
                check(installed() == self.upgrade.split("_")[1], installed())
                check(self.sh("systemctl is-active autogit.socket") == "active", "its socket is not open")
            finally:
                self.sh(f"mv /root/sources.list /etc/apt; rm -f {sources} /var/lib/apt/lists/*autogit*; apt-get clean")
                server.shutdown()
        self.purge()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def main():
    parser = arguments(__doc__)
    parser.add_argument("--root", required=True)
    options = parser.parse_args()
    options.root = os.path.abspath(options.root)
    sys.exit(Units(options).main())


main()
