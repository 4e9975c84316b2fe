#!/usr/bin/env bash
# Makes what people install into dist/: the desktop app as this system's package, the server as an
# archive. fyne writes a new build number into FyneApp.toml, so it works on a copy.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(git describe --tags --always --dirty 2>/dev/null || echo development)
system=$(go env GOOS)
rm -rf dist && mkdir -p dist/source
git ls-files | tar -c -T - | tar -x -C dist/source
for part in desktop listener wasm; do
    cp -R "assets/$part/fetched/." "dist/source/assets/$part/fetched/"
done
(
    cd dist/source
    GOFLAGS="-buildvcs=false -ldflags=-X=gasso/internal/version.release=$version" \
        go run fyne.io/tools/cmd/fyne@v1.7.4 package --os "$system" --release --tags aec3
)
find dist/source -maxdepth 1 \( -name '*.tar.xz' -o -name '*.app' -o -name '*.exe' \) -exec mv {} dist/ \;
rm -rf dist/source
server="gasso-server-$version-$system-$(go env GOARCH)"
mkdir "dist/$server"
cp bin/gasso-server LICENSE docs/operations.md assets/desktop/fetched/NOTICES.txt "dist/$server/"
tar -C dist -czf "dist/$server.tar.gz" "$server"
rm -rf "dist/$server"
ls -l dist
