package peer

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"gasso/net/signaling"
)

func TestNoSpellingHidesWhereTheOtherSideCannotBe(t *testing.T) {
	for _, address := range []string{
		"::127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:db8::5efe:127.0.0.1", "2606:4700::200:5efe:169.254.169.254",
		"100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "240.0.0.1", "0.1.2.3", "64:ff9b::224.0.0.1",
	} {
		if mayBeRemote(net.ParseIP(address)) {
			t.Errorf("%s is let through", address)
		}
	}
	for _, address := range []string{"8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "100.64.0.7", "fd00::1"} {
		if !mayBeRemote(net.ParseIP(address)) {
			t.Errorf("%s is refused", address)
		}
	}
	if mayBeRemote(nil) || mayBeRemote(net.IP{1, 2}) {
		t.Error("what is no address is let through")
	}
}

func FuzzMayBeRemote(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(netip.MustParseAddr("64:ff9b::7f00:1").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		got := mayBeRemote(b)
		if got && (!ok || a.Unmap().IsLoopback() || a.Unmap().IsLinkLocalUnicast() || a.Unmap().IsMulticast()) {
			t.Errorf("%v is let through", net.IP(b))
		}
		if ok && a.Is4() && got != mayBeRemote(net.IP(b).To16()) {
			t.Errorf("%v depends on its spelling", net.IP(b))
		}
	})
}

// hugeDescription is an offer with that many lines more, before its section.
func hugeDescription(line string, lines int) string {
	return sdpHead + strings.Repeat(line+"\r\n", lines) + sdpOpus
}

func TestDescriptionsWithMoreLinesThanAnybodyNeedsAreRefused(t *testing.T) {
	const lines = 100_000
	for _, line := range []string{"a=x", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host", "b=AS:1", "m=audio 9 UDP/TLS/RTP/SAVPF 111"} {
		_, err := checkDescription(&signaling.Description{Type: "offer", SDP: hugeDescription(line, lines)}, false)
		if !errors.Is(err, ErrBadSignal) {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := checkDescription(&signaling.Description{Type: "offer", SDP: hugeDescription("a=x", 10)}, false); err != nil {
		t.Errorf("ten lines more: %v", err)
	}
}

// 10^5 candidates end in refusals, those that lead to this machine are no ways at all, and the link stays whole.
func TestAFloodOfCandidatesToThisMachineIsRefused(t *testing.T) {
	factory := newFactory(t, Config{})
	link, err := factory.NewLink(LinkConfig{LocalID: "a", RemoteID: "b", Offerer: true, Send: func(*signaling.Signal) {}})
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	const all = 100_000
	for i := range all {
		c := fmt.Sprintf("candidate:%d 1 udp 1 127.0.0.1 %d typ host", i, 1+i%65535)
		err := link.Handle(&signaling.Signal{Link: link.ID(), Candidate: &signaling.Candidate{Candidate: c}})
		if errors.Is(err, ErrBadSignal) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused != all-maxCandidates {
		t.Errorf("%d of %d refused", refused, all)
	}
	if err := link.Close(); err != nil {
		t.Error(err)
	}
}

// A performer that names TCP ports must not have others connect to them.
func TestOnlyTheServerIsReachedOverTCP(t *testing.T) {
	for remote, want := range map[string]bool{"somebody": false, signaling.ServerID: true} {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		reached := make(chan struct{})
		go func() {
			if c, err := listener.Accept(); err == nil {
				close(reached)
				_ = c.Close()
			}
		}()
		factory := newFactory(t, Config{})
		r, err := newReach(&factory.cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.toServer = remote == signaling.ServerID
		setting, err := factory.newSetting(shard{}, r)
		if err != nil {
			t.Fatal(err)
		}
		dials := dialsTCP(t, &setting, listener.Addr().(*net.TCPAddr).Port, r.toServer, reached)
		r.close()
		_ = listener.Close()
		if dials != want {
			t.Errorf("to %s: connected %v", remote, dials)
		}
	}
}

// dialsTCP tells whether a connection with these settings connects to a TCP candidate on this machine.
func dialsTCP(t *testing.T, setting *webrtc.SettingEngine, port int, toServer bool, reached <-chan struct{}) bool {
	t.Helper()
	api := webrtc.NewAPI(webrtc.WithSettingEngine(*setting))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.GracefulClose() }()
	other, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.GracefulClose() }()
	if _, err := pc.CreateDataChannel("x", nil); err != nil {
		t.Fatal(err)
	}
	gathered := make(chan struct{})
	pc.OnICEGatheringStateChange(func(s webrtc.ICEGatheringState) {
		if s == webrtc.ICEGatheringStateComplete {
			close(gathered)
		}
	})
	exchangeDescriptions(t, pc, other)
	<-gathered
	mid, line := "0", uint16(0)
	err = pc.AddICECandidate(webrtc.ICECandidateInit{
		Candidate: fmt.Sprintf("candidate:1 1 tcp 1671430143 127.0.0.1 %d typ host tcptype passive", port), SDPMid: &mid, SDPMLineIndex: &line,
	})
	if err != nil {
		t.Fatal(err)
	}
	// A second, over UDP, is handled after the first: once it is checked, the first would have been dialled.
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	err = pc.AddICECandidate(webrtc.ICECandidateInit{
		Candidate: fmt.Sprintf("candidate:2 1 udp 1 127.0.0.1 %d typ host", socket.LocalAddr().(*net.UDPAddr).Port), SDPMid: &mid, SDPMLineIndex: &line,
	})
	if err != nil {
		t.Fatal(err)
	}
	checked := make(chan struct{})
	go func() { defer close(checked); _, _, _ = socket.ReadFrom(make([]byte, 1500)) }()
	<-checked
	if toServer {
		select {
		case <-reached:
		case <-time.After(patience):
		}
	}
	select {
	case <-reached:
		return true
	default:
		return false
	}
}

func exchangeDescriptions(t *testing.T, from, to *webrtc.PeerConnection) {
	t.Helper()
	offer, err := from.CreateOffer(nil)
	if err == nil {
		err = from.SetLocalDescription(offer)
	}
	if err == nil {
		err = to.SetRemoteDescription(offer)
	}
	var answer webrtc.SessionDescription
	if err == nil {
		answer, err = to.CreateAnswer(nil)
	}
	if err == nil {
		err = from.SetRemoteDescription(answer)
	}
	if err != nil && !errors.Is(err, ice.ErrRunCanceled) {
		t.Fatal(err)
	}
}
