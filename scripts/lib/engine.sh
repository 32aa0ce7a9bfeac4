# Machines that are namespaces: each host has its own mounts, /run, /dev, network, name and processes, and in it
# a real Docker engine. Sourced, never run. Needs root.
#
# A host is a process of pid namespace 1 (`host_start` returns its pid): when it dies, the kernel kills everything
# that ran in the host and takes its mounts and network away, so that nothing is left behind whatever happens.
# Images, layers and swarm state lie in a tmpfs of the host and go with it.
#
# Hosts meet in one directory, $LAB: sockets and logs lie there. What one host mounts in a directory that was given
# to lab_share is seen by the others (that is how a second host sees the region's volumes); all else is its own.

# lab_begin DIRECTORY: call once, in a mount namespace of your own, before hosts are started.
lab_begin() {
    LAB=$1
    mkdir -p "$LAB/hosts"
    mount --make-rprivate /
    leave_volumes
}

# leave_volumes: gives up the copies of mounted volumes that a new mount namespace begins with. They would keep them
# busy for whoever unmounts them outside.
leave_volumes() {
    local point
    while point=$(last_volume) && [ -n "$point" ]; do
        # It goes by itself when its mount point is removed outside.
        umount --no-canonicalize --lazy "$point" || [ "$(last_volume)" != "$point" ] || return 1
    done
}

# last_volume: where the one that was mounted last is, which may lie on another: a loop device (major number 7) by an EBS
# name, or the filesystem of a daemon.
last_volume() {
    printf '%b' "$(awk '($3 ~ /^7:/ && / - [^ ]+ [^ ]*\/xvd[a-z]+ /) || / - fuse\.ebb / { point = $5 }
        END { print point }' /proc/self/mountinfo)"
}

# lab_share DIRECTORY: hosts that start after this see what any of them mounts in it.
lab_share() {
    mkdir -p "$1"
    mount --bind "$1" "$1"
    mount --make-shared "$1"
}

# host_start NAME [ADDRESS/PREFIX]: a new host; its pid, as seen from here, lies in $LAB/hosts/NAME/pid.
# With an address it is plugged into the bridge of lab_network.
host_start() {
    local name=$1 address=${2:-} directory=$LAB/hosts/$1
    mkdir -p "$directory"
    rm -f "$directory/ready"
    unshare --mount --propagation unchanged --net --uts --ipc --pid --fork --kill-child \
        bash "$HOST_INIT" "$name" "$directory" >"$directory/log" 2>&1 </dev/null &
    echo $! >"$directory/keeper"
    wait_for 60 "host $name to start" test -e "$directory/ready" || return 1
    pgrep -P "$(cat "$directory/keeper")" | head -n 1 >"$directory/pid"
    if [ -n "$address" ]; then host_plug "$name" "$address"; fi
}

# host_run NAME COMMAND...: runs in the host.
host_run() {
    local name=$1
    shift
    nsenter --target "$(cat "$LAB/hosts/$name/pid")" --mount --net --uts --ipc --pid -- "$@"
}

# host_stop NAME: everything in it dies. Returns when its processes are gone.
host_stop() {
    local directory=$LAB/hosts/$1 keeper
    [ -e "$directory/keeper" ] || return 0
    keeper=$(cat "$directory/keeper")
    kill -9 "$(cat "$directory/pid")" "$keeper" 2>/dev/null || true
    wait "$keeper" 2>/dev/null || true
    rm -f "$directory/keeper"
}

# lab_network NAME: a bridge that hosts are plugged into, in the network namespace of the caller.
lab_network() {
    BRIDGE=$1
    ip link add "$BRIDGE" type bridge
    ip link set "$BRIDGE" up
}

host_plug() {
    local name=$1 address=$2 pid
    pid=$(cat "$LAB/hosts/$name/pid")
    ip link add "to-$name" type veth peer name eth0 netns "$pid"
    ip link set "to-$name" master "$BRIDGE" up
    host_run "$name" ip address add "$address" dev eth0
    host_run "$name" ip link set eth0 up
    host_run "$name" ip route add default dev eth0
}

# engine_start NAME [ARGUMENT...]: a Docker engine in the host, with further arguments for dockerd; reached by
# $LAB/hosts/NAME/docker.sock from anywhere.
engine_start() {
    local name=$1 directory=$LAB/hosts/$1
    shift
    host_run "$name" env -u HTTP_PROXY -u HTTPS_PROXY -u http_proxy -u https_proxy dockerd \
        --host "unix://$directory/docker.sock" --data-root /var/lib/docker --exec-root /run/docker \
        --pidfile /run/docker.pid --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "$(engine_cgroup)" \
        --group "$(id -g)" --log-level warn "$@" >"$directory/dockerd.log" 2>&1 </dev/null &
    wait_for 60 "the Docker engine of $name to answer" engine_answers "$name" || {
        tail -n 20 "$directory/dockerd.log" >&2
        return 1
    }
}

engine_answers() { docker_of "$1" version >/dev/null 2>&1; }

# engine_stop NAME: asks the engine to end and waits; containers are stopped and volumes unmounted by it.
engine_stop() {
    local name=$1
    host_run "$name" pkill --pidfile /run/docker.pid || true
    wait_for 30 "the Docker engine of $name to end" host_run "$name" test ! -e /run/docker.pid
}

docker_of() {
    local name=$1
    shift
    docker --host "unix://$LAB/hosts/$name/docker.sock" "$@"
}

# engine_cgroup: one name for all engines of this lab, so that what containers leave can be removed with it.
engine_cgroup() { printf '/%s' "$(basename "$LAB")"; }

# abort_filesystems: comes before hosts are killed. A volume's ext4 lies on a loop device on the filesystem of a
# daemon. A daemon that is killed with all its mounts would, as its last work, write out that ext4, and so wait in the
# kernel for an answer of its own. I/O through a connection that was aborted fails at once instead.
abort_filesystems() {
    local control=$LAB/fusectl connection
    mkdir -p "$control"
    mount -t fusectl fusectl "$control"
    for connection in $(fuse_connections); do
        [ ! -e "$control/$connection/abort" ] || echo 1 >"$control/$connection/abort"
    done
    umount "$control"
}

# fuse_connections: the numbers of those that are mounted below $LAB, in whichever namespace.
fuse_connections() {
    cat /proc/[0-9]*/mountinfo 2>/dev/null |
        awk -v lab="$LAB/" 'index($5, lab) == 1 && / - fuse[. ]/ { split($3, number, ":"); print number[2] }' | sort -u
}

# lab_end: stops every host, then sweeps.
lab_end() {
    local directory
    abort_filesystems
    for directory in "$LAB"/hosts/*/; do
        [ ! -d "$directory" ] || host_stop "$(basename "$directory")"
    done
    while grep -q " $LAB/" /proc/self/mounts; do
        umount --lazy "$(awk -v lab="$LAB/" 'index($2, lab) == 1 { print $2; exit }' /proc/self/mounts)"
    done
    lab_sweep
}

# lab_sweep: removes what the kernel keeps by name when no host is left: loop devices, control groups, the directory.
lab_sweep() {
    local device file instances
    # A loop device tells its file's path in a filesystem that is gone: /zone/instance/device. The lab's own
    # instances stand in its catalog. (Not all of that folder: volumes are gibibytes of zeros to read.)
    instances=$(grep -aohE 'i-[0-9a-f]{17}' "$LAB"/home/*/var/lib/ebb/catalog* 2>/dev/null | sort -u || true)
    losetup --list --noheadings --output NAME,BACK-FILE | while read -r device file; do
        if [[ $file == "$LAB"/* ]] || { [ -n "$instances" ] && grep -qF "$instances" <<<"$file"; }; then
            losetup --detach "$device"
        fi
    done
    # One for each controller, innermost first; those of processes that are just ending go a moment later.
    wait_for 10 "control groups to be empty" remove_control_groups || true
    rm -rf "$LAB"
}

remove_control_groups() {
    find /sys/fs/cgroup -depth -type d -path "*/$(basename "$LAB")*" -exec rmdir {} \; 2>/dev/null || true
    [ -z "$(find /sys/fs/cgroup -maxdepth 2 -type d -name "$(basename "$LAB")" 2>/dev/null)" ]
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local limit=$1 what=$2 deadline=$((SECONDS + $1))
    shift 2
    until "$@"; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            printf 'waited %s s for %s\n' "$limit" "$what" >&2
            return 1
        fi
        sleep 0.1
    done
}

# static_busybox: prints the path of a busybox that needs no libraries; downloads Debian's if there is none.
static_busybox() {
    local candidate
    for candidate in /bin/busybox /usr/bin/busybox "$LAB/busybox/bin/busybox" "$LAB/busybox/usr/bin/busybox"; do
        if [ -x "$candidate" ] && ! ldd "$candidate" >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    # Not installed: Debian's busybox-static would take the place of its busybox.
    (mkdir -p "$LAB/busybox" && cd "$LAB/busybox" && apt-get download -q busybox-static && dpkg-deb -x ./*.deb .) \
        >"$LAB/busybox.log" 2>&1 || return 1
    find "$LAB/busybox" -name busybox -type f | head -n 1
}

# busybox_image: writes $LAB/busybox.tar, a root filesystem that is busybox and nothing else.
busybox_image() {
    local busybox tree=$LAB/image
    busybox=$(static_busybox)
    mkdir -p "$tree/bin" "$tree/tmp" "$tree/etc" "$tree/root"
    cp "$busybox" "$tree/bin/busybox"
    "$busybox" --list | while read -r applet; do
        [ "$applet" = busybox ] || ln -sf busybox "$tree/bin/$applet"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$tree/etc/passwd"
    tar -C "$tree" -cf "$LAB/busybox.tar" .
    rm -rf "$tree"
}

# engine_image NAME: the engine gets the image `busybox`, with no registry asked.
engine_image() {
    docker_of "$1" import --change 'CMD ["sh"]' "$LAB/busybox.tar" busybox:latest >/dev/null
}

# swarm_join MANAGER ADDRESS WORKER ADDRESS: two engines become one swarm.
swarm_join() {
    local token
    docker_of "$1" swarm init --advertise-addr "$2" --listen-addr "$2:2377" >/dev/null
    token=$(docker_of "$1" swarm join-token -q worker)
    docker_of "$3" swarm join --advertise-addr "$4" --listen-addr "$4:2377" --token "$token" "$2:2377" >/dev/null
}

HOST_INIT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/host-init
