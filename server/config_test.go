package server

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// load reads a configuration from the three sources.
func load(t *testing.T, file string, environ []string, args ...string) (Config, error) {
	t.Helper()
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(f)
	if file != "" {
		path := filepath.Join(t.TempDir(), "gasso.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--config", path}, args...)
	}
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(f, environ)
}

func TestNothingSaidIsDefault(t *testing.T) {
	got, err := load(t, "", []string{"HOME=/root"})
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	file := "http: 127.0.0.1:1\nops: 127.0.0.1:2\nrtc-udp: 3\nprogram-delay: 3s\nlimits:\n  rooms: 3\n  participants: 4\n"
	environ := []string{"GASSO_OPS=127.0.0.1:12", "GASSO_RTC_UDP=13", "GASSO_LIMITS_PARTICIPANTS=14", "GASSO_ANNOUNCE=192.0.2.1,192.0.2.2"}
	c, err := load(t, file, environ, "--rtc-udp", "23", "--limits-memory-mb=24", "--announce", "192.0.2.3", "--log-level", "warn")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		key       string
		got, want any
	}{
		{"http, file only", c.HTTP, "127.0.0.1:1"},
		{"ops, environment over file", c.Ops, "127.0.0.1:12"},
		{"rtc-udp, flag over all", c.RTCUDP, "23"},
		{"program-delay, file", c.Delay, 3 * time.Second},
		{"limits.rooms, file", c.Limits.Rooms, 3},
		{"limits.participants, environment", c.Limits.Participants, 14},
		{"limits.memory-mb, flag", c.Limits.MemoryMB, 24},
		{"limits.packets-per-second, default", c.Limits.PacketsPerSecond, 2000},
		{"announce, flag over environment", c.Announce, []string{"192.0.2.3"}},
		{"log-level", c.LogLevel.String(), "WARN"},
	} {
		if !reflect.DeepEqual(k.got, k.want) {
			t.Errorf("%s: got %v, want %v", k.key, k.got, k.want)
		}
	}
}

func TestFileHoldsRoomsAndTURN(t *testing.T) {
	c, err := load(t, "rooms:\n- {id: choir, title: 合唱, open: true}\nice-servers:\n- urls: [turn:turn.example.org]\n  username: u\n  credential: s\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []RoomConfig{{"choir", "合唱", true}}; !reflect.DeepEqual(c.Rooms, want) {
		t.Errorf("rooms %+v", c.Rooms)
	}
	if want := []ICEServer{{[]string{"turn:turn.example.org"}, "u", "s"}}; !reflect.DeepEqual(c.ICEServers, want) {
		t.Errorf("ICE servers %+v", c.ICEServers)
	}
}

func TestDesignatedFlagsExist(t *testing.T) {
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(f)
	for _, name := range []string{"config", "data", "http", "rtc-udp", "rtc-tcp", "announce", "domain", "tls-cert", "tls-key",
		"behind-proxy", "public-url", "dev", "ops", "ffmpeg", "program-delay"} {
		if f.Lookup(name) == nil {
			t.Errorf("there is no --%s", name)
		}
	}
	known := map[string]bool{configFlag: true}
	for _, k := range keys(reflect.TypeFor[Config](), "") {
		known[strings.ReplaceAll(k, ".", "-")] = true
	}
	f.VisitAll(func(f *pflag.Flag) {
		if !known[f.Name] {
			t.Errorf("--%s sets no key", f.Name)
		}
	})
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name, file string
		environ    []string
		args       []string
		want       []string // words of the message
	}{
		{"unknown key", "htp: 127.0.0.1:1\n", nil, nil, []string{"htp", "did you mean http"}},
		{"unknown key below", "limits:\n  room: 3\n", nil, nil, []string{"limits.room", "did you mean limits.rooms"}},
		{"unknown key in a list", "rooms:\n- {id: a, titel: b}\n", nil, nil, []string{"titel"}},
		{"unknown variable", "", []string{"GASSO_RTC_UPD=1"}, nil, []string{"GASSO_RTC_UPD", "did you mean GASSO_RTC_UDP"}},
		{"no such file", "", nil, []string{"--config", "/nowhere/gasso.yaml"}, []string{"/nowhere/gasso.yaml", "check --config"}},
		{"file that is not YAML", "http: [", nil, nil, []string{"config: read"}},
		{"plain HTTP outside", "", nil, []string{"--http", ":8080"}, []string{"without encryption", "--domain", "--behind-proxy"}},
		{"dev outside", "", nil, []string{"--dev", "--http", "0.0.0.0:80"}, []string{"lets anyone in"}},
		{"dev with ops outside", "", nil, []string{"--dev", "--ops", ":9090"}, []string{"ops"}},
		{"address without port", "", nil, []string{"--http", "localhost"}, []string{"use HOST:PORT"}},
		{"half a certificate", "", nil, []string{"--tls-cert", "c.pem", "--public-url", "https://a.example"}, []string{"give both"}},
		{"two kinds of TLS", "", nil, []string{"--domain", "a.example", "--behind-proxy", "10.0.0.0/8", "--public-url", "https://a.example"}, []string{"give one"}},
		{"proxy without name", "", nil, []string{"--behind-proxy", "10.0.0.0/8"}, []string{"add --public-url"}},
		{"proxy that is no network", "", nil, []string{"--behind-proxy", "10.0.0.0/99", "--public-url", "https://a.example"}, []string{"behind-proxy", "10.0.0.0/8"}},
		{"public URL with a path", "", nil, []string{"--public-url", "https://a.example/gasso"}, []string{"host name of its own"}},
		{"public URL without encryption", "", nil, []string{"--public-url", "http://a.example"}, []string{"use https"}},
		{"ports upside down", "", nil, []string{"--rtc-udp", "10010-10000"}, []string{"MIN-MAX"}},
		{"too many ports", "", nil, []string{"--rtc-udp", "10000-20000"}, []string{"at most 101"}},
		{"TCP port of letters", "", nil, []string{"--rtc-tcp", "many"}, []string{"rtc-tcp", "or off"}},
		{"announced name", "", nil, []string{"--announce", "example.org"}, []string{"announce", "IP address"}},
		{"delay too long", "", nil, []string{"--program-delay", "2h"}, []string{"100ms to 1m"}},
		{"no rooms at all", "", nil, []string{"--limits-rooms", "0"}, []string{"limits.rooms"}},
		{"number of letters", "limits:\n  rooms: many\n", nil, nil, []string{"limits.rooms"}},
		{"TURN without secret", "", nil, []string{"--ice-servers", "turn:a.example"}, []string{"username"}},
		{"no STUN", "", nil, []string{"--ice-servers", "https://a.example"}, []string{"neither STUN nor TURN"}},
		{"room of two words", "rooms:\n- {id: a b}\n", nil, nil, []string{"no room id"}},
		{"room twice", "rooms:\n- {id: a}\n- {id: a}\n", nil, nil, []string{"twice"}},
		{"log in verse", "", nil, []string{"--log-format", "haiku"}, []string{"text or json"}},
	} {
		_, err := load(t, c.file, c.environ, c.args...)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, word := range c.want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", c.name, err, word)
			}
		}
	}
}

func TestOutsideIsAllowedWhenEncrypted(t *testing.T) {
	for _, args := range [][]string{
		{"--domain", "live.example.org"},
		{"--http", ":8443", "--tls-cert", "c.pem", "--tls-key", "k.pem", "--public-url", "https://live.example.org"},
		{"--http", "0.0.0.0:8080", "--behind-proxy", "10.0.0.0/8", "--public-url", "https://live.example.org"},
		{"--http", "[::1]:8080"},
	} {
		if _, err := load(t, "", nil, args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestAddressesFollowOneAnother(t *testing.T) {
	for _, c := range []struct {
		cfg             Config
		http, ops, base string
		tcp             int
	}{
		{Config{RTCUDP: "10000"}, "127.0.0.1:8080", "127.0.0.1:9090", "http://127.0.0.1:8080", 10000},
		{Config{RTCUDP: "0", HTTP: "127.0.0.1:0"}, "127.0.0.1:0", "127.0.0.1:0", "http://127.0.0.1:8080", 0},
		{Config{RTCUDP: "10-20", Domain: "a.example", Ops: off, RTCTCP: off}, ":443", "", "https://a.example:8080", -1},
		{Config{RTCUDP: "1", TLSCert: "c", PublicURL: "https://a.example/", RTCTCP: "7"}, ":443", "127.0.0.1:9090", "https://a.example", 7},
	} {
		tcp, err := c.cfg.tcpPort()
		got := []any{c.cfg.httpAddress(), c.cfg.opsAddress(), c.cfg.base(testAddr("127.0.0.1:8080")), tcp, err}
		if want := []any{c.http, c.ops, c.base, c.tcp, error(nil)}; !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: got %v, want %v", c.cfg, got, want)
		}
	}
}

type testAddr string

func (testAddr) Network() string  { return "tcp" }
func (a testAddr) String() string { return string(a) }
