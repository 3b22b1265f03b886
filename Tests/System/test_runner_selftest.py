#!/usr/bin/python3
"""Tests images/autogit-test-runner against a small GitLab in this process and a real engine: Podman's service, or dockerd.

usage: [SELFTEST_ENGINE=docker] python3 Tests/System/test_runner_selftest.py [-v] [RunnerTests.NAME ...]

Needs root, and installs what it needs with apt-get. The engine has a network and mounts of its own, so that its bridges and firewall
rules meet nobody else's, and all that it keeps is in a folder under /var/tmp, which is removed at the end. Nothing here is measured:
jobs wait for files, and the one time limit is for a test that hangs. SELFTEST_TIMEOUT sets it in seconds (default 300).
"""
import base64
import calendar
import collections
import hashlib
import http.client
import http.server
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(HERE, "../../images/autogit-test-runner")
WORK = f"/var/tmp/autogit-runner-selftest-{os.getpid()}"
HOLD = f"{WORK}/hold"
SOCKET = f"{WORK}/podman.sock"
BOX, TOOLS, WEB = "localhost/selftest-box:1", "localhost/selftest-tools:1", "localhost/selftest/web:1"
# Of GitLab on the loopback interface: containers reach it through their gateway, which is this machine.
ADDRESS = "192.0.2.9"
PREFIX = "com.gitlab.gitlab-runner."
TIMEOUT = float(os.environ.get("SELFTEST_TIMEOUT", "300"))
BUILDS_HASH, CACHE_HASH = "c33bcaa1fd2c77edfc3893b41966cea8", "3c3f060a0374fc8bc39395164f415a70"

sys.dont_write_bytecode = True
_loader = importlib.machinery.SourceFileLoader("test_runner", RUNNER)
runner = importlib.util.module_from_spec(importlib.util.spec_from_loader("test_runner", _loader))
sys.modules["test_runner"] = runner
_loader.exec_module(runner)


def wait_for(condition, what):
    deadline = time.monotonic() + TIMEOUT
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.05)
    return found


def shell(command, **more):
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True, **more).stdout


# MARK: Engine


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


def call(method, path, **query):
    """The engine's status and answer."""
    connection = UnixConnection("engine")
    connection.request(method, f"/v1.41{path}" + ("?" + urllib.parse.urlencode(query) if query else ""))
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, json.loads(data) if data else None


def api(method, path, **query):
    return call(method, path, **query)[1]


def filters(**labels):
    return json.dumps({"label": [f"{PREFIX}{key.replace('_', '.')}={value}" for key, value in labels.items()]})


class Engine:
    """A service of our own, its images, and what is in it."""

    def __init__(self, docker):
        self.is_docker, self.service = docker, None
        for folder in ("run", "networks", "loads", "hold"):
            os.makedirs(f"{WORK}/{folder}")
        self.environment = dict(os.environ)
        self.arguments = self.prepare_docker() if docker else self.prepare_podman()

    def start(self):
        with open(f"{WORK}/service.log", "w", encoding="utf-8") as out:
            self.service = subprocess.Popen(self.arguments, env=self.environment, stdout=out, stderr=out)
        wait_for(lambda: self.answers() or self.service.poll() is not None, "the engine's service")
        assert self.answers(), shell(f"cat {WORK}/service.log")
        self.make_images()

    def prepare_podman(self):
        with open(f"{WORK}/containers.conf", "w", encoding="utf-8") as out:
            out.write('[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n'
                      '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "runc"\n'
                      # Networks are not kept under --root, so without this they would be every Podman's of this machine.
                      f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{WORK}/networks"\n')
        with open(f"{WORK}/registries.conf", "w", encoding="utf-8") as out:
            out.write(f'[[registry]]\nlocation = "{REGISTRY.address}"\ninsecure = true\n')
        self.environment |= {"CONTAINERS_CONF": f"{WORK}/containers.conf", "TMPDIR": f"{WORK}/loads", "CONTAINERS_REGISTRIES_CONF": f"{WORK}/registries.conf"}
        self.command = ["podman", "--root", f"{WORK}/storage", "--runroot", f"{WORK}/run", "--tmpdir", f"{WORK}/run/tmp"]
        return [*self.command, "system", "service", "--time=0", f"unix://{SOCKET}"]

    def prepare_docker(self):
        self.command = ["docker", "-H", f"unix://{SOCKET}"]
        return ["dockerd", "--data-root", f"{WORK}/storage", "--exec-root", f"{WORK}/run", "-H", f"unix://{SOCKET}", "--pidfile", f"{WORK}/docker.pid",
                "--ip6tables=false", "--default-ulimit", "nofile=20000:20000", "--default-ulimit", "nproc=20000:20000"]

    @staticmethod
    def answers():
        try:
            return api("GET", "/info")
        except OSError:
            return None

    def do(self, *arguments):
        return subprocess.run([*self.command, *arguments], env=self.environment, check=True, capture_output=True, text=True).stdout

    def make_images(self):
        """busybox; the same with git and Python of this machine; and a service on port 8000."""
        root = f"{WORK}/root"
        shell(f"""set -e; mkdir -p {root}/bin {root}/etc {root}/tmp {root}/usr/bin {root}/www; cp /bin/busybox {root}/bin
            for name in $(busybox --list); do [ "$name" = busybox ] || ln -s busybox {root}/bin/$name; done
            echo root:x:0:0:root:/root:/bin/sh > {root}/etc/passwd; echo 'the box' > {root}/etc/marker; tar -C {root} -cf {WORK}/box.tar .
            echo 'the service' > {root}/www/index.html; tar -C {root} -cf {WORK}/web.tar .
            # git-core has a hundred hard links; the loader and the libraries keep their places.
            git=$(git --exec-path); mkdir -p {root}/$git {root}/usr/share/git-core/templates {root}/usr/lib
            cp /usr/bin/git {root}/usr/bin; cp $git/git-remote-http $git/git $git/git-remote-https {root}/$git
            cp /usr/bin/python3.11 {root}/usr/bin; ln -s python3.11 {root}/usr/bin/python3
            tar -C /usr/lib --exclude=test --exclude=__pycache__ --exclude='config-3*' --exclude=idlelib -cf - python3.11 | tar -C {root}/usr/lib -xf -
            ldd /usr/bin/git $git/git-remote-http /usr/bin/python3.11 /usr/lib/python3.11/lib-dynload/*.so | grep -o '/[^ :]*\\.so[^ :]*' | sort -u |
                while read -r file; do mkdir -p {root}/$(dirname $file); cp -L $file {root}/$file; done
            tar -C {root} -cf {WORK}/tools.tar .""")
        self.do("import", f"{WORK}/box.tar", BOX)
        self.do("import", f"{WORK}/tools.tar", TOOLS)
        self.do("import", "--change", "EXPOSE 8000", "--change", 'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]', f"{WORK}/web.tar", WEB)
        shell(f"rm -rf {root} {WORK}/*.tar")

    def containers(self, **labels):
        return sorted(one["Names"][0].lstrip("/") for one in api("GET", "/containers/json", all=1, filters=filters(**labels)))

    def networks(self, **labels):
        """Without those that every engine has. Podman's API calls its network podman bridge."""
        return sorted(one["Name"] for one in api("GET", "/networks", filters=filters(**labels)) if one["Name"] not in ("bridge", "host", "none"))

    def volumes(self, **labels):
        return sorted(one["Name"] for one in api("GET", "/volumes", filters=filters(**labels))["Volumes"] or [])

    def everything(self, **labels):
        return self.containers(**labels), self.networks(**labels), self.volumes(**labels)

    def created_since(self, moment, **labels):
        """Names of all containers that were created, in this order."""
        wanted = {f"{PREFIX}{key.replace('_', '.')}": value for key, value in labels.items()}
        connection = UnixConnection("engine")
        # Whole seconds, which both engines take.
        query = urllib.parse.urlencode({"since": int(moment), "until": int(time.time()) + 1})
        connection.request("GET", f"/v1.41/events?{query}")
        found = [json.loads(line) for line in connection.getresponse().read().splitlines() if line.strip()]
        connection.close()
        created = [one["Actor"]["Attributes"] for one in found if one["Type"] == "container" and one["Action"] == "create"]
        return [one["name"] for one in created if wanted.items() <= one.items()]

    def close(self):
        if self.answers():
            for one in self.do("ps", "--all", "--quiet").split():
                self.do("rm", "--force", "--volumes", one)
            self.do("network", "prune", "--force")
        if self.service:
            self.service.terminate()
            self.service.wait()
        with open("/proc/mounts", encoding="utf-8") as source:
            mounts = [line.split()[1] for line in source if line.split()[1].startswith(WORK)]
        for mount in sorted(mounts, reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(WORK)


# MARK: GitLab


class FakeGitLab(http.server.ThreadingHTTPServer):
    """The runner's side of GitLab, and its git over HTTP."""
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """A runner that was ended doesn't wait for its answer."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def __init__(self, certificate=None):
        super().__init__(("0.0.0.0", 0), GitLabHandler)
        self.lock = threading.RLock()
        self.waiting = collections.defaultdict(list)
        self.jobs, self.requests, self.most_at_once = {}, [], collections.Counter()
        self.forgetful = False
        scheme = "http"
        if certificate:
            scheme = "https"
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{scheme}://{ADDRESS}:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def make_repository(self):
        folder = f"{WORK}/repositories/group/project"
        shell(f"""set -e; export HOME={WORK}; mkdir -p {folder}; cd {folder}; git init -q -b main .; git config user.email x@x; git config user.name x
            for n in 1 2 3; do echo $n > number; git add .; git commit -q -m $n; done; git clone -q --bare . {folder}.git""")
        self.sha = shell(f"git -C {folder} rev-parse HEAD").strip()

    def add(self, token, script, **more):
        """A job for the runner with this token; returns what becomes of it."""
        with self.lock:
            id_ = len(self.jobs) + 101
            variables = {"CI_PIPELINE_ID": "77", "CI_PROJECT_PATH": "group/project", "GIT_STRATEGY": "none"} | more.pop("variables", {})
            steps = [{"name": "script", "script": script, "timeout": 3600, "when": "on_success", "allow_failure": False}]
            if after := more.pop("after_script", None):
                steps.append({"name": "after_script", "script": after, "timeout": 300, "when": "always", "allow_failure": True})
            listed = [{"key": key, "value": value, "public": True, "masked": False, "file": False, "raw": False} for key, value in variables.items()]
            payload = {
                "id": id_, "token": f"job-secret-{id_}", "allow_git_fetch": True,
                "job_info": {"id": id_, "name": "test", "stage": "test", "project_id": 1, "project_name": "project"},
                "git_info": {"repo_url": f"{self.url.replace('://', f'://gitlab-ci-token:job-secret-{id_}@')}/group/project.git", "ref": "main", "sha": self.sha,
                             "before_sha": "0" * 40, "ref_type": "branch", "refspecs": ["+refs/heads/main:refs/remotes/origin/main"], "depth": 1},
                "runner_info": {"timeout": 3600, "runner_session_url": None}, "variables": listed + more.pop("more_variables", []), "steps": steps,
                "image": None, "services": [], "artifacts": [], "cache": [], "credentials": [], "dependencies": [], "features": {"trace_sections": True}} | more
            job = Job(id_, payload)
            self.jobs[id_] = job
            self.waiting[token].append(job)
            return job


class Job:
    def __init__(self, id_, payload):
        self.id, self.payload, self.status, self.log, self.result, self.artifacts = id_, payload, "pending", b"", {}, []
        self.runner = None

    @property
    def text(self):
        return self.log.decode(errors="replace")

    def finished(self):
        wait_for(lambda: self.status in ("success", "failed"), f"the end of job {self.id}")
        return self

    def started(self):
        wait_for(lambda: os.path.exists(f"{HOLD}/started-{self.id}") or self.status == "failed", f"the start of job {self.id}")
        assert self.status != "failed", self.text
        return self

    def let_go(self):
        open(f"{HOLD}/go-{self.id}", "w", encoding="utf-8").close()


HELD = ["touch /hold/started-$CI_JOB_ID", "until [ -e /hold/go-$CI_JOB_ID ]; do sleep 0.1; done"]


class GitLabHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_any(self):
        gitlab, parts = self.server, urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        if "/project.git/" in parts.path:
            return self.git(parts, body)
        with gitlab.lock:
            if parts.path == "/api/v4/jobs/request":
                return self.request_job(json.loads(body))
            if found := re.fullmatch(r"/api/v4/jobs/(\d+)(/trace|/artifacts)?", parts.path):
                return self.job_call(gitlab.jobs[int(found[1])], found[2] or "", body, urllib.parse.parse_qs(parts.query))
        self.answer(404)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def request_job(self, fields):
        gitlab = self.server
        gitlab.requests.append((time.monotonic(), fields["token"], fields))
        if not gitlab.waiting[fields["token"]]:
            return self.answer(204, X_GitLab_Last_Update="1")
        job = gitlab.waiting[fields["token"]].pop(0)
        job.status, job.runner = "running", fields["token"]
        running = sum(one.status == "running" and one.runner == fields["token"] for one in gitlab.jobs.values())
        gitlab.most_at_once[fields["token"]] = max(gitlab.most_at_once[fields["token"]], running)
        job.payload["variables"].append({"key": "CI_JOB_ID", "value": str(job.id), "public": True, "masked": False})
        self.answer(201, json.dumps(job.payload).encode(), Content_Type="application/json")

    def job_call(self, job, what, body, query):
        gitlab = self.server
        if what == "" and json.loads(body)["token"] != f"job-secret-{job.id}" or what and self.headers.get("JOB-TOKEN") != f"job-secret-{job.id}":
            return self.answer(403)
        if what == "/artifacts" and self.command == "GET":
            return self.answer(200, job.artifacts[0][1])
        if job.status != "running":
            return self.answer(403, Job_Status=job.status)
        if what == "/artifacts":
            edge = self.headers["Content-Type"].partition("boundary=")[2].encode()
            part = body.split(b"--" + edge)[1]
            head, _, content = part.partition(b"\r\n\r\n")
            job.artifacts.append((re.search(rb'filename="([^"]*)"', head)[1].decode(), content.removesuffix(b"\r\n"), query))
            return self.answer(201, b"{}")
        if what == "/trace":
            start = int(self.headers["Content-Range"].split("-")[0])
            if gitlab.forgetful and len(job.log) > 10:
                gitlab.forgetful, job.log = False, job.log[:10]
            if start != len(job.log):
                return self.answer(416, Range=f"0-{len(job.log)}", Job_Status="running")
            job.log += body
            return self.answer(202, Job_Status="running", Range=f"0-{len(job.log)}", X_GitLab_Trace_Update_Interval="1")
        fields = json.loads(body)
        if fields["state"] != "running":
            job.status, job.result = fields["state"], fields
        self.answer(200, b"true")

    def git(self, parts, body):
        if base64.b64decode((self.headers.get("Authorization") or "").partition("Basic ")[2]).partition(b":")[0] != b"gitlab-ci-token":
            return self.answer(401, WWW_Authenticate='Basic realm="GitLab"')
        variables = {
            "GIT_PROJECT_ROOT": f"{WORK}/repositories", "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command, "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query, "CONTENT_TYPE": self.headers.get("Content-Type") or "", "REMOTE_USER": "ci", "REMOTE_ADDR": "127.0.0.1",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "", "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "CONTENT_LENGTH": str(len(body)), "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        done = subprocess.run(["git", "http-backend"], input=body, env=os.environ | variables, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.answer(int(fields.pop("Status", "200").split()[0]), content, **fields)


class Registry(http.server.ThreadingHTTPServer):
    """A registry that wants a password and has no images."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), RegistryHandler)
        self.address, self.seen = f"127.0.0.1:{self.server_port}", []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class RegistryHandler(GitLabHandler):
    def handle_any(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        if not self.headers.get("Authorization"):
            return self.answer(401, WWW_Authenticate='Basic realm="registry"')
        if self.path == "/v2/":
            return self.answer(200, b"{}")
        self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"the manifest is not to be had"}]}', Content_Type="application/json")

    do_GET = do_HEAD = handle_any


# MARK: The tests


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(entry)}" for key, entry in value.items()) + "}"
    return "[" + ", ".join(map(toml, value)) + "]" if isinstance(value, list) else json.dumps(value)


class RunnerTests(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = f"{WORK}/{self._testMethodName}"
        os.makedirs(self.folder)
        self.started = []
        self.token = f"glrt-t1_{self._testMethodName.removeprefix('test_')[:6].replace('_', '')}{len(os.listdir(WORK)):03}_secret"
        self.short = self.token.removeprefix("glrt-t1_")[:9]
        self.name = re.sub("[^-a-z0-9]", "", f"runner-{self.short}-project-1-concurrent-0".lower())
        self.moment = time.time()

    def tearDown(self):
        for one in self.started:
            if one.poll() is None:
                one.kill()
            one.wait()
        # Whatever a test left behind on purpose is not the next one's.
        for one in api("GET", "/containers/json", all=1):
            api("DELETE", f"/containers/{one['Id']}", force=1, v=1)
        for one in api("GET", "/networks"):
            if one["Name"] not in ("bridge", "host", "none"):
                api("DELETE", f"/networks/{one['Name']}")
        for one in api("GET", "/volumes")["Volumes"] or []:
            api("DELETE", f"/volumes/{one['Name']}", force=1)

    # Helpers

    def config(self, docker=None, count=1, concurrent=1, interval=1, gitlab=None, token=None, flags=True, **more):
        section = {"name": "selftest", "url": (gitlab or GITLAB).url, "token": token or self.token, "executor": "docker"} | more
        if section["executor"] == "docker":
            section["docker"] = {"host": f"unix://{SOCKET}", "image": BOX, "helper_image": TOOLS, "pull_policy": "if-not-present",
                                 "volumes": [f"{HOLD}:/hold"]} | (docker or {})
            if flags:
                section["feature_flags"] = {"FF_NETWORK_PER_BUILD": True}
        text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in section.items())
        path = f"{self.folder}/{len(os.listdir(self.folder))}.toml"
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"concurrent = {concurrent}\ncheck_interval = {interval}\nshutdown_timeout = 30\n" + f"[[runners]]\n{text}" * count)
        return path

    def start(self, path, dialect="19"):
        with open(f"{path}.log", "w", encoding="utf-8") as out:
            one = subprocess.Popen([sys.executable, RUNNER, "run", "--config", path, "--working-directory", f"{self.folder}/home"], stderr=out, stdout=out,
                                   env=os.environ | {"AUTOGIT_TEST_DIALECT": dialect, "HOME": self.folder})
        one.log = f"{path}.log"
        self.started.append(one)
        return one

    def quit(self, one):
        one.send_signal(signal.SIGQUIT)
        self.assertEqual(one.wait(TIMEOUT), 0)
        with open(one.log, encoding="utf-8") as source:
            text = source.read()
        for secret in (self.token, "job-secret"):
            self.assertNotIn(secret, text)
        self.assertNotIn("Traceback", text)
        return text

    def run_job(self, script, path=None, dialect="19", **more):
        """One job by a runner that then quits."""
        job = GITLAB.add(self.token, script, **more)
        one = self.start(path or self.config(), dialect)
        job.finished()
        self.quit(one)
        return job

    def refused(self, path, *words):
        done = subprocess.run([sys.executable, RUNNER, "run", "--config", path], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def assert_success(self, job):
        self.assertEqual(job.status, "success", job.text)
        self.assertIn("Job succeeded", job.text)

    def assert_nothing_left(self, volumes=()):
        # The network's end is a matter of the engine; what it lists is the truth.
        self.assertEqual(ENGINE.everything(), ([], [], sorted(volumes)))

    # Without a job

    def test_parts(self):
        old, new = runner.DIALECTS["14.7"], runner.DIALECTS["19"]
        for token in ("glrt-t1_abcdefghijk", "glrt-abcdefghijk", "glrtr-abcdefghijk", "t2_abcdefghijk", "abcdefghijk"):
            self.assertEqual(new.short_token(token), "abcdefghi")
        self.assertEqual(old.short_token("glrt-t1_abcdefghijk"), "glrt-t1_")
        self.assertEqual(old.short_token("glrt-3592xy"), "glrt-359")
        self.assertEqual(runner.split_service("registry.x:5000/a/b:1"), ("registry.x/a/b", "1", ["registry.x__a__b", "registry.x-a-b"]))
        self.assertEqual(runner.split_service("redis"), ("redis", "latest", ["redis"]))
        self.assertEqual(runner.split_service("a/b@sha256:0f"), ("a/b", "@sha256:0f", ["a__b", "a-b"]))
        for glob, name, fits in [("alpine:*", "alpine:3", True), ("alpine:*", "x/alpine:3", False), ("x/*:*", "x/y/z:1", False), ("x/**", "x/y/z:1", True),
                                 ("**/z:1", "z:1", True), ("a.b:1", "acb:1", False), ("{a,b}:1", "b:1", True)]:
            self.assertEqual(bool(runner.image_pattern(glob).fullmatch(name)), fits, (glob, name))
        self.assertEqual([runner.size(text) for text in ("256m", "1.5g", "1048576b", "512KiB", "7", "")], [256 << 20, 3 << 29, 1 << 20, 512 << 10, 7, 0])
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as out:
            out.writestr("a/b.txt", "content")
        again = zipfile.ZipFile(io.BytesIO(runner.zip_of(runner.tar_of(archive.getvalue()))))
        self.assertEqual((again.namelist(), again.read("a/b.txt")), (["a/b.txt"], b"content"))

    def test_signed_urls(self):
        """The example of docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html."""
        url = runner.presigned("GET", "examplebucket.s3.amazonaws.com", "/test.txt", "us-east-1", "AKIAIOSFODNN7EXAMPLE",
                               "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 86400, calendar.timegm((2013, 5, 24, 0, 0, 0)))
        self.assertTrue(url.endswith("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"), url)

    def test_configuration(self):
        self.refused(self.config(docker={"pids_limit": 7}), "runners[0].docker.pids_limit")
        self.refused(self.config(docker={"cpus": 1}), "runners[0].docker.cpus must be a string")
        self.refused(self.config(docker={"privileged": "yes"}), "runners[0].docker.privileged must be a boolean")
        self.refused(self.config(docker={"memory": "a lot"}), "runners[0].docker.memory", "a lot")
        self.refused(self.config(docker={"pull_policy": ["sometimes"]}), "runners[0].docker.pull_policy", "sometimes")
        self.refused(self.config(docker={"container_labels": {"a": 1}}), "runners[0].docker.container_labels must be a table of strings")
        self.refused(self.config(tokens="x"), "runners[0].tokens")
        self.refused(self.config(cache={"s3": {"Bucket": "x"}}), "runners[0].cache.s3.Bucket")
        self.refused(self.config(cache={"s3": {"Insecure": "yes"}}), "runners[0].cache.s3.Insecure must be a boolean")
        self.refused(self.config(executor="ssh"), "executor")
        self.refused(self.config(url=""), "runners[0].url is missing")
        self.refused(f"{self.folder}/none.toml", "none.toml")

        def example(kind):
            return {"a string": "1", "an integer": 1, "a boolean": False}.get(kind, {"x": True} if "booleans" in kind else {"x": "1"} if "table" in kind else ["1"])
        every = {key: example(kind) for key, kind in runner.DOCKER_KEYS.items() if isinstance(kind, str) and key not in ("host", "allowed_pull_policies", "pull_policy")}
        others = {key: example(kind) for key, kind in runner.RUNNER_KEYS.items() if isinstance(kind, str)}
        del others["tls-ca-file"]
        path = self.config(docker=every, **(others | {"url": GITLAB.url, "token": self.token, "executor": "docker"}))
        self.quit(self.wait_until_it_asks(path))

    def wait_until_it_asks(self, path):
        before = len(GITLAB.requests)
        one = self.start(path)
        wait_for(lambda: len(GITLAB.requests) > before or one.poll() is not None, "a request")
        return one

    def test_sections_ask_in_turn(self):
        """Eight sections and four seconds: each asks once in that time, at equal distances. Too early would be wrong, late is the machine's right."""
        tokens = [f"{self.token}-{number}" for number in range(8)]
        path = self.config(executor="shell", interval=4)
        with open(path, encoding="utf-8") as source:
            head, section = source.read().split("[[runners]]")
        with open(path, "w", encoding="utf-8") as out:
            out.write(head + "".join("[[runners]]" + section.replace(self.token, token) for token in tokens))

        def mine():
            return [(moment, token) for moment, token, _ in GITLAB.requests if token in tokens]
        one = self.start(path)
        wait_for(lambda: len(mine()) >= 18, "18 requests")
        self.quit(one)
        found = mine()[:18]
        self.assertEqual([token for _, token in found], [tokens[number % 8] for number in range(18)])
        gaps = [later[0] - earlier[0] for earlier, later in zip(found, found[1:])]
        self.assertLess(min(gaps), 2)
        self.assertGreater(found[-1][0] - found[0][0], 17 * 0.5 * 0.9)

    def test_concurrent(self):
        """Two jobs that need each other end only where both run; with one at a time the first ends before the second begins."""
        path = self.config(executor="shell", count=3, concurrent=2)
        script = [f"touch {self.folder}/$ME; until [ -e {self.folder}/$OTHER ]; do sleep 0.1; done", "echo concurrent $CI_CONCURRENT_ID"]
        jobs = [GITLAB.add(self.token, script, variables={"ME": me, "OTHER": other}) for me, other in ("ab", "ba")]
        one = self.start(path)
        for number, job in enumerate(jobs):
            self.assert_success(job.finished())
            self.assertIn(f"concurrent {number}", "\n".join(job.text.splitlines()[-2:]))
        self.quit(one)
        self.assertEqual(GITLAB.most_at_once.pop(self.token), 2)
        jobs = [GITLAB.add(self.token, ["sleep 0.3"]) for _ in range(3)]
        one = self.start(self.config(executor="shell", count=3, concurrent=1))
        for job in jobs:
            self.assert_success(job.finished())
        self.quit(one)
        self.assertEqual(GITLAB.most_at_once[self.token], 1)

    def test_shell_executor(self):
        path = self.config(executor="shell", builds_dir=f"{self.folder}/builds", environment=["FROM_CONFIG=yes"])
        job = self.run_job(["pwd", "cat number", "echo $FROM_CONFIG", "exit 7"], path, variables={"GIT_STRATEGY": "fetch"}, after_script=["echo after $CI_JOB_STATUS"])
        self.assertEqual((job.status, job.result["failure_reason"], job.result["exit_code"]), ("failed", "script_failure", 7))
        for word in (f"{self.folder}/builds/{self.short}/0/group/project\n", "\n3\n", "\nyes\n", "after failed", "ERROR: Job failed: exit code 7"):
            self.assertIn(word, job.text)

    def test_engine_away(self):
        job = GITLAB.add(self.token, ["true"])
        one = self.start(self.config(docker={"host": "unix:///nowhere/docker.sock"}))
        job.finished()
        self.assertEqual((job.status, job.result["failure_reason"]), ("failed", "runner_system_failure"))
        self.assertIn("Cannot connect to the Docker daemon at unix:///nowhere/docker.sock. Is the docker daemon running?", job.text)
        self.assertEqual(job.text.count("Preparation failed"), 3)
        self.assertIsNone(one.poll())
        self.assertIn("Cannot connect to the Docker daemon", self.quit(one))

    # Jobs in containers

    def test_job_in_its_image(self):
        """Image, sources, limits, capabilities, variables, after_script, names and labels."""
        files = [{"key": "SECRET_FILE", "value": "in a file\n", "public": False, "masked": False, "file": True},
                 {"key": "HIDDEN", "value": "hide-me-please", "public": False, "masked": True}]
        docker = {"memory": "64m", "cpus": "0.5", "cap_drop": ["ALL"], "cap_add": ["CHOWN"], "security_opt": ["no-new-privileges"],
                  "container_labels": {"autogit.instance": "selftest"}, "shm_size": 1 << 20, "extra_hosts": ["elsewhere:192.0.2.77"], "ulimit": {"nofile": "321:654", "nproc": "20000"}}
        script = ["cat /etc/marker number", "git rev-parse HEAD || true", "cat $SECRET_FILE; echo file $SECRET_FILE", "echo $HIDDEN", "grep CapBnd /proc/self/status",
                  "grep NoNewPrivs /proc/self/status", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes", "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us",
                  "grep elsewhere /etc/hosts", "ulimit -n", "ulimit -Hn", "pwd", "hostname", "cat", "echo two\necho lines", "(exit 5)", "echo never"]
        job = self.run_job(script, self.config(docker), image={"name": BOX}, more_variables=files, variables={"GIT_STRATEGY": "fetch"},
                           after_script=["echo after $CI_JOB_STATUS"])
        self.assertEqual((job.status, job.result["failure_reason"], job.result.get("exit_code")), ("failed", "script_failure", 5), job.text)
        for word in ("the box\n3\n", "in a file\nfile /builds/group/project.tmp/SECRET_FILE", "[MASKED]", "CapBnd:\t0000000000000001", "NoNewPrivs:\t1",
                     f"\n{64 << 20}\n", "\n50000\n", "192.0.2.77", "\n321\n", "\n654\n", "\n/builds/group/project\n", f"\n{self.name}\n", "\ntwo\nlines\n",
                     "after failed", "ERROR: Job failed: exit code 5"):
            self.assertIn(word, job.text)
        for word in ("hide-me-please", "never\n", "job-secret"):
            self.assertNotIn(word, job.text.replace("echo never", ""))
        self.assertEqual(job.result["output"]["bytesize"], len(job.log))
        names = ENGINE.created_since(self.moment, runner_id=self.short)
        random = names[-1].removesuffix("-build-2")
        self.assertRegex(random, f"^{self.name}-[0-9a-f]{{16}}$")
        self.assertRegex(names[0], f"^{self.name}-cache-{BUILDS_HASH}-set-permission-[0-9a-f]{{16}}$")
        self.assertEqual(names[1:], [f"{random}-predefined-0", f"{random}-predefined-1", f"{random}-build-2"])
        self.assert_nothing_left()

    def hold_a_job(self, path, dialect="19", **more):
        job = GITLAB.add(self.token, HELD, **more)
        return self.start(path, dialect), job.started()

    def test_dialects(self):
        """The labels of everything, its names, and what the two older dialects leave out."""
        labels = {"job.id": None, "job.url": None, "job.sha": GITLAB.sha, "job.before_sha": "0" * 40, "job.ref": "main", "project.id": "1", "pipeline.id": "77",
                  "runner.local_id": "0", "managed": "true"}
        for dialect, short in (("14.7", "glrt-t1_"), ("19", self.short), ("19.4", self.short)):
            with self.subTest(dialect):
                path = self.config({"container_labels": {"autogit.job.instance": "x"}})
                one, job = self.hold_a_job(path, dialect, services=[{"name": WEB}])
                expected = labels | {"runner.id": short, "job.id": str(job.id), "job.url": f"{GITLAB.url}/group/project/-/jobs/{job.id}"}
                if dialect == "19.4":
                    with open(f"{self.folder}/.runner_system_id", encoding="utf-8") as source:
                        expected |= {"job.timeout": "1h0m0s", "project.runner_id": "0", "runner.system_id": source.read()}
                containers = {one["Labels"][PREFIX + "type"]: one for one in api("GET", "/containers/json", all=1, filters=filters(managed="true"))}
                self.assertEqual(set(containers), {"predefined", "build", "service"})
                for kind, found in containers.items():
                    wanted = {PREFIX + key: value for key, value in (expected | {"type": kind}).items()}
                    if kind == "service":
                        wanted |= {PREFIX + "service": "localhost/selftest/web", PREFIX + "service.version": "1"}
                    if dialect != "14.7":
                        wanted["autogit.job.instance"] = "x"
                    if dialect == "19.4" and kind == "service":
                        wanted[PREFIX + "autogit.job.instance"] = "x"
                    self.assertEqual(found["Labels"], wanted)
                network = next(one for one in api("GET", "/networks") if one["Name"] not in ("bridge", "host", "none"))
                self.assertEqual(network["Labels"], {PREFIX + key: value for key, value in expected.items()})
                unique = self.name if dialect != "14.7" else "runner-glrt-t1-project-1-concurrent-0"
                self.assertEqual(network["Name"], f"{unique}-job-{job.id}-network")
                volume = next(one for one in api("GET", "/volumes")["Volumes"])
                more = {"destination": "/builds", "protected": "false", "reusable": "false"} if dialect == "19.4" else {}
                self.assertEqual(volume["Labels"], {PREFIX + key: value for key, value in (expected | {"type": "cache"} | more).items()})
                build = containers["build"]["Names"][0].lstrip("/")
                self.assertRegex(build, f"^{unique}-[0-9a-f]{{16}}-build" + ("$" if dialect == "19.4" else "-2$"))
                random = re.sub("-build.*", "", build)
                self.assertEqual(containers["service"]["Names"], [f"/{random}-localhost__selftest__web-0"])
                self.assertEqual(volume["Name"], f"{random if dialect == '19.4' else unique}-cache-{BUILDS_HASH}")
                request = next(fields for _, token, fields in reversed(GITLAB.requests) if token == self.token)
                self.assertEqual("system_id" in request, dialect != "14.7")
                job.let_go()
                self.assert_success(job.finished())
                self.quit(one)
                self.assert_nothing_left()

    def test_service_by_alias(self):
        """All names of a service lead to it, on the network of the build; it has its own limit and none of the job's capabilities."""
        script = [f"wget -q -O - http://{name}:8000/" for name in ("web", "second", "localhost__selftest__web", "localhost-selftest-web")]
        job = GITLAB.add(self.token, [*script, *HELD], services=[{"name": WEB, "alias": "web second", "variables": [{"key": "OWN", "value": "$CI_PIPELINE_ID"}]}])
        one = self.start(self.config({"service_memory": "32m", "memory": "64m", "cap_drop": ["ALL"]}))
        job.started()
        service = api("GET", "/containers/json", filters=filters(type="service"))[0]["Id"]
        found = api("GET", f"/containers/{service}/json")
        self.assertEqual(found["HostConfig"]["Memory"], 32 << 20)
        self.assertNotIn("CAP_CHOWN", found["HostConfig"]["CapDrop"] or [])
        self.assertIn("OWN=77", found["Config"]["Env"])
        job.let_go()
        self.assert_success(job.finished())
        self.quit(one)
        self.assertEqual(job.text.count("the service"), 4, job.text)
        self.assertNotIn("WARNING", job.text)
        self.assertTrue(any(name.endswith("web-0-wait-for-service") for name in ENGINE.created_since(self.moment, runner_id=self.short)))
        self.assert_nothing_left()

    def test_cache_of_another_runner(self):
        cache = [{"key": "$CI_PIPELINE_ID-key", "paths": ["made/", "none*", "with space"], "policy": "pull-push"}]
        path = self.config({"volumes": [f"{HOLD}:/hold", "autogit-cache-default:/cache"]})
        script = ["cat made/file || echo nothing there", "mkdir -p made; echo $CI_JOB_ID >> made/file", "touch 'with space'"]
        first = self.run_job(script, path, cache=cache)
        self.assert_success(first)
        self.assertIn("nothing there", first.text)
        self.assertIn("none*: no matching files", first.text)
        self.token = self.token.replace("_secret", "x_secret2").replace("t1_", "t1_z")
        second = self.run_job([*script, "ls with*"], self.config({"volumes": [f"{HOLD}:/hold", "autogit-cache-default:/cache"]}), cache=cache)
        self.assert_success(second)
        self.assertIn("Successfully extracted cache", second.text)
        self.assertIn(f"\n{first.id}\n", second.text)
        self.assert_nothing_left(["autogit-cache-default"])
        where = ENGINE.do("volume", "inspect", "--format", "{{.Mountpoint}}", "autogit-cache-default").strip()
        self.assertEqual(os.listdir(f"{where}/group/project/77-key"), ["cache.zip"])
        third = self.run_job(["cat made/file; rm -r made"], self.config({"volumes": ["autogit-cache-default:/cache"]}), cache=[cache[0] | {"policy": "pull"}])
        self.assertIn(f"{first.id}\n{second.id}\n", third.text)

    def test_container_path_leaves_a_volume(self):
        """The trap: a path alone makes a volume of the runner, which nothing removes."""
        docker = {"volumes": ["/cache", f"{HOLD}:/hold"]}
        for dialect in ("14.7", "19"):
            self.assert_success(self.run_job(["true"], self.config(docker), dialect))
        names = [f"runner-glrt-t1-project-1-concurrent-0-cache-{CACHE_HASH}", f"{self.name}-cache-{CACHE_HASH}"]
        self.assert_nothing_left(names)
        self.assertEqual(ENGINE.volumes(runner_id=self.short), names[1:])
        job = self.run_job(["true"], self.config(docker | {"disable_cache": True}))
        self.assertIn('Will not create volume for "/cache"', job.text)
        self.assert_nothing_left(names)

    def test_current_source_keeps_builds(self):
        """19.4: with a fetch the volume of /builds stays, under a name without the short token; with disable_cache or a clone nothing does."""
        fetch = {"GIT_STRATEGY": "fetch"}
        path = self.config()
        self.assert_success(self.run_job(["cat number"], path, "19.4", variables=fetch))
        (name,) = ENGINE.volumes(runner_id=self.short)
        self.assertRegex(name, f"^runner-[0-9a-f]{{32}}-cache-{BUILDS_HASH}$")
        self.assert_success(self.run_job(["test -d .git && cat number"], path, "19.4", variables=fetch))
        self.assert_nothing_left([name])
        self.assert_success(self.run_job(["true"], self.config({"disable_cache": True}), "19.4", variables=fetch))
        self.assert_success(self.run_job(["true"], path, "19.4", variables={"GIT_STRATEGY": "clone"}))
        self.assert_nothing_left([name])
        names = ENGINE.created_since(self.moment, runner_id=self.short)
        self.assertEqual(len(names), 4 * 3, names)
        self.assertTrue(all(name.endswith(("-predefined", "-build")) or "-set-permission-" in name for name in names), names)

    def test_killed_runner(self):
        """Killed, it leaves exactly what the job had."""
        one, job = self.hold_a_job(self.config({"volumes": [f"{HOLD}:/hold", "autogit-cache-default:/cache", "/own"]}), services=[{"name": WEB}])
        one.kill()
        one.wait()
        containers, networks, volumes = ENGINE.everything()
        random = containers[0][:len(self.name) + 17]
        self.assertEqual(containers, [f"{random}-build-2", f"{random}-localhost__selftest__web-0", f"{random}-predefined-0", f"{random}-predefined-1"])
        self.assertEqual(networks, [f"{self.name}-job-{job.id}-network"])
        own = hashlib.md5(b"/own").hexdigest()
        self.assertEqual(volumes, sorted(["autogit-cache-default", f"{self.name}-cache-{BUILDS_HASH}", f"{self.name}-cache-{own}"]))
        self.assertEqual([len(found) for found in ENGINE.everything(runner_id=self.short)], [4, 1, 2])
        running = [one["Names"] for one in api("GET", "/containers/json")]
        self.assertEqual(len(running), 2, running)
        # What AutoGit has to do: the network can't go before its containers.
        network = networks[0]
        NOTES.append(f"DELETE of a network with containers: {call('DELETE', f'/networks/{network}')}")

    def test_quit_and_terminate(self):
        one, job = self.hold_a_job(self.config())
        waiting = GITLAB.add(self.token, ["true"])
        one.send_signal(signal.SIGQUIT)
        job.let_go()
        self.assert_success(job.finished())
        self.assertEqual(one.wait(TIMEOUT), 0)
        self.assertEqual(waiting.status, "pending")
        GITLAB.waiting[self.token].clear()
        self.assert_nothing_left()
        one, job = self.hold_a_job(self.config(), services=[{"name": WEB}])
        one.send_signal(signal.SIGTERM)
        self.assertEqual(one.wait(TIMEOUT), 143)
        self.assertEqual((job.status, job.result["failure_reason"]), ("failed", "runner_system_failure"))
        self.assert_nothing_left()

    def test_as_process_one(self):
        """In a container, with the engine's socket: quits, is terminated, is killed."""
        for number, (signal_name, code) in enumerate((("SIGQUIT", 0), ("SIGTERM", 143), ("SIGKILL", 137))):
            with self.subTest(signal_name):
                job = GITLAB.add(self.token, HELD)
                path = self.config({"host": "unix:///var/run/docker.sock"})
                ENGINE.do("run", "--detach", "--name", f"the-runner-{number}", "--network", "host", "--volume", f"{SOCKET}:/var/run/docker.sock",
                          "--volume", f"{os.path.dirname(path)}:/run/autogit", "--volume", f"{os.path.abspath(RUNNER)}:/usr/bin/autogit-test-runner:ro",
                          TOOLS, "/usr/bin/python3", "/usr/bin/autogit-test-runner", "run", "--config", f"/run/autogit/{os.path.basename(path)}")
                job.started()
                ENGINE.do("kill", "--signal", signal_name, f"the-runner-{number}")
                if signal_name == "SIGQUIT":
                    job.let_go()
                    self.assert_success(job.finished())
                self.assertEqual(ENGINE.do("wait", f"the-runner-{number}").strip(), str(code))
                self.assertNotIn(self.token, ENGINE.do("logs", f"the-runner-{number}"))
                self.assertEqual(len(ENGINE.containers(managed="true")), 3 if signal_name == "SIGKILL" else 0)

    def test_refusals(self):
        path = self.config({"allowed_images": ["localhost/selftest-*:1"], "allowed_services": ["x:*"], "services_limit": 1})
        job = self.run_job(["true"], path, image={"name": "docker.io/evil:1"})
        self.assertEqual((job.status, job.result["failure_reason"]), ("failed", "runner_system_failure"))
        self.assertIn('ERROR: The "docker.io/evil:1" image is not present on list of allowed images:\n- localhost/selftest-*:1\n', job.text)
        self.assertIn("ERROR: Job failed (system failure): disallowed image", job.text)
        job = self.run_job(["true"], path, services=[{"name": WEB}])
        self.assertIn(f'ERROR: The "{WEB}" image is not present on list of allowed services:\n- x:*\n', job.text)
        job = self.run_job(["true"], self.config({"services_limit": 1}), services=[{"name": WEB}, {"name": WEB, "alias": "b"}])
        self.assertIn("ERROR: Job failed (system failure): too many services requested: 2, only 1 allowed", job.text)
        self.assert_success(self.run_job(["cat /etc/marker"], path, image={"name": BOX}))
        job = self.run_job(["true"], self.config({"pull_policy": "never", "allowed_pull_policies": ["never"]}), image={"name": BOX, "pull_policy": ["always"]})
        self.assertIn("is not one of the allowed_pull_policies (['never'])", job.text)
        self.assert_nothing_left()

    def test_pulls(self):
        image = f"{REGISTRY.address}/there/none:1"
        secret = {"key": "DOCKER_AUTH_CONFIG", "masked": False, "public": False,
                  "value": json.dumps({"auths": {REGISTRY.address: {"auth": base64.b64encode(b"me:word").decode()}}})}
        job = self.run_job(["true"], self.config({"pull_policy": ["always", "if-not-present"]}), image={"name": image}, more_variables=[secret])
        self.assertEqual((job.status, job.result["failure_reason"]), ("failed", "image_pull_failure"), job.text)
        self.assertIn("Authenticating with credentials from $DOCKER_AUTH_CONFIG", job.text)
        self.assertIn("the manifest is not to be had", job.text)
        self.assertIn('Attempt #2: Trying "if-not-present" pull policy', job.text)
        self.assertIn(f"ERROR: Job failed: failed to pull image \"{image}\" with specified policies [always if-not-present]", job.text)
        self.assertIn("Basic " + base64.b64encode(b"me:word").decode(), [header for _, header in REGISTRY.seen])
        os.makedirs(f"{self.folder}/.docker")
        with open(f"{self.folder}/.docker/config.json", "w", encoding="utf-8") as out:
            json.dump({"auths": {f"https://{REGISTRY.address}/v1/": {"auth": base64.b64encode(b"home:word").decode()}}}, out)
        job = self.run_job(["true"], image={"name": image})
        self.assertIn(f"Authenticating with credentials from {self.folder}/.docker/config.json", job.text)
        self.assertIn("Basic " + base64.b64encode(b"home:word").decode(), [header for _, header in REGISTRY.seen])
        job = self.run_job(["true"], self.config({"pull_policy": "never"}), image={"name": "localhost/no:1"})
        self.assertIn("No such image: localhost/no:1", job.text)

    def test_cancel(self):
        one, job = self.hold_a_job(self.config(), after_script=["echo after"])
        job.status = "canceled"
        wait_for(lambda: not ENGINE.containers(managed="true"), "the end of the containers")
        log_text = self.quit(one)
        self.assertIn("Job failed: canceled", log_text)
        self.assert_nothing_left()

    def test_artifacts_between_jobs(self):
        artifacts = [{"name": "of-$CI_PIPELINE_ID", "paths": ["out/*.txt", "deep"], "artifact_type": "archive", "artifact_format": "zip", "expire_in": "1d"},
                     {"name": "report", "paths": ["out/a.txt"], "artifact_type": "junit", "artifact_format": "gzip", "when": "always"}]
        script = ["mkdir -p out deep/er", "echo one > out/a.txt; echo two > out/b.txt; echo no > out/c", "echo deep > deep/er/file; chmod 750 deep/er/file"]
        first = self.run_job(script, artifacts=artifacts)
        self.assert_success(first)
        (name, content, query), (report, packed, _) = first.artifacts
        self.assertEqual((name, report, query["artifact_type"], query["expire_in"]), ("of-77.zip", "report.gz", ["archive"], ["1d"]))
        self.assertEqual(sorted(zipfile.ZipFile(io.BytesIO(content)).namelist()), ["deep/", "deep/er/", "deep/er/file", "out/a.txt", "out/b.txt"])
        self.assertEqual(runner.gzip.decompress(packed), b"one\n")
        needed = [{"id": first.id, "name": "first", "token": f"job-secret-{first.id}", "artifacts_file": {"filename": name, "size": len(content)}}]
        second = self.run_job(["cat out/b.txt deep/er/file", "stat -c %a deep/er/file", "ls out/c"], dependencies=needed)
        self.assertIn("two\ndeep\n", second.text)
        self.assertIn("\n750\n", second.text)
        self.assertEqual(second.status, "failed")
        failed = self.run_job(["mkdir out; echo one > out/a.txt; exit 1"], artifacts=artifacts)
        self.assertEqual([name for name, _, _ in failed.artifacts], ["report.gz"])

    def test_https_and_lost_log(self):
        """GitLab's own CA for the runner and for git; clone_url; and a GitLab that forgets a part of the log."""
        certificate = f"{self.folder}/gitlab.pem"
        shell(f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=gitlab -addext subjectAltName=IP:{ADDRESS} -keyout {certificate} -out {certificate}.crt"
              f" && cat {certificate}.crt >> {certificate}")
        secure = FakeGitLab(certificate)
        secure.sha = GITLAB.sha
        try:
            job = secure.add(self.token, [*HELD, "cat number", "grep -c BEGIN $CI_SERVER_TLS_CA_FILE", "echo done"], variables={"GIT_STRATEGY": "clone"})
            job.payload["git_info"]["repo_url"] = job.payload["git_info"]["repo_url"].replace(ADDRESS, "192.0.2.250")
            one = self.start(self.config(gitlab=secure, clone_url=secure.url, **{"tls-ca-file": f"{certificate}.crt",
                                                                               "pre_get_sources_script": "echo before the sources"}))
            job.started()
            wait_for(lambda: len(job.log) > 10, "a log")
            secure.forgetful = True
            job.let_go()
            self.assert_success(job.finished())
            self.quit(one)
        finally:
            secure.shutdown()
            secure.server_close()
        self.assertFalse(secure.forgetful)
        self.assertIn("\n3\n", job.text)
        self.assertLess(job.text.index("before the sources\n"), job.text.index("Fetching changes"))
        self.assertTrue(job.text.startswith("Running with gitlab-runner") and job.text.count("Running with") == 1)
        self.assertEqual(job.result["output"]["bytesize"], len(job.log))

    def test_default_network(self):
        """Without the feature flag there is no network of the job. Current versions write the service's address; old ones link, which Podman refuses."""
        one, job = self.hold_a_job(self.config(flags=False), services=[{"name": WEB, "alias": "web"}])
        self.assertEqual(ENGINE.networks(), [])
        job.let_go()
        self.assert_success(job.finished())
        self.quit(one)
        job = self.run_job(["wget -q -O - http://web:8000/"], self.config(flags=False), services=[{"name": WEB, "alias": "web"}])
        self.assertIn("the service", job.text)
        job = self.run_job(["wget -q -O - http://web:8000/"], self.config(flags=False), "14.7", services=[{"name": WEB, "alias": "web"}])
        refusal = "ERROR: Job failed (system failure): Error response from daemon: bad parameter: link is not supported"
        self.assertIn("the service" if ENGINE.is_docker else refusal, job.text)
        self.assert_nothing_left()


NOTES = []


def main():
    global ENGINE, GITLAB, REGISTRY  # pylint: disable=global-variable-undefined
    docker = os.environ.get("SELFTEST_ENGINE") == "docker"
    if "SELFTEST_INSIDE" not in os.environ:
        packages = ["docker.io"] if docker else ["podman", "runc", "uidmap", "netavark", "aardvark-dns"]
        missing = [name for name in [*packages, "iptables", "iproute2", "busybox-static", "git", "openssl", "python3.11"]
                   if subprocess.run(["dpkg", "-s", name], capture_output=True, check=False).returncode]
        if missing:
            shell(f"apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y {' '.join(missing)}")
        os.environ["SELFTEST_INSIDE"] = "yes"
        inside = f'ip link set lo up && ip address add {ADDRESS}/32 dev lo && exec "$@"'
        os.execvp("unshare", ["unshare", "--net", "--mount", "sh", "-c", inside, "sh", sys.executable, *sys.argv])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    os.makedirs(WORK)
    REGISTRY = Registry()
    ENGINE = Engine(docker)
    try:
        ENGINE.start()
        GITLAB = FakeGitLab()
        GITLAB.make_repository()
        return 0 if unittest.main(exit=False).result.wasSuccessful() else 1
    finally:
        ENGINE.close()
        print(*NOTES, f"{time.monotonic() - began:.0f} s in all", sep="\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
