#!/usr/bin/env python3
"""A Docker swarm of several real engines on one machine, for tests. Needs root, Debian's docker.io, iproute2 and busybox-static.

    swarm.py up [--nodes 3] [--managers 1] [--meet]
                                             start the nodes and make them a swarm; with --meet they reach this machine at .2 of their network
    swarm.py cut N | mend N                  take node N off the network, put it back
    swarm.py kill-engine N | start-engine N  kill dockerd and containerd of node N with SIGKILL (containers stay), start them
    swarm.py power-off N | power-on N        end everything on node N at once, start it again with its disk
    swarm.py restart-engine N                stop dockerd of node N with SIGTERM, as an upgrade does, and start it
    swarm.py status                          one line per node
    swarm.py down                            end and remove everything

Each node is one process, its "init", with mount, PID, host name and network namespaces of its own. So ending the init ends
the node with all its containers and mounts. The nodes' networks meet in a bridge in a network namespace of its own: the
machine's network is not touched, but for one link with --meet. The socket of node N is DIRECTORY/nodeN/docker.sock, and
/run/docker.sock for what runs there.
"""

import argparse
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time

DIRECTORY = pathlib.Path(os.environ.get("SWARM_DIRECTORY", "/var/tmp/swarm/nodes"))
PREFIX = os.environ.get("SWARM_PREFIX", "agswarm")
SUBNET = os.environ.get("SWARM_SUBNET", "10.77.0")
IMAGE = "swarm-test:latest"
# Where dockerd, containerd and runc are: a tree of a newer Debian lets a newer engine be tried.
ROOT = pathlib.Path(os.environ.get("SWARM_ROOT", "/"))
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def command(*words, check=True):
    """Runs a short command and answers its output."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    if check and done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def wait_until(what, condition, seconds):
    """Polls `condition` until it answers something true, which it returns."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    raise SystemExit(f"gave up after {seconds} s: {what}")


def children_of(pid):
    """The PIDs of a process's children, of all its threads."""
    return [child for file in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Node:
    """One machine of the swarm."""

    def __init__(self, number):
        self.number = number
        self.name = f"node{number}"
        self.address = f"{SUBNET}.{10 + number}"
        self.directory = DIRECTORY / self.name
        self.socket = self.directory / "docker.sock"
        self.namespace = f"{PREFIX}-{number}"
        self.port = f"{PREFIX[:10]}p{number}"
        self.cgroup = f"{PREFIX}-{self.name}"

    # Its parts.

    def read_pid(self, name):
        """The PID in a file, if that process still runs. Seen from this machine, not from the node."""
        try:
            pid = int((self.directory / name).read_text())
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, ValueError):
            return None
        return None if state == "Z" else pid

    def start_network(self):
        hub = f"{PREFIX}-hub"
        command("ip", "netns", "add", self.namespace)
        command("ip", "-n", hub, "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        command("ip", "-n", hub, "link", "set", self.port, "master", "bridge", "up")
        command("ip", "-n", self.namespace, "link", "set", "lo", "up")
        command("ip", "-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "eth0")
        command("ip", "-n", self.namespace, "link", "set", "eth0", "up")
        command("ip", "-n", self.namespace, "route", "add", "default", "via", f"{SUBNET}.1")

    def start_init(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        outer = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "--mount", "--uts", "--pid", "--fork",
             "--mount-proc", sys.executable, os.path.abspath(__file__), "init", str(self.number)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(self.directory / "init.log").open("w"),
            start_new_session=True)
        wait_until(f"init of {self.name}", (self.directory / "init.started").exists, 10)
        self.write_pid("init.pid", outer)

    def write_pid(self, name, outer):
        """The PID, as this machine sees it, of the one child of `outer`, which is in the node."""
        (self.directory / name).write_text(children_of(outer.pid)[0])

    def run_init(self):
        """PID 1 of the node: prepares its mounts, then reaps whatever is orphaned."""
        command("mount", "-t", "tmpfs", "tmpfs", "/run")
        # A task's image is looked for in its registry each time, also where it is here: let a name fail at once, not in 20 s.
        resolver = self.directory / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\n")
        own = self.directory / "etc"  # dockerd 20.10 writes a key there.
        own.mkdir(exist_ok=True)
        command("mount", "--bind", str(resolver), "/etc/resolv.conf")
        if ROOT != pathlib.Path("/"):
            command("mount", "--bind", str(ROOT), str(ROOT))  # A mount point, as newer engines want "/" to be.
            for folder in ("/proc", "/sys", "/dev", "/run", "/etc/resolv.conf", str(DIRECTORY)):
                target = ROOT / folder.lstrip("/")
                if target.is_symlink():
                    target.unlink()
                if pathlib.Path(folder).is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    target.touch()
                command("mount", "--rbind", folder, str(target))
        (ROOT / "etc/docker").mkdir(exist_ok=True)
        command("mount", "--bind", str(own), str(ROOT / "etc/docker"))
        socket.sethostname(self.name)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        (self.directory / "init.started").touch()
        while True:
            signal.sigtimedwait({signal.SIGCHLD}, 60)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass

    def start_engine(self):
        self.socket.unlink(missing_ok=True)
        (self.directory / "engine.pid").unlink(missing_ok=True)
        options = self.directory / "daemon.json"
        if not options.exists():
            options.write_text("{}")
        for stale in (self.directory / "exec").glob("containerd/containerd.pid"):
            stale.unlink()
        outer = subprocess.Popen(
            ["nsenter", f"--target={self.read_pid('init.pid')}", "--mount", "--uts", "--pid", "--net",
             "chroot", str(ROOT), "dockerd",
             f"--config-file={options}", f"--data-root={self.directory / 'data'}", f"--exec-root={self.directory / 'exec'}",
             "--pidfile=/run/dockerd.pid", f"--host=unix://{self.socket}", "--host=unix:///run/docker.sock",
             f"--cgroup-parent={self.cgroup}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(self.directory / "dockerd.log").open("a"),
            start_new_session=True)

        def started():
            if outer.poll() is not None:
                raise SystemExit(f"dockerd of {self.name} ended; see {self.directory / 'dockerd.log'}")
            try:
                return self.ask("GET", "/_ping") == "OK"
            except OSError:
                return False

        wait_until(f"dockerd of {self.name}", started, 60)
        self.write_pid("engine.pid", outer)

    def engine_pids(self):
        """dockerd and its containerd."""
        engine = self.read_pid("engine.pid")
        if not engine:
            return []
        return [engine] + [int(pid) for pid in children_of(engine)]

    # What may happen to it.

    def power_on(self):
        self.start_network()
        self.start_init()
        self.start_engine()

    def power_off(self):
        pid = self.read_pid("init.pid")
        if pid:
            os.kill(pid, signal.SIGKILL)
            wait_until(f"end of {self.name}", lambda: self.read_pid("init.pid") is None, 20)
        for name in ("init.pid", "init.started", "engine.pid", "docker.sock"):
            (self.directory / name).unlink(missing_ok=True)
        shutil.rmtree(self.directory / "exec", ignore_errors=True)
        command("ip", "netns", "delete", self.namespace, check=False)
        hub = f"{PREFIX}-hub"
        wait_until(f"network of {self.name}", lambda: self.port not in command("ip", "-n", hub, "link", check=False), 20)
        self.remove_cgroups()

    def remove_cgroups(self):
        for top in [*CGROUPS.glob(f"*/{self.cgroup}"), *CGROUPS.glob(self.cgroup)]:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass

    def kill_engine(self):
        for pid in self.engine_pids():
            os.kill(pid, signal.SIGKILL)
        wait_until(f"end of dockerd of {self.name}", lambda: self.read_pid("engine.pid") is None, 20)

    def stop_engine(self):
        pid = self.read_pid("engine.pid")
        if pid:
            os.kill(pid, signal.SIGTERM)
            wait_until(f"end of dockerd of {self.name}", lambda: self.read_pid("engine.pid") is None, 60)

    def cut(self):
        command("ip", "-n", f"{PREFIX}-hub", "link", "set", self.port, "down")

    def mend(self):
        command("ip", "-n", f"{PREFIX}-hub", "link", "set", self.port, "up")

    # Its API.

    def ask(self, method, path, body=None, timeout=60):
        """One request; JSON in and out where there is JSON. An answer of 400 and above is an OSError."""
        connection = Connection(self.socket, timeout)
        try:
            if isinstance(body, (dict, list)):
                connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            else:
                connection.request(method, path, body, {"Content-Type": "application/x-tar"} if body else {})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise OSError(f"{method} {path}: {response.status} {data.decode(errors='replace').strip()}")
        try:
            return json.loads(data) if data else None
        except ValueError:
            try:
                return data.decode()
            except UnicodeDecodeError:
                return data


def busybox_tar():
    """An image's file system: busybox and a folder for temporary files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc", "run", "proc", "sys", "dev"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        tar.add("/bin/busybox", "bin/busybox")
        for applet in ("sh", "sleep", "cat", "ls", "id", "env", "kill", "stat", "nc", "grep", "date", "echo", "mount", "wc"):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    return buffer.getvalue()


def meet(hub):
    """Lays a link from this machine to the bridge, which goes with the bridge's namespace."""
    link = f"{PREFIX[:10]}gw"
    command("ip", "link", "add", link, "type", "veth", "peer", "name", "gateway", "netns", hub)
    command("ip", "-n", hub, "link", "set", "gateway", "master", "bridge", "up")
    command("ip", "address", "add", f"{SUBNET}.2/24", "dev", link)
    command("ip", "link", "set", link, "up")


def up(nodes, managers, meets):
    hub = f"{PREFIX}-hub"
    command("ip", "netns", "add", hub)
    command("ip", "-n", hub, "link", "add", "bridge", "type", "bridge")
    command("ip", "-n", hub, "address", "add", f"{SUBNET}.1/24", "dev", "bridge")
    command("ip", "-n", hub, "link", "set", "bridge", "up")
    if meets:
        meet(hub)
    for node in nodes:
        node.power_on()
    first = nodes[0]
    first.ask("POST", f"/images/create?fromSrc=-&repo={IMAGE.split(':')[0]}&tag={IMAGE.split(':')[1]}", busybox_tar())
    image = first.ask("GET", f"/images/{IMAGE}/get")
    for node in nodes[1:]:
        node.ask("POST", "/images/load", image)  # Not imported once more: each import makes an image with an ID of its own.
    first.ask("POST", "/swarm/init", {"ListenAddr": f"{first.address}:2377", "AdvertiseAddr": first.address})
    tokens = first.ask("GET", "/swarm")["JoinTokens"]
    for node in nodes[1:]:
        node.ask("POST", "/swarm/join", {
            "ListenAddr": f"{node.address}:2377", "AdvertiseAddr": node.address, "RemoteAddrs": [f"{first.address}:2377"],
            "JoinToken": tokens["Manager" if node.number <= managers else "Worker"]})
    wait_until("all nodes ready", lambda: sum(
        node["Status"]["State"] == "ready" for node in first.ask("GET", "/nodes")) == len(nodes), 30)


def down(nodes):
    for node in nodes:
        node.power_off()
    command("ip", "netns", "delete", f"{PREFIX}-hub", check=False)
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def known_nodes():
    return [Node(int(entry.name[4:])) for entry in sorted(DIRECTORY.glob("node*"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["up", "down", "status", "init", "cut", "mend", "kill-engine", "start-engine",
                                           "restart-engine", "power-off", "power-on"])
    parser.add_argument("number", nargs="?", type=int, help="the node, from 1")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--managers", type=int, default=1)
    parser.add_argument("--meet", action="store_true")
    arguments = parser.parse_args()
    if arguments.action == "up":
        nodes = [Node(number) for number in range(1, arguments.nodes + 1)]
        try:
            up(nodes, arguments.managers, arguments.meet)
        except BaseException:
            if not os.environ.get("SWARM_KEEP"):
                down(nodes)
            raise
    elif arguments.action == "down":
        down(known_nodes())
    elif arguments.action == "status":
        for node in known_nodes():
            print(node.name, node.address, node.socket, "init", node.read_pid("init.pid"), "engine", node.engine_pids())
    elif arguments.number is None:
        parser.error(f"{arguments.action} needs a node")
    else:
        node = Node(arguments.number)
        if arguments.action == "init":
            node.run_init()
        elif arguments.action == "restart-engine":
            node.stop_engine()
            node.start_engine()
        else:
            getattr(node, arguments.action.replace("-", "_"))()


if __name__ == "__main__":
    main()
