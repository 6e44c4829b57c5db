# The least sh that looks at what the checks of `fab verify` look at, the sample container's life included.
# Before it: the functions that bench/place.py writes, and `sample`, the program in base64.
set -e
rpm -qi docker-ce docker-ce-cli containerd.io | grep -q Signature
rpm -q "gpg-pubkey-$key_id" >/dev/null
grep -q '^gpgcheck=1' /etc/yum.repos.d/docker-ce.repo
systemctl is-enabled --quiet docker
systemctl is-active --quiet docker docker.socket containerd
[ "$(stat -L -c '%F %a %U %G' /var/run/docker.sock)" = 'socket 660 root docker' ]
! ss -ltnp | grep -q dockerd
dockerd --validate >/dev/null
docker info --format '{{json .}}' | grep -q '"LiveRestoreEnabled":true'

within_10_s() {
    end=$(($(date +%s) + 10))
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.1
    done
}
has_port() { port=$(docker port "$name" 8080 | sed -n 's/^0.0.0.0://p') && [ -n "$port" ]; }
answers() {
    timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3' \
        "$port" | grep -q floor-token
} 2>/dev/null
pid() { docker inspect -f '{{.State.Pid}}' "$name"; }

name=bench-floor
directory=$(mktemp -d /run/bench.XXXXXX)
sample | base64 -d >"$directory/sample"
chmod 755 "$directory/sample"
printf 'FROM scratch\nCOPY sample /sample\nENTRYPOINT ["/sample"]\n' >"$directory/Dockerfile"
DOCKER_BUILDKIT=0 docker build --network none -q -t "$name" "$directory" >/dev/null
[ "$(docker run --rm --pull never --network none "$name" print floor-token)" = floor-token ]
docker run --rm --pull never --network none "$name" exit 42 || [ $? = 42 ]
docker run -d --name "$name" --restart always -p 8080 "$name" serve 8080 floor-token >/dev/null
within_10_s has_port
within_10_s answers
old=$(pid)
kill -9 "$old"
is_new() { new=$(pid) && [ "$new" != "$old" ] && [ "$new" -gt 0 ]; }
within_10_s is_new
within_10_s has_port
within_10_s answers
systemctl restart docker
within_10_s has_port
within_10_s answers
docker rm -f "$name" >/dev/null
docker image rm -f "$name" >/dev/null
rm -rf "$directory"
