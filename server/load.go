package server

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

const envPrefix = "GASSO_"

// configFlag names the file; it is no key of the configuration.
const configFlag = "config"

// AddFlags declares the flags that Load reads. Each has the name of its key, but those of limits and
// acme, which have a hyphen for the dot.
func AddFlags(f *pflag.FlagSet) {
	d := Default()
	f.String(configFlag, "", "configuration `FILE` (YAML)")
	f.String("data", d.Data, "`DIR` for state, keys and the control socket")
	f.String("http", "", "`ADDR` of pages, API and signaling (default 127.0.0.1:8080, or :443 with TLS)")
	f.String("ops", "", "`ADDR` of health and metrics, or off (default 127.0.0.1:9090)")
	f.String("rtc-udp", d.RTCUDP, "media `PORT|MIN-MAX`, 0 for any")
	f.String("rtc-tcp", "", "media `PORT` over TCP, 0 for any, or off (default the UDP port)")
	f.StringSlice("announce", nil, "`IP` under which performers reach this machine")
	f.String("domain", "", "`NAME` of this server; gets a certificate for it")
	f.String("tls-cert", "", "certificate `FILE` (PEM)")
	f.String("tls-key", "", "private key `FILE` (PEM)")
	f.StringSlice("behind-proxy", nil, "network (`CIDR`) of the proxies that end TLS")
	f.String("public-url", "", "`URL` that links start with")
	f.Bool("dev", false, "this machine only, open room demo, prints its links")
	f.String("ffmpeg", d.FFmpeg, "`PATH` of ffmpeg, or off")
	f.Duration("program-delay", d.Delay, "how far the program is behind live")
	f.String("turn-listen", "", "relay `PORT` over UDP and TCP, or off (default 3478)")
	f.String("turn-tls", "", "relay `PORT` over TLS, or off (default 5349 where the server ends TLS)")
	f.String("turn-relay-ports", d.TURNRelayPorts, "UDP ports (`MIN-MAX`) of relayed addresses")
	f.String("turn-secret", "", "`SECRET` shared with other TURN servers (coturn's static-auth-secret); better in the file or GASSO_TURN_SECRET")
	f.StringSlice("turn-allow", nil, "private network (`CIDR`) that may be relayed to")
	f.String("log-level", "info", "debug, info, warn or error (`LEVEL`)")
	f.String("log-format", d.LogFormat, "text or json (`FORMAT`)")
	f.String("acme-url", d.ACME.URL, "directory `URL` of the certificate authority")
	f.String("acme-roots", "", "root `FILE` (PEM) of a private certificate authority")
	f.String("acme-email", "", "`ADDRESS` that the certificate authority may write to")
	f.Int("limits-rooms", d.Limits.Rooms, "most rooms at once")
	f.Int("limits-participants", d.Limits.Participants, "most participants in a room")
	f.Int("limits-memory-mb", d.Limits.MemoryMB, "memory in MiB above which new rooms are refused")
	f.Int("limits-packets-per-second", d.Limits.PacketsPerSecond, "most packets a second from a participant")
	f.Int("limits-connections", d.Limits.Connections, "most connections to the public port (default what the limit of open files allows)")
	f.String("journal-mode", d.Journal.Mode, "which packets are kept: always, on-air or off (`MODE`)")
	f.Int("journal-days", d.Journal.Days, "days until a publication that has ended is deleted, 0 for never")
	f.Int("journal-room-mb", d.Journal.RoomMB, "most MiB of one room on disk")
	f.Int("journal-total-mb", d.Journal.TotalMB, "most MiB of all rooms on disk")
	f.StringSlice("ice-servers", nil, "STUN server (`URL`) for performers; TURN servers go into the file")
}

// Load reads defaults, then the file of --config, then GASSO_... of environ, then the flags that were
// given; later ones win. It validates the result. A key that nothing knows is an error.
func Load(flags *pflag.FlagSet, environ []string) (Config, error) {
	k := koanf.New(".")
	known := keys(reflect.TypeFor[Config](), "")
	path, err := flags.GetString(configFlag)
	if err != nil {
		return Config{}, err
	}
	if v, ok := lookup(environ, envPrefix+"CONFIG"); ok && path == "" {
		path = v
	}
	if path != "" {
		if err := loadFile(k, path, known); err != nil {
			return Config{}, err
		}
	}
	if err := loadEnvironment(k, environ, known); err != nil {
		return Config{}, err
	}
	if err := loadFlags(k, flags, known); err != nil {
		return Config{}, err
	}
	return decode(k)
}

func loadFile(k *koanf.Koanf, path string, known []string) error {
	own := koanf.New(".")
	err := own.Load(file.Provider(path), yaml.Parser())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("config: there is no file %s: check --config", path)
	}
	if err != nil {
		return fmt.Errorf("config: read %s: %w", path, err)
	}
	for _, key := range own.Keys() {
		if !slices.Contains(known, key) {
			return fmt.Errorf("config: %s: nothing knows the key %q: %s", path, key, suggest(known, key))
		}
	}
	return k.Merge(own)
}

func loadEnvironment(k *koanf.Koanf, environ, known []string) error {
	byName := map[string]string{}
	for _, key := range known {
		byName[envName(key)] = key
	}
	unknown := ""
	err := k.Load(env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			if name == envName(configFlag) {
				return "", nil
			}
			key, ok := byName[name]
			if !ok {
				unknown = name
				return "", nil
			}
			return key, textValue(key, value)
		},
	}), nil)
	if unknown != "" {
		names := make([]string, 0, len(byName))
		for name := range byName {
			names = append(names, name)
		}
		sort.Strings(names)
		return fmt.Errorf("environment: nothing knows %s: %s, or unset it", unknown, suggest(names, unknown))
	}
	return err
}

func loadFlags(k *koanf.Koanf, flags *pflag.FlagSet, known []string) error {
	byName := map[string]string{}
	for _, key := range known {
		byName[strings.ReplaceAll(key, ".", "-")] = key
	}
	return k.Load(posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
		key, ok := byName[f.Name]
		if !ok {
			return "", nil // config and help
		}
		value := posflag.FlagVal(flags, f)
		if list, ok := value.([]string); ok {
			return key, textValue(key, strings.Join(list, ","))
		}
		return key, value
	}), nil)
}

// textValue is what a list written in one string means.
func textValue(key, value string) any {
	switch key {
	case "ice-servers":
		if value == "" {
			return []any{}
		}
		return []any{map[string]any{"urls": strings.Split(value, ",")}}
	case "announce", "behind-proxy", "turn-allow":
		if value == "" {
			return []string{}
		}
		return strings.Split(value, ",")
	}
	return value
}

func decode(k *koanf.Koanf) (Config, error) {
	c := Default()
	err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc()),
		ErrorUnused: true, WeaklyTypedInput: true, Result: &c, TagName: "koanf",
	}})
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return c, c.Validate()
}

// keys lists the dotted keys of a configuration struct.
func keys(t reflect.Type, prefix string) (list []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("koanf")
		switch {
		case name == "-" || !f.IsExported():
		case f.Type.Kind() == reflect.Struct:
			list = append(list, keys(f.Type, prefix+name+".")...)
		default:
			list = append(list, prefix+name)
		}
	}
	return list
}

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(key))
}

func lookup(environ []string, name string) (string, bool) {
	for _, e := range environ {
		if n, v, ok := strings.Cut(e, "="); ok && n == name {
			return v, true
		}
	}
	return "", false
}

// suggest names the known word nearest to what was written.
func suggest(known []string, word string) string {
	best, least := "", len(word)/2+1
	for _, k := range known {
		if d := distance(k, word); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return "the keys are " + strings.Join(known, ", ")
	}
	return "did you mean " + best
}

// distance is the number of letters to change, add or leave out (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
