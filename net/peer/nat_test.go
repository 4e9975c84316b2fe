package peer

import (
	"net"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"gasso/internal/netsim"
	"gasso/internal/netsim/nat"
	"gasso/net/signaling"
)

// mappings live for less than the silence after which a link counts as cut off.
const mappings = disconnectedAfter - 500*time.Millisecond

const relaySecret = "swordfish"

// newInternet has a server at a public address that tells addresses and relays.
func newInternet(t *testing.T) (n *nat.Internet, address string) {
	t.Helper()
	n, err := nat.New(1)
	if err != nil {
		t.Fatal(err)
	}
	host, address, err := n.Host()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := host.ListenPacket("udp4", net.JoinHostPort(address, "3478"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "gasso", LoggerFactory: quiet,
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(a.Username, a.Realm, relaySecret), true
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn:            conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(address), Address: address, Net: host},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n, net.JoinHostPort(address, "3478")
}

// behind makes a factory for a host behind a translator.
func behind(t *testing.T, n *nat.Internet, kind nat.Kind, servers ...signaling.ICEServer) *Factory {
	t.Helper()
	host, err := n.Behind(kind, mappings)
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFactory(Config{ICEServers: servers, network: host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// meeting is a link through two translators in an internet of its own.
type meeting struct {
	name     string
	kinds    [2]nat.Kind
	relay    bool // there is one
	connects bool

	internet *nat.Internet
	a, b     *side
	from     *Publisher
}

// begin starts to connect.
func (m *meeting) begin(t *testing.T) {
	n, server := newInternet(t)
	servers := []signaling.ICEServer{{URLs: []string{"stun:" + server}}}
	if m.relay {
		servers = append(servers, signaling.ICEServer{URLs: []string{"turn:" + server + "?transport=udp"}, Username: "any", Credential: relaySecret})
	}
	m.internet, m.from = n, NewPublisher("anna")
	m.a, m.b = connect(t, behind(t, n, m.kinds[0], servers...), behind(t, n, m.kinds[1], servers...))
	mustAttach(t, m.from, m.a.link)
	if err := m.a.link.Negotiate(); err != nil {
		t.Fatal(err)
	}
}

func (m *meeting) connected() bool {
	return m.a.state() == StateConnected && m.b.state() == StateConnected
}

// carries has packets pass.
func (m *meeting) carries(t *testing.T, generation uint8) {
	before := m.b.count("anna")
	stop := flow(m.from, generation)
	defer stop()
	eventually(t, "packets: "+m.name, func() bool { return m.b.count("anna") > before+100 })
}

// TestLinksMeetTranslators has packets pass translators of each kind, then nothing but what keeps their
// mappings, then nothing at all. Symmetric ones on both sides take a relay.
func TestLinksMeetTranslators(t *testing.T) {
	all := []*meeting{
		{name: "endpoint-independent", kinds: [2]nat.Kind{nat.EndpointIndependent, nat.EndpointIndependent}, connects: true},
		{name: "port restricted", kinds: [2]nat.Kind{nat.PortRestricted, nat.PortRestricted}, connects: true},
		{name: "symmetric and endpoint-independent", kinds: [2]nat.Kind{nat.Symmetric, nat.EndpointIndependent}, connects: true},
		{name: "symmetric", kinds: [2]nat.Kind{nat.Symmetric, nat.Symmetric}, relay: true, connects: true},
		{name: "symmetric without a relay", kinds: [2]nat.Kind{nat.Symmetric, nat.Symmetric}},
	}
	for _, m := range all {
		m.begin(t)
	}
	for _, m := range all {
		if m.connects {
			connected(t, m.a, m.b)
			m.carries(t, 1)
		}
	}
	time.Sleep(mappings + disconnectedAfter + keepaliveEvery) // pion runs on real timers
	for _, m := range all {
		if m.connected() != m.connects {
			t.Errorf("%s: the idle link is %v and %v", m.name, m.a.state(), m.b.state())
			continue
		}
		if m.connects {
			m.carries(t, 2)
		}
		m.internet.Set(netsim.Conditions{Blackout: true})
	}
	for _, m := range all {
		eventually(t, "notice of a blackout: "+m.name, func() bool { return !m.connected() })
		m.internet.Set(netsim.Conditions{}) // else what is to be freed at the relay is asked for again and again
	}
}
