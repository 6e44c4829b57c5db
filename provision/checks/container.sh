# The life of the sample container, one function a step; runs on the host as root, in any sh.
# Set by the caller: token (unique on this host), lock (the file that a run on the host locks), functions
# (this text, for the janitor), and never (the option that pulls no image, for clients that have it).

image=provision-check:$token
name=provision-check-$token
# Holds the build context and the client's own files, so that nothing is written to root's home.
directory=/run/$name
export DOCKER_CONFIG="$directory" LC_ALL=C
# The classic builder: it needs no plugin (Amazon Linux has none), and it leaves neither a cache
# entry nor a line in a build history, which would be indistinguishable from other people's.
export DOCKER_BUILDKIT=0

d() { timeout 30 docker -H unix:///var/run/docker.sock "$@"; }

# Try the given command ten times a second, until it succeeds or ten seconds have passed.
within_10_s() {
    end=$(($(date +%s) + 10))
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.1
    done
}

prepare() { mkdir -m 700 "$directory" && cat >"$directory/context.tar" && janitor; }

# Cleans up when the controller or the connection dies before the end.
janitor() {
    setsid sh -c 'sleep 300; eval "$1"; clean' sh "token=$token; $functions" >/dev/null 2>&1 </dev/null &
    echo $! >"$directory/janitor"
}

build() { d build --network none -t "$image" - <"$directory/context.tar"; }
run() { step=$1; shift; d run $never --name "$name-$step" "$@"; }
prints() { run prints --network none "$image" print "$token"; }
ends() { run ends --network none "$image" exit 42; }
serves() { run serves -d --restart always -p 8080 "$image" serve 8080 "$token"; }

# The engine's description of the service, kept for the steps below; a restart may change all of it.
port() { sed -n 's/^port //p' "$directory/look"; }
address() { sed -n 's/^address //p' "$directory/look" | sed 's/^0\.0\.0\.0$/127.0.0.1/; s/^::$/127.0.0.1/'; }
inside() { sed -n 's/^inside //p' "$directory/look"; }
pid() { sed -n 's/^pid //p' "$directory/look"; }
look() { d inspect -f "$look" "$name-serves" >"$directory/look" && cat "$directory/look"; }
look='log {{json .HostConfig.LogConfig}}
port {{with index .NetworkSettings.Ports "8080/tcp"}}{{(index . 0).HostPort}}{{end}}
address {{with index .NetworkSettings.Ports "8080/tcp"}}{{(index . 0).HostIp}}{{end}}
inside {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}
pid {{.State.Pid}}
restarts {{.RestartCount}}'

# Try the page of the service for 30 seconds. A neighbour entry that an earlier container left for the
# same address loses the packets: after a while that one entry is flushed, and no other.
here() {
    begin=$(date +%s) flushed=
    until serves_token; do
        waited=$(($(date +%s) - begin))
        [ "$waited" -lt 30 ] || return 1
        if [ "$waited" -ge 4 ] && [ -z "$flushed" ]; then
            flushed=yes
            flush_neighbour
        fi
        sleep 0.1
    done
}
flush_neighbour() {
    [ -z "$(inside)" ] || ip neigh flush to "$(inside)" >/dev/null 2>&1
}

get() { timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3' "$@"; }
serves_token() { get "$(address)" "$(port)" | grep -F "$token"; } 2>/dev/null

# Count the packets that matched the rule of the published port, to see whether the controller's reach this
# host. Fails where there is no iptables, no such chain or no such rule: then nothing is known.
arrived() {
    rules=$(timeout 10 iptables -w -t nat -nvxL DOCKER 2>/dev/null) || return 1
    echo "$rules" | awk -v rule="dpt:$(port) " \
        'index($0 " ", rule) { sum += $1; found = 1 } END { if (!found) exit 1; print sum }'
}
arrived_before() { arrived; }
arrived_after() { arrived; }

# Kill the process, not the container: `docker kill` would suspend the restart policy.
is_restarted() { look | grep -qx 'restarts 1' && [ "$(pid)" -gt 0 ]; }
killed() { kill -9 "$(pid)" && within_10_s is_restarted && here; }

# Print why a restart would disturb somebody, in one line; nothing when it would not.
why_no_restart() {
    ! others_check || { echo "another run checks this host"; return; }
    running=$(d ps --format '{{.Names}}' 2>&1) || { echo "the engine cannot say what runs"; return; }
    others=$(echo "$running" | grep -c -v -e "^$name-" -e '^$')
    [ "$others" -eq 0 ] || { echo "a restart would disturb the $others other containers that run"; return; }
    bound=$(bound_units)
    [ -z "$bound" ] || { echo "a restart would stop $bound"; return; }
    ! is_building || { echo "a restart would end a build that is running"; return; }
    swarm=$(d info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null) || { echo "the engine does not answer"; return; }
    [ "$swarm" = inactive ] || { echo "the engine is part of a Swarm"; return; }
    refused=$(validate) || echo "the engine would not start again: $refused"
}
# Other runs' sample containers, also between two of them; a janitor lives as long as its run's directory.
others_check() {
    for other in "${directory%/*}"/provision-check-*/janitor; do
        [ "$other" = "$directory/janitor" ] || ! kill -0 "$(cat "$other" 2>/dev/null)" 2>/dev/null || return 0
    done
    return 1
}
# Active units that stop or restart with docker.service.
bound_units() {
    found=
    for unit in $(systemctl show docker.service -p RequiredBy -p RequisiteOf -p BoundBy -p ConsistsOf |
        sed 's/^[^=]*=//' | tr ' ' '\n' | sort -u); do
        case "$unit:$(systemctl is-active "$unit" 2>/dev/null)" in
            docker.socket:* | *:inactive | *:failed | *:unknown) ;;
            *) found="$found${found:+ }$unit" ;;
        esac
    done
    echo "$found"
}
# Patterns start with the program: the command line of this script's shell contains all of these words.
is_building() {
    pgrep -f '^([^ ]*/)?docker(-buildx|-compose)?( .*)? (build|bake)( |$)' >/dev/null ||
        pgrep -f '^([^ ]*/)?runc .*/buildkit/executor' >/dev/null
}
# dockerd's verdict on the present configuration, with the command line of the running engine.
# Versions before 23 cannot validate.
validate() {
    engine=$(pgrep -x 'dockerd(-current)?' | head -n 1)
    program=$(command -v dockerd || command -v dockerd-current)
    said=$(xargs -0 sh -c 'shift; exec timeout 20 "$0" --validate "$@"' "$program" \
        <"/proc/${engine:-none}/cmdline" 2>&1) && return 0
    case "$said" in *"unknown flag"*) return 0 ;; esac
    echo "$said" | tail -n 1
    return 1
}

# systemd counts starts and gives up after three in a minute; ours must not exceed that.
# Ask again right before the restart: minutes may have passed since the first time. Whoever locks the host,
# or waits for the lock after it has made its directory, does not see the engine in the midst of a restart.
restart_engine() (
    umask 077
    exec 9>>"$lock"
    flock -n 9 || { echo "another run is at work on this host"; return 75; }
    reason=$(why_no_restart)
    [ -z "$reason" ] || { echo "$reason"; return 75; }
    echo '{"who": "a check", "what": "the engine is restarted"}' >"$lock"
    systemctl reset-failed docker.service docker.socket 2>/dev/null
    timeout 90 systemctl restart docker.service
    restarted=$?
    : >"$lock"
    return $restarted
)
is_running() { look >/dev/null && [ "$(pid)" -gt 0 ] && [ -n "$(port)" ]; }
here_again() { within_10_s is_running && here; }

# Print what could not be removed; fail when the engine does not answer.
left() {
    all=$(d ps -a --format '{{.Names}}' && d image ls --format '{{.Repository}}:{{.Tag}}') || return 1
    echo "$all" | grep -F -e "$name" -e "$image"
    true
}

clean() {
    d rm -f -v "$name-prints" "$name-ends" "$name-serves" >/dev/null 2>&1
    d image rm -f "$image" >/dev/null 2>&1
    left
    engine=$?
    janitor=$(cat "$directory/janitor" 2>/dev/null)
    rm -rf "$directory" || echo "$directory"
    [ -z "$janitor" ] || kill -- "-$janitor" 2>/dev/null
    return $engine
}
