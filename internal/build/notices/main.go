// Command notices collects the licence texts of everything that the desktop app contains into
// assets/desktop/fetched/NOTICES.txt, which gasso licenses prints. make setup runs it.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const target = "assets/desktop/fetched/NOTICES.txt"

// fetched are the licences of what npm brought.
var fetched = []string{"assets/desktop/fetched/*.LICENSE", "assets/wasm/fetched/*.LICENSE", "assets/listener/fetched/*.LICENSE"}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := moduleNotices()
	if err != nil {
		return err
	}
	for _, pattern := range fetched {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, f := range found {
			files = append(files, notice{strings.TrimSuffix(filepath.Base(f), ".LICENSE"), f})
		}
	}
	var out bytes.Buffer
	for _, n := range files {
		text, err := os.ReadFile(n.file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "==== %s\n\n%s\n\n", n.name, bytes.TrimSpace(text))
	}
	return os.WriteFile(target, out.Bytes(), 0o644)
}

type notice struct{ name, file string }

// moduleNotices finds the licence files between each linked package's folder and its module's root.
func moduleNotices() ([]notice, error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}"
	out, err := exec.Command("go", "list", "-deps", "-tags", "aec3", "-f", format, ".", "./server/cmd/gasso-server").Output()
	if err != nil {
		return nil, fmt.Errorf("list what is linked: %w", err)
	}
	seen := map[string]bool{}
	var found []notice
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 3 {
			continue
		}
		for dir := f[2]; strings.HasPrefix(dir, f[1]); dir = filepath.Dir(dir) {
			if seen[dir] {
				break
			}
			seen[dir] = true
			for _, file := range licenceFiles(dir) {
				inside, err := filepath.Rel(f[1], file)
				if err != nil {
					return nil, err
				}
				found = append(found, notice{f[0] + " " + filepath.ToSlash(inside), file})
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("no licence was found; run go mod download")
	}
	slices.SortFunc(found, func(a, b notice) int { return strings.Compare(a.name, b.name) })
	return found, nil
}

func licenceFiles(dir string) (files []string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		for _, word := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"} {
			if !e.IsDir() && strings.HasPrefix(name, word) && !strings.HasSuffix(name, ".GO") {
				files = append(files, filepath.Join(dir, e.Name()))
				break
			}
		}
	}
	return files
}
