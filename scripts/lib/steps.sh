# The way the lab shows itself: a command, its real output, and what is expected of it. Sourced, never run.

VERIFIED=()

chapter() { printf '\n== %s\n\n' "$*"; }
note() { printf '# %s\n' "$*"; }

# on HOST COMMAND: prints the command and what it prints; both stay in OUTPUT and STATUS for the expectations.
on() {
    local host=$1
    shift
    printf '%s$ %s\n' "$host" "$*"
    STATUS=0
    OUTPUT=$(as_user_of "$host" "$*" 2>&1) || STATUS=$?
    [ -z "$OUTPUT" ] || printf '%s\n' "$OUTPUT"
}

# succeeded WHAT: the last command did.
succeeded() {
    [ "$STATUS" = 0 ] || not_verified "$1 (exit status $STATUS, expected 0)"
    verified "$1"
}

# refused WHAT PATTERN: the last command failed, and said PATTERN.
refused() {
    [ "$STATUS" != 0 ] || not_verified "$1 (it succeeded, and should have been refused)"
    grep -Eq -- "$2" <<<"$OUTPUT" || not_verified "$1 (expected to read: $2)"
    verified "$1"
}

# shows WHAT PATTERN: the last command succeeded, and a line of its output matches.
shows() {
    [ "$STATUS" = 0 ] || not_verified "$1 (exit status $STATUS, expected 0)"
    grep -Eq -- "$2" <<<"$OUTPUT" || not_verified "$1 (expected to read: $2)"
    verified "$1"
}

# lacks WHAT PATTERN: no line of the last command's output matches.
lacks() {
    ! grep -Eq -- "$2" <<<"$OUTPUT" || not_verified "$1 (should not read: $2)"
    verified "$1"
}

verified() {
    VERIFIED+=("$1")
    printf '   ✓ %s\n' "$1"
}

not_verified() {
    printf '   ✗ %s\n' "$1"
    local log
    for log in "$LAB"/hosts/*/ebbd.log; do
        printf '\n-- the end of %s\n' "$log"
        tail -n 25 "$log"
    done
    exit 1
}

# task_ended HOST SERVICE: waits until the service's one task has run to its end, and prints the state if it did not.
task_ended() {
    wait_for 90 "the task of service $2" task_is_over "$1" "$2" || true
    as_user_of "$1" "docker service ps --no-trunc --format '{{.CurrentState}} {{.Error}}' $2" | grep -q ^Complete || {
        as_user_of "$1" "docker service ps --no-trunc $2"
        not_verified "the task of service $2 ran to its end"
    }
}

task_is_over() {
    as_user_of "$1" "docker service ps --format '{{.CurrentState}}' $2" | grep -Eq '^(Complete|Failed|Rejected|Shutdown)'
}
