# The first part of docs/lab.md: one machine, one Docker engine. Sourced by lab-run.

lab_one_host() {
    chapter "A look around"
    on hosta ebb help
    shows "help names the commands" '^ +volume'
    on hosta ebb version
    shows "version answers" 'SemVer: '
    on hosta ebb adapter types
    shows "the emulator is a storage driver" '^Storage Driver: emulator$'
    on hosta ebb service status
    shows "the daemon is running" 'running'
    on hosta "ebb device get | head -n 24"
    shows "the mounts of the host are listed" '^ *mountpoint: /'
    on hosta ebb volume create --help
    shows "a volume can be given a size, a name, a type, IOPS and a zone" '--volumename'

    chapter "A volume, and a container that uses it"
    on hosta ebb volume create --size=5 --volumename=student001
    shows "the volume has an id like EC2's" '^volumeid: vol-[0-9a-f]{17}$'
    shows "it lies in this machine's zone" '^availabilityzone: us-east-1b$'
    shows "it is available" '^status: available$'
    shows "it is of the standard type" '^volumetype: standard$'
    note "DOCKER_HOST names the lab's own engine; on your machine you would unset it to talk to the local one."
    note "Containers run a line of shell here instead of -ti, so that nobody has to type."
    on hosta "docker run --name temp --volume-driver=ebb -v student001:/test busybox" \
        "sh -c 'df /test && cd /test && ls && touch hellopersistence && ls'"
    shows "/dev/xvdb is mounted on /test" '^/dev/xvdb .* /test$'
    shows "the container wrote a file" '^hellopersistence$'
    lacks "a new volume is empty, without lost+found" 'lost\+found'
    on hosta ebb volume get --volumename=student001
    shows "the volume is in use by this machine" 'hosta|in-use'
    on hosta docker rm temp
    succeeded "the container is gone"
    on hosta "docker run --rm --volume-driver=ebb -v student001:/test busybox ls /test"
    shows "the file outlived its container" '^hellopersistence$'
    note "A container's --rm removes anonymous volumes only; a volume with a name stays until somebody removes it."
    on hosta docker volume ls
    shows "the volume outlived --rm" '^ebb +student001$'

    chapter "Volumes made by Docker"
    on hosta docker volume create --driver=ebb --name=student001b --opt=volumetype=io1 --opt=iops=100 --opt=size=10
    shows "Docker made a volume with 100 provisioned IOPS" '^student001b$'
    on hosta docker volume ls
    shows "docker volume ls names it with its driver" '^ebb +student001b$'
    on hosta ebb volume get --volumename=student001b
    shows "ebb sees the same volume" '^( *|- )iops: 100$'
    on hosta docker volume create --driver=ebb --opt=sise=10 student001c
    refused "an option that does not exist is refused, with those that do" 'size'

    chapter "The names that scripts already use"
    on hosta rexray volume get --volumename=student001
    shows "ebb answers to rexray" 'name: student001'
    on hosta rexray volume create --size=1 --volumename=student001c
    shows "rexray makes volumes too" '^name: student001c$'
    on hosta "docker run --rm --volume-driver=rexray -v student001c:/test busybox df /test"
    shows "Docker knows the driver rexray" '^/dev/xvd[b-z] .* /test$'

    chapter "Cleaning up"
    on hosta docker volume rm student001
    shows "the volume is gone" '^student001$'
    on hosta ebb volume get
    lacks "and ebb does not know it any more" 'name: student001$'
}
