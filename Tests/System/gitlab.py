"""The fake GitLab on the host, the program autogit-fake-gitlab, and what tests ask of it."""
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request

from machine import HOST
from suite import Failed, check, die_with_parent

TOKEN = "glpat-system-test-4711"
# Of nobody who administers anything; it may read.
READER = "glpat-system-test-4712"


def job(script, tags="scope", more=""):
    """The text of a .gitlab-ci.yml with one job, and `more` lines of it."""
    lines = "".join(f"    - {json.dumps(line)}\n" for line in script)
    return f"test:\n  stage: test\n  script:\n{lines}  tags: [{tags}]\n{more}"


class Hold(http.server.ThreadingHTTPServer):
    """What jobs ask whether they may end: 404 while their name is held, so that no job has to last for a time."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.held = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def hold(self, name):
        self.held.add(name)

    def release(self, name):
        self.held.discard(name)


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path[1:] in self.server.held else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


def held(hold, name, tags="scope", fetch="curl -sf", more="", first=()):
    """A job that runs until this test lets it end."""
    return job([*first, "echo begun", f"until {fetch} http://{HOST}:{hold.server_port}/{name}; do sleep 0.2; done", "echo ended"], tags, more)


class GitLab:
    """`projects` maps a project's path to the text of its .gitlab-ci.yml; `host` is this machine's address as runners see it."""

    def __init__(self, program, folder, projects, host):
        shutil.rmtree(f"{folder}/gitlab", ignore_errors=True)
        os.makedirs(f"{folder}/gitlab")
        for name, secret in ("token", TOKEN), ("reader", READER):
            with open(f"{folder}/{name}", "w") as out:
                out.write(secret)
        arguments = [
            program, "--directory", f"{folder}/gitlab", "--token-file", f"{folder}/token", "--other-token", f"read_api={folder}/reader",
            "--url", f"http://{host}:PORT"]
        for path, text in projects.items():
            file = f"{folder}/gitlab/{path.replace('/', '-')}.yml"
            with open(file, "w") as out:
                out.write(text)
            arguments += ["--project", f"{path}={file}"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.url = self.process.stdout.readline().strip()
        check(self.url, "the fake GitLab did not start")
        self.inside = self.url.replace("127.0.0.1", host)

    def open(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.url}/api/v4/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"PRIVATE-TOKEN": TOKEN, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode(errors="replace")

    def call(self, method, path, body=None):
        text = self.open(method, path, body)
        return json.loads(text) if text else None

    def project(self, path):
        return next(p["id"] for p in self.call("GET", "projects?per_page=100") if p["path_with_namespace"] == path)

    def start(self, path):
        """A pipeline; returns the project and the ids of its jobs."""
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
            time.sleep(0.3)

    def runners(self):
        return self.call("GET", "runners/all?per_page=100")

    def trace(self, project, job):
        return self.open("GET", f"projects/{project}/jobs/{job}/trace")
