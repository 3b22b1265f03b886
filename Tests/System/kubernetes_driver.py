#!/usr/bin/env python3
"""Checks the Kubernetes driver against what PyPI has of Kubernetes: the API's own schemas (kubernetes-validate) and a stateful double (kmock).

    python3 -m venv V && V/bin/pip install kubernetes-validate kmock
    swift build --build-tests
    V/bin/python Tests/System/kubernetes_driver.py [bodies] [kmock] [hook]

`bodies` runs the driver's tests so that every body that the driver sends is written down, and validates each against the strict schemas of every
version of Kubernetes that the package has from 1.26 on. `kmock` runs the driver against kmock over HTTP. `hook` runs the stop hook of a pod's body
beside a process with the number 1, in a PID namespace, with the shells that are installed; it wants root. None needs the network.

What kmock 0.8 can't show, so that it is stood in for here or left to the tests' own double: it gives objects no uid and no resourceVersion, has no
label selectors, lists without versions, no controllers, no node, no rules about what may be changed, and a watch that always begins with everything.
"""
import asyncio
import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TESTS = os.path.join(ROOT, ".build/debug/autogitPackageTests.xctest")
OLDEST = (1, 26)
# Fields that a version does not know: it drops them, and the driver does not depend on them there (docs/kubernetes-notes.md).
UNKNOWN = {(1, 26): {"podReplacementPolicy"}, (1, 27): {"podReplacementPolicy"}}


def run_tests(name, **environment):
    command = [TESTS, "--testing-library", "swift-testing", "--filter", name]
    done = subprocess.run(command, env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0 or not re.search(r"Test run with [1-9]\d* test", done.stdout):
        sys.exit(f"kubernetes_driver.py: {name} failed\n{done.stdout[-4000:]}")


def merged(old, change):
    """JSON merge patch, for what the driver sends."""
    if not isinstance(change, dict):
        return change
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def validate(body, version):
    import kubernetes_validate

    unknown = UNKNOWN.get(version, set())
    if unknown and body["kind"] == "Job":
        body = {**body, "spec": {key: value for key, value in body["spec"].items() if key not in unknown}}
    if body["kind"] == "DeleteOptions":
        # Its schema is there, under a name that the package does not look for.
        import jsonschema

        with open(os.path.join(schemas(), f"v{version[0]}.{version[1]}.0-local-strict", "deleteoptions-meta-v1.json"), encoding="utf-8") as file:
            return jsonschema.validate(body, json.load(file))
    kubernetes_validate.validate(body, f"{version[0]}.{version[1]}", strict=True)


def schemas():
    import kubernetes_validate

    return os.path.join(os.path.dirname(kubernetes_validate.__file__), "kubernetes-json-schema")


def versions():
    found = {tuple(map(int, re.match(r"v(\d+)\.(\d+)", name).groups())) for name in os.listdir(schemas()) if name.endswith("-strict")}
    return sorted(version for version in found if version >= OLDEST)


def check_bodies():
    with tempfile.TemporaryDirectory() as folder:
        run_tests("KubernetesDriverTests.BodiesTests", AUTOGIT_KUBERNETES_BODIES=folder)
        jobs, counts = {}, collections.Counter()
        paths = sorted(glob.glob(folder + "/*.json"), key=lambda path: (os.path.basename(path).rsplit("-", 3)[0], path))
        bodies = [(os.path.basename(path), json.load(open(path, encoding="utf-8"))) for path in paths]
        for name, body in bodies:
            if "POST-jobs" in name:
                jobs[re.match(r"(.*?)-\d+-POST", name).group(1)] = body
        for name, body in bodies:
            if "PATCH-jobs" in name:
                # A patch has no schema of its own: what comes of it has one.
                body = merged(jobs[re.match(r"(.*?)-\d+-PATCH", name).group(1)], body)
            counts[body["kind"]] += 1
            for version in versions():
                try:
                    validate(body, version)
                except Exception as error:
                    sys.exit(f"kubernetes_driver.py: {name} is not valid in Kubernetes {version[0]}.{version[1]}: {str(error)[:2000]}")
    # A check that can't fail checks nothing.
    broken = json.loads(json.dumps(next(iter(jobs.values()))))
    broken["spec"]["template"]["spec"]["containers"][0]["imagePullPolicie"] = "Always"
    try:
        validate(broken, versions()[-1])
    except Exception:
        pass
    else:
        sys.exit("kubernetes_driver.py: the schemas take a field that does not exist")
    words = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(f"kubernetes_driver.py: valid in Kubernetes {'.'.join(map(str, versions()[0]))} to {'.'.join(map(str, versions()[-1]))}: {words}")


# The first process of a container: it takes its time on QUIT, and tells by its exit code if another signal came.
FIRST = "trap 'sleep 2; exit 7' QUIT; trap 'exit 9' TERM; echo up; while :; do sleep 0.2; done"


def check_hook():
    with tempfile.TemporaryDirectory() as folder:
        run_tests("KubernetesDriverTests.BodiesTests", AUTOGIT_KUBERNETES_BODIES=folder)
        job = json.load(open(glob.glob(folder + "/plain-*-POST-jobs.json")[0], encoding="utf-8"))
    hook = job["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    shells = [shell for shell in (["dash"], ["bash"], ["busybox", "sh"]) if shutil.which(shell[0])]
    for shell in shells:
        outer = subprocess.Popen(["unshare", "--pid", "--fork", "--mount-proc", *shell, "-c", FIRST], stdout=subprocess.PIPE, text=True)
        if outer.stdout.readline() != "up\n":
            sys.exit("kubernetes_driver.py: no PID namespace can be made here: run it as root")
        with open(f"/proc/{outer.pid}/task/{outer.pid}/children", encoding="ascii") as children:
            first = children.read().split()[0]
        done = subprocess.run(["nsenter", "--target", first, "--pid", "--mount", *shell, *hook[1:]], timeout=60)
        code = outer.wait(timeout=60)
        # The hook is killed with the namespace: it lasts until the process is gone, so that no TERM comes before.
        if code != 7 or done.returncode not in (-9, 137):
            sys.exit(f"kubernetes_driver.py: with {shell[0]} the process ended by {code} and the hook by {done.returncode}")
    print(f"kubernetes_driver.py: the stop hook works with {', '.join(shell[0] for shell in shells)}")


async def serve_kmock(ready):
    import aiohttp
    import kmock

    class Cluster(kmock.KubernetesEmulator):
        """kmock with what the driver can't do without: uids, and a pod for a Job that was let go."""

        async def _handle(self, request):
            if request.method == kmock.method.POST and isinstance(request.data, dict):
                request.data.setdefault("metadata", {}).setdefault("uid", str(uuid.uuid4()))
            response = await super()._handle(request)
            if request.method == kmock.method.PATCH and request.resource is not None and request.resource.plural == "jobs":
                self.released.put_nowait(request.name)
            return response

    async with Cluster() as cluster, kmock.Server(cluster) as server:
        cluster.released = asyncio.Queue()
        jobs, pods, secrets = kmock.resource("batch", "v1", "jobs"), kmock.resource("", "v1", "pods"), kmock.resource("", "v1", "secrets")
        for resource in (jobs, pods, secrets):
            cluster.resources[resource] = {"namespaced": True, "verbs": {"get", "list", "watch", "create", "patch", "delete"}}
        ready.set_result(server.port)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as client:
            while True:
                name = await cluster.released.get()
                async with client.get(f"/apis/batch/v1/namespaces/ci/jobs/{name}") as answer:
                    job = await answer.json()
                template = job["spec"]["template"]
                pod = {
                    "apiVersion": "v1", "kind": "Pod", "spec": {**template["spec"], "nodeName": "node-1"},
                    "metadata": {**template["metadata"], "name": f"{name}-x1y2z", "namespace": "ci"},
                    "status": {"phase": "Running", "containerStatuses": [{"name": "runner", "state": {"running": {}}}]},
                }
                async with client.post("/api/v1/namespaces/ci/pods", json=pod) as answer:
                    answer.raise_for_status()


async def check_kmock():
    import kmock

    ready = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve_kmock(ready))
    done, _ = await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
    if serving in done:
        serving.result()
    url = f"http://127.0.0.1:{ready.result()}"
    await asyncio.to_thread(run_tests, "KubernetesDriverTests.KmockTests", AUTOGIT_KMOCK=url)
    serving.cancel()
    print(f"kubernetes_driver.py: the driver works against kmock {kmock.__version__}")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["bodies", "kmock", "hook"]
    if "bodies" in wanted:
        check_bodies()
    if "kmock" in wanted:
        asyncio.run(check_kmock())
    if "hook" in wanted:
        check_hook()
