#!/usr/bin/env bash
# Starts the server and, joined to its room demo, the app or two performers without a screen.
# HTTP=ADDR moves the server; DATA=DIR keeps its data elsewhere. Ctrl-C ends everything.
set -euo pipefail
cd "$(dirname "$0")/../.."
http=${HTTP:-127.0.0.1:8080}
data=${DATA:-.cache/run/data}
work=.cache/run
mkdir -p "$work" "$data"
pids=()
finish() {
    trap - EXIT INT TERM
    ((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null
    wait
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The server takes no GASSO_ variable that it does not know; this one is the app's.
env -u GASSO_UI_MAP bin/gasso-server serve --dev --http "$http" --data "$data" >"$work/links" 2>"$work/server.log" &
server=$!
pids+=("$server")
for _ in $(seq 600); do # a busy disk takes its time to make the state safe
    grep -q '^listener ' "$work/links" && break
    kill -0 "$server" 2>/dev/null || { cat "$work/server.log" >&2; exit 1; }
    sleep 0.1
done
grep -q '^listener ' "$work/links" || { cat "$work/server.log" >&2; echo "run: the server did not start within a minute" >&2; exit 1; }
host=$(awk '$1 == "host" { print $2 }' "$work/links")

material() {
    [ -s "$work/music.wav" ] && [ -s "$work/speech.wav" ] && return
    go run -buildvcs=false ./internal/material/cmd/material -out "$work"
}

display=${DISPLAY:-${WAYLAND_DISPLAY:-}}
[ "$(uname)" != Darwin ] || display=aqua
if [ -n "$display" ] && bin/gasso devices >/dev/null 2>&1; then
    case="a display and a sound device: the app plays what your microphone hears (use headphones)"
    app=(bin/gasso --join --name "${USER:-host}" "$host")
elif [ -n "$display" ]; then
    material
    case="a display but no sound device: the app plays bundled material in place of a microphone"
    app=(bin/gasso --join --name "${USER:-host}" --input "file:$work/music.wav?loop" --output null "$host")
else
    material
    case="no display: two performers without a screen play bundled material"
    app=(bin/gasso headless --invite "$host" --name Music --input "file:$work/music.wav?loop" --output null)
    bin/gasso headless --invite "$host" --name Speech --input "file:$work/speech.wav?loop" --output null \
        >"$work/speech.log" 2>&1 &
    pids+=($!)
fi
echo
echo "Gasso runs with $case."
cat "$work/links"
echo "Open the listener link in a browser; sound starts some seconds after the first join. Ctrl-C ends everything."
"${app[@]}" 2>"$work/app.log" &
pids+=($!)
wait "$!"
