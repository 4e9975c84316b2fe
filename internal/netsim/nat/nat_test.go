package nat

import (
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/transport/v5/vnet"
	"github.com/pion/webrtc/v4"

	"gasso/internal/netsim"
)

const life = time.Second // of mappings

// serveSTUN answers binding requests at a public address, until the test ends.
func serveSTUN(t *testing.T, n *Internet) (url string) {
	t.Helper()
	host, address, err := n.Host()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := host.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(address), Port: 3478})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buffer := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			request := &stun.Message{Raw: buffer[:size]}
			if request.Decode() != nil {
				continue
			}
			udp := from.(*net.UDPAddr)
			answer, err := stun.Build(stun.NewTransactionIDSetter(request.TransactionID), stun.BindingSuccess,
				&stun.XORMappedAddress{IP: udp.IP, Port: udp.Port}, stun.Fingerprint)
			if err == nil {
				_, _ = conn.WriteTo(answer.Raw, from)
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); running.Wait() })
	return "stun:" + address + ":3478"
}

// connect makes a connection between two hosts and returns its states at the first one.
func connect(t *testing.T, url string, hosts [2]*vnet.Net) (states chan webrtc.PeerConnectionState) {
	t.Helper()
	states = make(chan webrtc.PeerConnectionState, 16)
	var ends [2]*webrtc.PeerConnection
	for i, host := range hosts {
		e := webrtc.SettingEngine{}
		e.SetNet(host)
		e.SetICETimeouts(2*time.Second, 4*time.Second, 200*time.Millisecond)
		pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(e)).NewPeerConnection(webrtc.Configuration{ICEServers: []webrtc.ICEServer{{URLs: []string{url}}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = pc.Close() })
		ends[i] = pc
	}
	ends[0].OnConnectionStateChange(func(s webrtc.PeerConnectionState) { states <- s })
	_, err := ends[0].CreateDataChannel("test", nil)
	offer, err2 := ends[0].CreateOffer(nil)
	if err := errors.Join(err, err2, describe(ends[0], ends[1], offer)); err != nil {
		t.Fatal(err)
	}
	answer, err := ends[1].CreateAnswer(nil)
	if err := errors.Join(err, describe(ends[1], ends[0], answer)); err != nil {
		t.Fatal(err)
	}
	return states
}

// describe hands a description with all candidates from one end to the other.
func describe(from, to *webrtc.PeerConnection, d webrtc.SessionDescription) error {
	gathered := webrtc.GatheringCompletePromise(from)
	if err := from.SetLocalDescription(d); err != nil {
		return err
	}
	<-gathered
	return to.SetRemoteDescription(*from.LocalDescription())
}

func reaches(states chan webrtc.PeerConnectionState, wanted webrtc.PeerConnectionState, within time.Duration) bool {
	timeout := time.After(within)
	for {
		select {
		case s := <-states:
			if s == wanted {
				return true
			}
		case <-timeout:
			return false
		}
	}
}

func TestWebRTCMeetsTranslators(t *testing.T) {
	for _, c := range []struct {
		name     string
		kinds    [2]Kind
		connects bool
	}{
		{"endpoint-independent on both sides", [2]Kind{EndpointIndependent, EndpointIndependent}, true},
		{"port restricted on both sides", [2]Kind{PortRestricted, PortRestricted}, true},
		{"symmetric and endpoint-independent", [2]Kind{Symmetric, EndpointIndependent}, true},
		{"symmetric on both sides", [2]Kind{Symmetric, Symmetric}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, err := New(1)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = n.Close() })
			url := serveSTUN(t, n)
			var hosts [2]*vnet.Net
			for i, kind := range c.kinds {
				if hosts[i], err = n.Behind(kind, life); err != nil {
					t.Fatal(err)
				}
			}
			states := connect(t, url, hosts)
			if !c.connects {
				if !reaches(states, webrtc.PeerConnectionStateFailed, 30*time.Second) {
					t.Error("does not fail without a relay")
				}
				return
			}
			if !reaches(states, webrtc.PeerConnectionStateConnected, 20*time.Second) {
				t.Fatal("does not connect")
			}
			if reaches(states, webrtc.PeerConnectionStateDisconnected, 3*life) {
				t.Error("does not outlive its mappings")
			}
			n.Set(netsim.Conditions{Blackout: true})
			if !reaches(states, webrtc.PeerConnectionStateDisconnected, 10*time.Second) {
				t.Error("does not notice a blackout")
			}
		})
	}
}
