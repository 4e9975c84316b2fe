package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"

	"gasso/net/peer"
)

// Check is one thing that the server needs.
type Check struct {
	Name    string
	Found   string
	Problem string // what is wrong and what to do next; empty when all is well
}

// Text is what was found, or the problem.
func (c Check) Text() string {
	if c.Problem != "" {
		return c.Problem
	}
	return c.Found
}

// Examine checks what a server with this configuration needs. Ports that the running server of the
// same data folder holds are well.
func Examine(ctx context.Context, cfg Config) []Check {
	_, err := NewControl(cfg.Data).Rooms(ctx)
	running := err == nil
	checks := []Check{checkOf("data", func() (string, error) { return cfg.Data + " can be written", prepareFolder(cfg.Data) })}
	if running {
		checks = append(checks, Check{Name: "server", Found: "runs with this data folder; its ports are not tried"})
	} else {
		checks = append(checks,
			checkOf("http", func() (string, error) { return examineTCP("http", cfg.httpAddress()) }),
			checkOf("ops", func() (string, error) { return examineTCP("ops", cfg.opsAddress()) }),
			checkOf("media", func() (string, error) { return examineMedia(&cfg) }),
			checkOf("turn", func() (string, error) { return examineTURN(&cfg) }),
			checkOf("udp", examineUDP))
	}
	return append(checks,
		checkOf("ffmpeg", func() (string, error) { return examineFFmpeg(ctx, cfg.FFmpeg) }),
		checkOf("tls", func() (string, error) { return examineTLS(ctx, &cfg, time.Now()) }))
}

func checkOf(name string, examine func() (string, error)) Check {
	found, err := examine()
	if err != nil {
		return Check{Name: name, Problem: err.Error()}
	}
	return Check{Name: name, Found: found}
}

func examineTCP(key, address string) (string, error) {
	if address == "" {
		return off, nil
	}
	l, err := listen(key, address)
	if err != nil {
		return "", err
	}
	return address + " is free", l.Close()
}

func examineMedia(cfg *Config) (string, error) {
	mc, err := cfg.muxConfig(nil)
	if err != nil {
		return "", err
	}
	m, err := peer.NewMux(mc)
	if err != nil {
		return "", fmt.Errorf("%w: choose other ports with --rtc-udp and --rtc-tcp", err)
	}
	return fmt.Sprintf("UDP %v and TCP %d are free", m.UDPPorts(), m.TCPPort()), m.Close()
}

// examineUDP sends a datagram to this machine itself.
func examineUDP() (string, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", fmt.Errorf("no UDP on this machine: %w: allow it in firewall or container", err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.WriteTo([]byte("gasso"), c.LocalAddr()); err != nil {
		return "", fmt.Errorf("UDP cannot be sent: %w: allow it in firewall or container", err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	if _, _, err := c.ReadFrom(make([]byte, 16)); err != nil {
		return "", fmt.Errorf("UDP does not arrive: %w: allow it in firewall or container", err)
	}
	return "goes and comes on this machine", nil
}

func examineFFmpeg(ctx context.Context, name string) (string, error) {
	if name == off {
		return "off: the broadcast is Opus only", nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s not found: install ffmpeg, or give --ffmpeg PATH; without it the broadcast is Opus only", name)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	listing, err := exec.CommandContext(ctx, path, "-hide_banner", "-encoders").Output()
	if err != nil {
		return "", fmt.Errorf("%s does not run: %w: install ffmpeg again", path, err)
	}
	if !strings.Contains(string(listing), " aac ") {
		return "", fmt.Errorf("%s has no AAC encoder: install a complete ffmpeg", path)
	}
	return path + " encodes AAC", nil
}

func examineTLS(ctx context.Context, cfg *Config, now time.Time) (string, error) {
	switch {
	case cfg.Domain != "":
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		found, err := net.DefaultResolver.LookupHost(ctx, cfg.Domain)
		if err != nil {
			return "", fmt.Errorf("%s has no address: %w: add an A or AAAA record for this machine", cfg.Domain, err)
		}
		return fmt.Sprintf("certificate by ACME; %s leads to %s, check that it is this machine", cfg.Domain, strings.Join(found, ", ")), nil
	case cfg.TLSCert != "":
		pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
		if err != nil {
			return "", fmt.Errorf("%w: check --tls-cert and --tls-key", err)
		}
		if now.After(pair.Leaf.NotAfter) {
			return "", errors.New("the certificate expired on " + pair.Leaf.NotAfter.Format(time.DateOnly) + ": renew it")
		}
		return fmt.Sprintf("certificate for %s until %s", strings.Join(pair.Leaf.DNSNames, ", "), pair.Leaf.NotAfter.Format(time.DateOnly)), nil
	case len(cfg.BehindProxy) > 0:
		return "ended by the proxy in " + strings.Join(cfg.BehindProxy, ", "), nil
	}
	return "none: this machine only", nil
}
