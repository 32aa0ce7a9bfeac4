# The second part of docs/lab.md: two machines, one swarm, one volume that goes from one to the other.
# Sourced by lab-run. Every host but hosta is a node of hosta's region.

TASK="docker service create --detach --quiet --no-resolve-image --restart-condition none"
TEST_MOUNT="--mount type=volume,source=student001b,target=/test,volume-driver=ebb"

lab_two_hosts() {
    chapter "Two machines in one swarm"
    on hosta docker node ls
    shows "hosta is a node" ' hosta +Ready'
    shows "hostb is a node" ' hostb +Ready'
    on hosta "docker volume inspect student001b >/dev/null 2>&1 || docker volume create --driver=ebb" \
        "--name=student001b --opt=volumetype=io1 --opt=iops=100 --opt=size=10"
    succeeded "there is a volume with 100 provisioned IOPS"

    chapter "Written on a, found on b"
    on hosta "$TASK --name hosta --constraint node.hostname==hosta $TEST_MOUNT busybox" \
        "sh -c 'df /test && cd /test && touch mynewawesomefile && ls'"
    task_ended hosta hosta
    on hosta docker service logs --raw hosta
    shows "on a, /dev/xvdb is mounted on /test" '^/dev/xvdb .* /test$'
    shows "a wrote a file" '^mynewawesomefile$'
    when_free student001b
    on hosta "$TASK --name hostb --constraint node.hostname==hostb $TEST_MOUNT busybox" \
        "sh -c 'hostname && df /test && ls /test'"
    task_ended hosta hostb
    on hosta "docker service ps --format '{{.Name}} ran on {{.Node}}: {{.CurrentState}}' hostb"
    shows "the second task ran on b" 'ran on hostb: Complete'
    on hosta docker service logs --raw hostb
    shows "on b, /dev/xvdb is mounted on /test" '^/dev/xvdb .* /test$'
    shows "b found the file that a wrote" '^mynewawesomefile$'
    when_free student001b

    chapter "One holder at a time"
    on hosta docker run -d --name holder -v student001b:/test busybox sleep 600
    succeeded "a container on a holds the volume"
    on hostb "docker run --rm --volume-driver=ebb -v student001b:/test busybox ls /test"
    refused "b is refused, and told who holds it" 'VolumeInUse.*hosta|hosta.*VolumeInUse'
    note "preempt takes the volume by force, as after a power failure of its holder."
    on hostb ebb volume mount --preempt student001b
    shows "with preempt, b has it" 'student001b'
    on hostb "ls $(home_of hostb)/var/lib/ebb/mounts/student001b"
    shows "the data came along" '^mynewawesomefile$'
    on hosta "docker exec holder sh -c 'sync; touch /test/late && sync -f /test/late'"
    refused "the old holder's writes fail from then on" 'I/O error|Input/output error|Read-only'
    on hosta docker rm -f holder
    succeeded "the old holder can end"
    on hostb ebb volume unmount student001b
    succeeded "b gives it back"
    when_free student001b

    chapter "Another zone"
    on hostc "docker run --rm --volume-driver=ebb -v student001b:/test busybox ls /test"
    refused "a machine in another zone is refused, and both zones are named" \
        'us-east-1b.*us-east-1c.*InvalidVolume.ZoneMismatch|InvalidVolume.ZoneMismatch.*us-east-1b.*us-east-1c|us-east-1c.*us-east-1b'

    chapter "Cleaning up"
    on hosta docker service rm hosta hostb
    succeeded "the services are gone"
    wait_for 60 "the services' containers to go" services_left_nothing
    on hosta docker volume rm student001b
    shows "the volume is gone" '^student001b$'
}

# An engine removes the containers of a removed service in its own time.
services_left_nothing() {
    local host
    for host in hosta hostb; do
        [ -z "$(docker_of "$host" ps --all --quiet --filter label=com.docker.swarm.service.name)" ] || return 1
    done
}

# A volume stays attached for a moment after its last unmount (the setting detachLinger), since Docker often mounts
# it again at once. Another machine can have it after that.
when_free() {
    wait_for 30 "volume $1 to be detached" volume_is_available "$1"
}

volume_is_available() {
    as_user_of hosta "ebb volume get --volumename=$1" 2>/dev/null | grep -Eq '^[ -]*status: available$'
}
