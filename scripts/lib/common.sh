# What every script here shares: progress lines, failures, and packages of the system.
# Sourced, never run. Progress goes to stderr with the seconds since the start, so that stdout stays the result.

set -euo pipefail

root_of_project() { cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd; }

say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

fail() {
    printf '[%4ds] failed: %s\n' "$SECONDS" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo env "PATH=$PATH" "$@"
    else
        fail "this step needs root, and there is no sudo: $1"
    fi
}

# quietly LABEL COMMAND...: runs the command, shows its output only if it fails, and a line every 20 seconds.
quietly() {
    local label=$1 log started=$SECONDS
    shift
    log=$(mktemp)
    say "$label"
    "$@" >"$log" 2>&1 </dev/null &
    local job=$! waited=0
    while kill -0 "$job" 2>/dev/null; do
        sleep 1
        waited=$((SECONDS - started))
        if [ "$waited" -gt 0 ] && [ $((waited % 20)) = 0 ]; then
            say "  … $label: ${waited} s, $(last_line "$log")"
        fi
    done
    if ! wait "$job"; then
        tail -n 60 "$log" >&2
        rm -f "$log"
        fail "$label"
    fi
    rm -f "$log"
}

last_line() { tail -n 1 "$1" | tr -d '\r' | cut -c 1-100; }

# packages_missing NAME...: prints those that dpkg does not know as installed.
packages_missing() {
    local name
    for name in "$@"; do
        dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q '^install ok installed$' || printf '%s\n' "$name"
    done
}

# install_packages NAME...: installs what is missing, and asks the network nothing when nothing is.
install_packages() {
    local missing
    missing=$(packages_missing "$@" | tr '\n' ' ')
    [ -n "${missing// /}" ] || return 0
    command -v apt-get >/dev/null || fail "install these with your package manager, then run again: $missing"
    quietly "asking the package servers for news" as_root apt-get update -q
    # shellcheck disable=SC2086
    quietly "installing $missing" as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing
}

# install_moto: lets $EBB_MOTO_SERVER be the program of moto, the S3 server of the tests, which is not among Debian's
# packages. It lies in an environment of its own, which is kept for the next time.
install_moto() {
    local place=${XDG_CACHE_HOME:-$HOME/.cache}/ebb/moto-$MOTO_VERSION
    if [ ! -e "$place/whole" ]; then
        rm -rf "$place"
        quietly "making an environment for moto" python3 -m venv "$place"
        quietly "installing moto $MOTO_VERSION" "$place/bin/pip" install --quiet --disable-pip-version-check \
            "moto==$MOTO_VERSION" flask flask-cors
        touch "$place/whole"
    fi
    export EBB_MOTO_SERVER=$place/bin/moto_server
}

require_swift() {
    command -v swift >/dev/null || fail "there is no swift in PATH: install Swift 6.2 or newer from https://swift.org/install"
}

# build_release: builds ebb and ebbd as they are installed, and lets $programs be their folder.
build_release() {
    require_swift
    install_packages "${BUILD_PACKAGES[@]}"
    local release=(--configuration release --static-swift-stdlib)
    say "the first build fetches and compiles all packages: about five minutes on two cores"
    quietly "building ebb (release)" swift build "${release[@]}" --product ebb
    quietly "building ebbd (release)" swift build "${release[@]}" --product ebbd
    # shellcheck disable=SC2034  # The scripts that source this use it.
    programs=$(swift build "${release[@]}" --show-bin-path)
}

# What the sources are built with, and what the daemon calls at run time.
# shellcheck disable=SC2034
BUILD_PACKAGES=(libfuse3-dev libsqlite3-dev libblkid-dev pkg-config)
# shellcheck disable=SC2034
RUN_PACKAGES=(fuse3 libsqlite3-0 e2fsprogs xfsprogs util-linux iproute2 mount)
# shellcheck disable=SC2034  # The scripts that source this use them.
TEST_PACKAGES=(
    shellcheck fio socat sqlite3 busybox-static attr curl procps python3 python3-venv openssl podman crun man-db systemd zsh fish btrfs-progs
)
MOTO_VERSION=5.2.5
# shellcheck disable=SC2034
BENCH_PACKAGES=(qemu-system-common qemu-utils restic nbdkit gcc linux-perf)
# shellcheck disable=SC2034
DOCKER_PACKAGES=(docker.io iptables)
