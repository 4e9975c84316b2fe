// Package server is the companion server: it forwards performers' packets, mixes the program and
// publishes it as HLS. New opens everything that can fail, Run serves until its context ends.
package server

import (
	"log/slog"
	"time"

	"gasso/server/journal"
)

// Config is everything that an operator can set. Default gives the defaults, Load reads the sources
// in order, and Validate says what does not fit together. Keys are the names of the file; the flags
// have the same names.
type Config struct {
	Data        string        `koanf:"data"`         // folder for state, keys and the control socket
	HTTP        string        `koanf:"http"`         // address of pages, API and signaling; "" is 127.0.0.1:8080, or :443 with TLS
	Ops         string        `koanf:"ops"`          // address of health and metrics; "" is 127.0.0.1:9090, or any port when HTTP has 0; "off" is none
	RTCUDP      string        `koanf:"rtc-udp"`      // PORT or MIN-MAX; 0 picks one
	RTCTCP      string        `koanf:"rtc-tcp"`      // ICE-TCP port; "" is the first of RTCUDP, "off" is none
	Announce    []string      `koanf:"announce"`     // addresses told to performers
	Domain      string        `koanf:"domain"`       // certificate by ACME for this name
	TLSCert     string        `koanf:"tls-cert"`     // PEM file
	TLSKey      string        `koanf:"tls-key"`      // PEM file
	BehindProxy []string      `koanf:"behind-proxy"` // networks of proxies that end TLS
	PublicURL   string        `koanf:"public-url"`   // base of links
	Dev         bool          `koanf:"dev"`          // loopback only, open room demo
	FFmpeg      string        `koanf:"ffmpeg"`       // path or name; "off" for none
	Delay       time.Duration `koanf:"program-delay"`
	LogLevel    slog.Level    `koanf:"log-level"`
	LogFormat   string        `koanf:"log-format"` // text or json
	ACME        ACME          `koanf:"acme"`
	Limits      Limits        `koanf:"limits"`
	Journal     Journal       `koanf:"journal"`
	ICEServers  []ICEServer   `koanf:"ice-servers"`

	TURNListen     string   `koanf:"turn-listen"`      // PORT or HOST:PORT over UDP and TCP; "" is 3478, or any port when others are any; "off" is none
	TURNTLS        string   `koanf:"turn-tls"`         // PORT or HOST:PORT over TLS; "" is 5349 where there is TLS; "off" is none
	TURNRelayPorts string   `koanf:"turn-relay-ports"` // MIN-MAX of UDP
	TURNSecret     string   `koanf:"turn-secret"`      // shared with the TURN servers of ICEServers that have no credentials
	TURNAllow      []string `koanf:"turn-allow"`       // private networks that may be relayed to

	Rooms []RoomConfig `koanf:"rooms"`

	Log *slog.Logger `koanf:"-"` // where the server logs; discarded when nil

	memoryUsed func() (int64, error) // bytes; of the process when nil
}

// ACME says where certificates for Domain come from.
type ACME struct {
	URL   string `koanf:"url"`   // directory of the authority
	Roots string `koanf:"roots"` // PEM file with the authority's own root, for private ones
	Email string `koanf:"email"`
}

// Limits bound what the server takes on. Running rooms are never touched by them.
type Limits struct {
	Rooms            int `koanf:"rooms"`
	Participants     int `koanf:"participants"`       // of one room
	MemoryMB         int `koanf:"memory-mb"`          // new rooms are refused above
	PacketsPerSecond int `koanf:"packets-per-second"` // of one participant
	Connections      int `koanf:"connections"`        // to the public port; 0: what the limit of open files leaves beside media
}

// Journal says which packets are kept in DATA/journal, and for how long.
type Journal struct {
	Mode    string `koanf:"mode"`     // always, on-air or off
	Days    int    `koanf:"days"`     // until a publication that has ended is deleted; 0: never
	RoomMB  int    `koanf:"room-mb"`  // of one room on disk
	TotalMB int    `koanf:"total-mb"` // of all rooms
}

// ICEServer is a STUN or TURN server that performers are told of.
type ICEServer struct {
	URLs       []string `koanf:"urls"`
	Username   string   `koanf:"username"`
	Credential string   `koanf:"credential"`
}

// RoomConfig is a room that exists from the start.
type RoomConfig struct {
	ID    string `koanf:"id"`
	Title string `koanf:"title"`
	Open  bool   `koanf:"open"` // performers need no invite
}

// Default is the configuration of a server that nothing was said to.
func Default() Config {
	return Config{
		Data: "gasso-data", RTCUDP: "10000", FFmpeg: "ffmpeg", Delay: time.Second,
		LogFormat: "text", TURNRelayPorts: "49152-49407",
		ACME:    ACME{URL: "https://acme-v02.api.letsencrypt.org/directory"},
		Limits:  Limits{Rooms: 32, Participants: 32, MemoryMB: 2048, PacketsPerSecond: 2000},
		Journal: Journal{Mode: string(journal.ModeAlways), Days: 30, RoomMB: 8 << 10, TotalMB: 32 << 10},
	}
}
