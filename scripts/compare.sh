#!/usr/bin/env bash
# Usage: scripts/compare.sh [SECONDS]
#
# Requests per second and latencies of examples/proxy, nginx and Varnish before the same origin,
# over loopback: each has one core to itself, the client (wrk) another. They take turns, SECONDS
# (4) for each case, twice. As root it installs what is missing.
#
#   1k, 64k, 1m     one cached file
#   many            20,000 cached URLs of 1 KiB, in random order
#   no-store        1 KiB that may not be cached
#   cold            1 KiB, another URL each time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-4}
# Debian has them where only root looks.
PATH=$PATH:/usr/sbin
for tool in nginx varnishd wrk; do
    type -P "$tool" >/dev/null || scripts/apt.sh nginx varnish wrk
done
cargo build --release --locked --example proxy

work=$(mktemp -d)
pids=()
end() {
    kill "${pids[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap end EXIT
chmod 755 "$work"
mkdir "$work/www"
for size in 1k 64k 1m; do
    head -c "$(numfmt --from=iec "${size^^}")" /dev/zero >"$work/www/$size"
done

# One that nobody has.
port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
origin=$(port) nginx=$(port) varnish=$(port) proxy=$(port)

head_of() {
    echo "worker_processes 1; daemon off; pid $work/$1.pid; error_log $work/$1.log;"
    echo "events { worker_connections 1024; }"
}
{
    head_of origin
    cat <<END
http {
    access_log off; sendfile on; keepalive_requests 1000000000;
    server {
        listen 127.0.0.1:$origin; root $work/www; add_header Cache-Control max-age=3600;
        location /many/ { rewrite ^ /1k break; }
        location /cold/ { rewrite ^ /1k break; }
        location /no-store { rewrite ^ /1k break; add_header Cache-Control no-store; }
    }
}
END
} >"$work/origin.conf"
{
    head_of nginx
    cat <<END
http {
    access_log off; sendfile on; keepalive_requests 1000000000;
    proxy_cache_path $work/cache levels=1:2 keys_zone=cache:64m;
    upstream origin { server 127.0.0.1:$origin; keepalive 64; }
    server {
        listen 127.0.0.1:$nginx;
        location / {
            proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_cache cache; proxy_cache_lock on;
        }
    }
}
END
} >"$work/nginx.conf"
cat >"$work/varnish.vcl" <<END
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "$origin"; }
END

nginx -p "$work" -c "$work/origin.conf" &
pids+=($!)
taskset -c 0 nginx -p "$work" -c "$work/nginx.conf" &
pids+=($!)
taskset -c 0 varnishd -F -n "$work/varnish" -a "127.0.0.1:$varnish" -f "$work/varnish.vcl" \
    -s malloc,256m >"$work/varnish.log" 2>&1 &
pids+=($!)
taskset -c 0 target/release/examples/proxy --listen "127.0.0.1:$proxy" \
    --origin "http://127.0.0.1:$origin" >"$work/proxy.log" &
pids+=($!)

cat >"$work/many.lua" <<'END'
function request() return wrk.format("GET", "/many/" .. math.random(20000)) end
END
cat >"$work/cold.lua" <<'END'
local n, start = 0, os.time()
function request() n = n + 1; return wrk.format("GET", "/cold/" .. start .. "-" .. n) end
END

# Prints one line of the table.
measure() {
    local name=$1 case=$2 url=$3
    local args=(-t1 -c32 "-d${seconds}s" --latency)
    [[ -e $work/$case.lua ]] && args+=(-s "$work/$case.lua")
    curl -sf -o /dev/null "$url/1k"
    if [[ $case == many ]]; then
        taskset -c 1 wrk "${args[@]}" "$url" >/dev/null
    fi
    taskset -c 1 wrk "${args[@]}" "$url/$case" |
        awk -v who="$name" -v what="$case" '
            $1 == "50%" { p50 = $2 }
            $1 == "99%" { p99 = $2 }
            /^Requests\/sec/ { rate = $2 }
            /Non-2xx/ || /Socket errors/ { wrong = " (" $0 ")" }
            END { printf "| %s | %s | %d | %s | %s |%s\n", what, who, rate, p50, p99, wrong }'
}

for url in "$origin" "$nginx" "$varnish" "$proxy"; do
    curl -sf -o /dev/null --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$url/1k"
done
echo "| case | | requests/s | p50 | p99 |"
echo "|---|---|---|---|---|"
for case in 1k 64k 1m many no-store cold; do
    for _ in 1 2; do
        measure proxy "$case" "http://127.0.0.1:$proxy"
        measure nginx "$case" "http://127.0.0.1:$nginx"
        measure Varnish "$case" "http://127.0.0.1:$varnish"
    done
done
