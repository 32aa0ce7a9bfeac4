# Ebb's daemons in the hosts of engine.sh. Sourced, never run. $PROGRAMS is the folder of ebb and ebbd.
#
# One host is the region: what its daemon mounts as the filesystem of volumes is shared with hosts that start later.
# Other hosts are nodes: they use the region's volumes by its socket and that filesystem.

home_of() { printf '%s/home/%s' "$LAB" "$1"; }

# region_prepare NAME: before any host starts, so that all of them see the volumes of the region NAME.
region_prepare() {
    mkdir -p "$(home_of "$1")"
    lab_share "$(home_of "$1")/run"
}

# region_start NAME: this host's daemon is the region and its first instance.
region_start() { daemon_start "$1" --instance "$1" --docker-names ebb,rexray; }

# node_start NAME REGION ZONE: this host's daemon is another instance of the region of the host REGION.
node_start() {
    daemon_start "$1" node --region "$(home_of "$2")/run/ebb/ebb.sock" --instance "$1" --zone "$3" --docker-names ebb
}

daemon_start() {
    local name=$1
    shift
    mkdir -p "$(home_of "$name")"
    host_run "$name" env "EBB_HOME=$(home_of "$name")" EBB_DOCKER_DIRECTORY=/run/docker/plugins \
        "$PROGRAMS/ebbd" "$@" >"$LAB/hosts/$name/ebbd.log" 2>&1 </dev/null &
    wait_for 30 "the daemon of $name to serve" test -S "$(home_of "$name")/run/ebb/ebb.sock" || {
        cat "$LAB/hosts/$name/ebbd.log" >&2
        return 1
    }
}

# daemon_stop NAME: asks the daemon to end, and waits until it has.
daemon_stop() {
    local pid_file
    pid_file=$(home_of "$1")/run/ebb/ebbd.pid
    host_run "$1" pkill --pidfile "$pid_file" || return 0
    wait_for 60 "the daemon of $1 to end" test ! -e "$pid_file"
}

# as_user_of NAME COMMAND: a line of shell as somebody types it on that machine.
as_user_of() {
    local name=$1
    shift
    host_run "$name" env "EBB_HOME=$(home_of "$name")" "DOCKER_HOST=unix://$LAB/hosts/$name/docker.sock" \
        "PATH=$LAB/bin:$PATH" HOME=/root timeout --kill-after=10 120 bash -c "$*" </dev/null
}
