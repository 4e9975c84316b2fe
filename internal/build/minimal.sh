#!/usr/bin/env bash
# Shows that a minimal Debian with nothing but Go, git and make added sets Gasso up, tests it and runs
# it: debootstrap into FOLDER, clone this commit there, make test, make run for a while. Needs root
# and debootstrap; uses this machine's package sources, name resolution and certificates, and the files
# that EXTRA_FILES names (such as settings of a package proxy).
# Usage: minimal.sh FOLDER [COMMAND]; without a command, make test and make run
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?name an empty folder with 15 GB of room}
command=${2:-}
suite=${SUITE:-bookworm}
[ "$(id -u)" -eq 0 ] || { echo "minimal: run as root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "minimal: apt-get install debootstrap" >&2; exit 1; }
source=$(git rev-parse --show-toplevel)
goroot=$(go env GOROOT)
mirror=$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" 2>/dev/null | head -n 1)

unmount() {
    local at
    for at in dev/shm dev proc; do
        if mountpoint -q "$target/$at"; then umount -l "$target/$at" || true; fi
    done
}
trap unmount EXIT

if [ ! -e "$target/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=ca-certificates,git,make "$suite" "$target" "$mirror"
fi
# What lets this machine reach its package sources lets the chroot reach them too.
rm -rf "$target/etc/apt"
cp -a /etc/apt "$target/etc/apt"
cp -aL /etc/resolv.conf /etc/hosts "$target/etc/"
for f in /etc/ssl/certs /usr/share/ca-certificates /usr/local/share/ca-certificates; do
    [ -d "$f" ] && mkdir -p "$target$f" && cp -a "$f/." "$target$f/"
done
for f in ${EXTRA_FILES:-}; do
    install -D "$f" "$target$f"
done

mkdir -p "$target/usr/local/go"
cp -a "$goroot/." "$target/usr/local/go/"
rm -rf "$target/home/gasso"
git clone -q "$source" "$target/home/gasso"

mount -t proc proc "$target/proc"
mount --bind /dev "$target/dev"
mkdir -p "$target/dev/shm"
mount -t tmpfs tmpfs "$target/dev/shm"

inside() {
    env -i HOME=/root TERM=dumb LANG=C.UTF-8 PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        GOTOOLCHAIN=local CI=true NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt chroot "$target" bash -c "cd /home/gasso && $1"
}
if [ -n "$command" ]; then
    inside "$command"
    exit
fi
inside "make test"
# make run goes on until it is ended: listen to it meanwhile.
inside "timeout --preserve-status 90 make run & \
    for try in \$(seq 40); do
        sleep 2
        if ffmpeg -v error -i http://127.0.0.1:8080/live/room-demo/playlist.m3u8 -t 2 -f null - 2>/dev/null; then
            echo 'minimal: make run is on air'
            wait
            exit 0
        fi
    done
    echo 'minimal: make run is not on air'
    exit 1"
