#!/usr/bin/env bash
# Installs what Gasso needs to be built, run and tested. Go, git and make must be there before.
set -euo pipefail
cd "$(dirname "$0")/../.."

build_debian=(gcc g++ libc6-dev pkg-config libgl1-mesa-dev libx11-dev libxcursor-dev libxrandr-dev
    libxinerama-dev libxi-dev libxxf86vm-dev libwayland-dev libxkbcommon-dev)
run_debian=(ffmpeg libgl1-mesa-dri ca-certificates espeak-ng)
test_debian=(xvfb xdotool x11-utils imagemagick pulseaudio pulseaudio-utils sox chromium fonts-noto-cjk
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    gstreamer1.0-libav coturn nftables iproute2)
macos=(ffmpeg espeak-ng node)

say() { printf 'setup: %s\n' "$*"; }

install_debian() {
    local missing=() package
    local wanted=("${build_debian[@]}" "${run_debian[@]}" "${test_debian[@]}")
    command -v npm >/dev/null || wanted+=(nodejs npm)
    for package in "${wanted[@]}"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        say "all Debian packages are there"
        return
    fi
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { say "run as root, or install sudo, or install by hand: ${missing[*]}"; exit 1; }
        root=(sudo)
    fi
    say "installing: ${missing[*]}"
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

install_macos() {
    command -v brew >/dev/null || { say "install Homebrew (https://brew.sh), then run make setup again"; exit 1; }
    xcode-select -p >/dev/null 2>&1 || { say "run xcode-select --install, then make setup again"; exit 1; }
    local formula
    for formula in "${macos[@]}"; do
        brew list "$formula" >/dev/null 2>&1 || brew install "$formula"
    done
}

# Fonts, models and the player come by npm into folders that git ignores.
fetch_assets() {
    npm ci --ignore-scripts --no-audit --no-fund
    local n=node_modules
    install -m 644 "$n/simple-rnnoise-wasm/dist/rnnoise.wasm" assets/wasm/fetched/rnnoise.wasm
    install -m 644 "$n/simple-rnnoise-wasm/LICENSE" assets/wasm/fetched/rnnoise.LICENSE
    install -m 644 "$n/hls.js/dist/hls.light.min.js" assets/listener/fetched/hls.light.min.js
    install -m 644 "$n/hls.js/LICENSE" assets/listener/fetched/hls.js.LICENSE
    local font="$n/@expo-google-fonts/noto-sans-jp"
    install -m 644 "$font/400Regular/NotoSansJP_400Regular.ttf" assets/desktop/fetched/NotoSansJP-Regular.ttf
    install -m 644 "$font/700Bold/NotoSansJP_700Bold.ttf" assets/desktop/fetched/NotoSansJP-Bold.ttf
    install -m 644 "$font/LICENSE_FONT" assets/desktop/fetched/NotoSansJP.LICENSE
}

for tool in go git make; do
    command -v "$tool" >/dev/null || { say "$tool is missing; install it first (Go from https://go.dev/dl)"; exit 1; }
done
if command -v apt-get >/dev/null; then
    install_debian
elif [ "$(uname)" = Darwin ]; then
    install_macos
else
    say "this system is not known; install a C and C++ compiler, OpenGL and X11/Wayland headers, ffmpeg, Node.js with npm,"
    say "and for the tests PulseAudio, Xvfb, xdotool, Chromium, sox, espeak-ng, GStreamer, coturn, nftables and iproute2"
    for tool in gcc g++ pkg-config ffmpeg npm pulseaudio Xvfb xdotool chromium sox espeak-ng gst-launch-1.0 turnserver nft ip; do
        command -v "$tool" >/dev/null || say "missing: $tool"
    done
fi
fetch_assets
go mod download
go run -buildvcs=false ./internal/build/notices
say "done"
