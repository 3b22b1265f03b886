extension RemoteProbe {
    /// For a POSIX shell on the machine that is looked at, by `sh -s`. It needs what Debian and Alpine always have, no privileges, and changes nothing.
    ///
    /// It tells of files as `file PATH BYTES` and a line break, that many bytes, and a line break; of those that it may not read as
    /// `unreadable PATH`; of device nodes as `node PATH GROUP`. A shell's variables hold no zero bytes, so files lose theirs; those that are
    /// read here have none. Names with other than usual characters are left out. The variable `root` is for tests.
    public static let script = #"""
        LC_ALL=C
        export LC_ALL
        unset IFS
        uid=$(id -u) user=$(id -un)

        # A file, and how much of it is read: one byte more than its reader takes shows that it is too long.
        tell() {
            case $1 in *[!A-Za-z0-9/._:+@-]*) return ;; esac
            [ -f "$root$1" ] || return 0
            text=$(head -c "$2" "$root$1" 2>/dev/null && echo .) || { echo "unreadable $1"; return 0; }
            text=${text%.}
            printf 'file %s %s\n%s\n' "$1" "${#text}" "$text"
        }
        node() {
            case $1 in *[!A-Za-z0-9/._:+@-]*) return ;; esac
            if [ -c "$root$1" ] || [ -b "$root$1" ] || { [ -n "$root" ] && [ -f "$root$1" ]; }; then
                echo "node $1 $(stat -L -c %g "$root$1")"
            fi
        }
        # At most so many paths of those that follow.
        each() {
            what=$1 most=$2 size=$3
            shift 3
            for one; do
                [ "$most" -gt 0 ] || break
                most=$((most - 1))
                "$what" "${one#"$root"}" "$size"
            done
        }

        echo 'autogit-probe 1'
        echo "fact machine $(uname -m)"
        echo "fact uid $uid"
        echo "fact user $user"
        if [ -e "$root/var/lib/systemd/linger/$user" ]; then echo 'fact lingers yes'; else echo 'fact lingers no'; fi
        # The kernel lists who listens as NUMBER: COUNT PROTOCOL 00010000 TYPE STATE INODE PATH. A socket's file outlives whoever listened.
        podman=/run/user/$uid/podman/podman.sock sockets=$root/proc/net/unix
        if [ -r "$sockets" ]; then grep -q " 00010000 .* $podman\$" "$sockets"; else [ -S "$root$podman" ]; fi
        if [ $? = 0 ]; then echo 'fact podman yes'; else echo 'fact podman no'; fi
        # What systemd(1) reads for users. Without such a unit, something else starts it, or nobody.
        enabled=unknown
        for folder in "$HOME/.config/systemd/user" /etc/systemd/user /usr/local/lib/systemd/user /usr/lib/systemd/user /lib/systemd/user; do
            if [ "$enabled" = unknown ] && [ -e "$root$folder/podman.socket" ]; then enabled=no; fi
            for link in "$root$folder"/*.wants/podman.socket "$root$folder"/*.wants/podman.service; do
                if [ -e "$link" ] || [ -L "$link" ]; then enabled=yes; fi
            done
        done
        echo "fact podman-enabled $enabled"
        tell /sys/devices/system/cpu/online 4097
        tell /proc/meminfo 16385
        tell /sys/fs/cgroup/cgroup.controllers 4097
        tell "/sys/fs/cgroup/user.slice/user-$uid.slice/user@$uid.service/cgroup.controllers" 4097
        for path in "$root"/proc/sys/fs/binfmt_misc/*; do
            [ "${path##*/}" = register ] || each tell 1 4097 "$path"
        done
        each tell 20 1048577 "$root"/etc/cdi/*.json "$root"/etc/cdi/*.yaml
        each tell 20 1048577 "$root"/var/run/cdi/*.json "$root"/var/run/cdi/*.yaml
        for path in "$root"/sys/class/drm/renderD*; do
            for name in vendor uevent product_name mem_info_vram_total; do each tell 1 65537 "$path/device/$name"; done
        done
        each tell 64 65537 "$root"/proc/driver/nvidia/gpus/*/information
        each node 400 0 "$root"/dev/nvidia* "$root"/dev/nvidia-caps/* "$root"/dev/dri/* "$root"/dev/kfd "$root"/dev/dxg
        echo 'autogit-probe end'
        exit 0

        """#
}
