# The life of the sample container, one function a step; runs on the host as root, in any sh.
# Set before: token (unlike anything on this host), functions (this text, for the janitor).

image=provision-check:$token
name=provision-check-$token
# Holds the build context and the client's own files, so that nothing lands in root's home.
directory=/run/$name
export DOCKER_CONFIG="$directory" LC_ALL=C
# The classic builder: it needs no plugin (Amazon Linux has none), and it leaves neither a cache
# entry nor a line in a build history, which could not be told from those of other people.
export DOCKER_BUILDKIT=0

d() { timeout 30 docker -H unix:///var/run/docker.sock "$@"; }

# Try the given command ten times a second, until it works or ten seconds are over.
within_10_s() {
    end=$(($(date +%s) + 10))
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.1
    done
}

prepare() { mkdir -m 700 "$directory" && cat >"$directory/context.tar" && janitor; }

# Does the cleaning when the controller or the connection goes away in the middle.
janitor() {
    setsid sh -c 'sleep 180; eval "$1"; clean' sh "token=$token; $functions" >/dev/null 2>&1 </dev/null &
    echo $! >"$directory/janitor"
}

build() { d build --network none -t "$image" - <"$directory/context.tar"; }
run() { step=$1; shift; d run --pull never --name "$name-$step" "$@"; }
prints() { run prints --network none "$image" print "$token"; }
ends() { run ends --network none "$image" exit 42; }
serves() { run serves -d --restart always -p 8080 "$image" serve 8080 "$token"; }

# The service as the engine sees it, kept for the steps below; a restart may change all of it.
port() { sed -n 's/^port //p' "$directory/look"; }
address() { sed -n 's/^address //p' "$directory/look" | sed 's/^0\.0\.0\.0$/127.0.0.1/; s/^::$/127.0.0.1/'; }
pid() { sed -n 's/^pid //p' "$directory/look"; }
look() { d inspect -f "$look" "$name-serves" >"$directory/look" && cat "$directory/look"; }
look='log {{json .HostConfig.LogConfig}}
port {{with index .NetworkSettings.Ports "8080/tcp"}}{{(index . 0).HostPort}}{{end}}
address {{with index .NetworkSettings.Ports "8080/tcp"}}{{(index . 0).HostIp}}{{end}}
pid {{.State.Pid}}
restarts {{.RestartCount}}'

get() { timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3' "$@"; }
serves_token() { get "$(address)" "$(port)" | grep -F "$token"; } 2>/dev/null
here() { within_10_s serves_token; }

# Packets that the rule of the published port has seen: did the controller's reach this host?
arrived() { iptables -t nat -nvxL DOCKER | awk -v rule="dpt:$(port) " 'index($0, rule) { print $1 }'; }

# A process that dies is not a container that was stopped: `docker kill` would end the policy.
is_restarted() { look | grep -qx 'restarts 1' && [ "$(pid)" -gt 0 ]; }
killed() { kill -9 "$(pid)" && within_10_s is_restarted && here; }

# systemd counts starts and gives up after three in a minute; ours must not be the one too many.
restart_engine() {
    systemctl reset-failed docker.service docker.socket 2>/dev/null
    timeout 90 systemctl restart docker.service
}
is_running() { look >/dev/null && [ "$(pid)" -gt 0 ] && [ -n "$(port)" ]; }
here_again() { within_10_s is_running && here; }

# Names what could not be removed; fails when the engine cannot say.
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
