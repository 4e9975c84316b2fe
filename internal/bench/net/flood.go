package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"

	"gasso/internal/bench/table"
	"gasso/internal/netsim/netns"
	"gasso/internal/procstat"
	"gasso/net/signaling"
)

const (
	halfOpen     = 10_000
	floodRate    = 50_000 // packets a second
	floodSpan    = 12 * time.Second
	floodBatch   = 64
	floodPorts   = 250 // source ports; the kernel tells the server nothing else of where they come from
	joins        = 100
	mostMemory   = 64 << 20
	mostJoin     = time.Second
	mostLost     = 0.01
	dialPatience = 10 * time.Second // a full queue of the system is asked again after 1 and 3 s
)

// floodRows: strangers who want nothing but trouble.
func floodRows(r *report) error { return errors.Join(halfOpenRows(r), packetFloodRows(r)) }

// halfOpenRows: connections on which nothing is said, to the port of HTTPS alone and to every one.
func halfOpenRows(r *report) error {
	if err := allowFiles(2 * halfOpen); err != nil {
		return err
	}
	name := fmt.Sprintf("%d half-open sockets", halfOpen)
	return errors.Join(halfOpenRow(r, name, 443), halfOpenRow(r, name+", to HTTPS, ICE-TCP and the relay", 443, 10000, 3478, 5349))
}

func halfOpenRow(r *report, name string, ports ...uint16) error {
	g, err := newRig(100)
	if err != nil {
		return err
	}
	defer g.end()
	stranger, err := g.node.Host("stranger") // right beside the server: the kernel's own network carries it
	if err != nil {
		return err
	}
	guest, err := g.world.Host("guest")
	if err != nil {
		return err
	}
	if _, err := g.join(guest, joins/10); err != nil { // what the first ones cost stays
		return err
	}
	before, err := g.memory()
	if err != nil {
		return err
	}
	opened, closeAll := openSockets(stranger, g.node.Address(), ports, halfOpen)
	defer closeAll()
	took, err := g.join(guest, joins)
	if err != nil {
		r.failed(name, "join p99", fmt.Sprintf("<= %v", mostJoin), err)
		return nil
	}
	after, err := g.memory()
	if err != nil {
		return err
	}
	slices.Sort(took)
	r.print(name, 0,
		figure{"sockets opened", fmt.Sprint(halfOpen), fmt.Sprint(opened), opened == halfOpen},
		atMost(fmt.Sprintf("join p99 of %d", joins), mostJoin, took[len(took)*99/100]),
		figure{"memory of the server", "<= +64 MiB", fmt.Sprintf("%+.1f MiB", float64(after-before)/(1<<20)), after-before <= mostMemory})
	return nil
}

// allowFiles has this process open so many files, where the system lets it.
func allowFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read limit of open files: %w", err)
	}
	if limit.Cur >= n {
		return nil
	}
	limit.Cur, limit.Max = n, max(n, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise limit of open files to %d: %w", n, err)
	}
	return nil
}

// memory is what the server has resident, in bytes.
func (r *rig) memory() (int64, error) {
	usage := procstat.NewSamplerOf(int32(r.serving.Process.Pid), time.Now()).Sample(time.Now())
	if usage.MemoryBytes == 0 {
		return 0, errors.New("the system does not tell the server's memory")
	}
	return usage.MemoryBytes, nil
}

// openSockets connects often, to one port after the other, and says nothing.
func openSockets(from *netns.Node, to netip.Addr, ports []uint16, n int) (opened int, closeAll func()) {
	var all []net.Conn
	_ = from.Do(func() error {
		for i := range n {
			c, err := net.DialTimeout("tcp4", netip.AddrPortFrom(to, ports[i%len(ports)]).String(), dialPatience)
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		return nil
	})
	return len(all), func() {
		for _, c := range all {
			_ = c.Close()
		}
	}
}

// join joins and leaves again, and tells how long each took from the first byte to the answer.
func (r *rig) join(from *netns.Node, n int) (took []time.Duration, err error) {
	pem, err := os.ReadFile(r.path("cert.pem"))
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	err = from.Do(func() error {
		for range n {
			begun := time.Now()
			if err := joinOnce(r.node.Address(), &tls.Config{RootCAs: roots}); err != nil {
				return err
			}
			took = append(took, time.Since(begun))
		}
		return nil
	})
	return took, err
}

func joinOnce(server netip.Addr, config *tls.Config) error {
	ctx, stop := context.WithTimeout(context.Background(), startUp)
	defer stop()
	conn, err := signaling.Dial(ctx, "wss://"+server.String()+"/ws", nil, config)
	if err != nil {
		return err
	}
	defer conn.Close(nil)
	err = conn.Send(&signaling.JoinRoom{Protocol: signaling.ProtocolVersion, RoomID: roomID, UserID: "Guest"})
	if err != nil {
		return fmt.Errorf("ask to join: %w", err)
	}
	m, err := conn.Receive()
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if _, ok := m.(*signaling.Joined); !ok {
		return fmt.Errorf("join: the server answers with %T", m)
	}
	return conn.Send(&signaling.Leave{})
}

// packetFloodRows: packets from addresses that nobody validated, to where media and relayed media arrive.
func packetFloodRows(r *report) error {
	return errors.Join(
		packetFloodRow(r, fmt.Sprintf("%d STUN and DTLS packets a second", floodRate), 10000, [][]byte{stunRequest, dtlsHello}),
		packetFloodRow(r, fmt.Sprintf("%d STUN and TURN packets a second to the relay", floodRate), 3478, [][]byte{bindingRequest, allocateRequest}, "--ice", "relay"))
}

func packetFloodRow(r *report, name string, port uint16, payloads [][]byte, args ...string) error {
	h, err := newHomes(101, netns.PortRestricted)
	if err != nil {
		return err
	}
	defer h.end()
	stranger, err := h.node.Host("stranger")
	if err != nil {
		return err
	}
	if _, err := h.perform(append([]string{"--topology", "sfu", "--output", "null"}, args...)...); err != nil {
		return err
	}
	if err := h.settle(settled); err != nil {
		return err
	}
	quiet, err := h.passed(floodSpan / 3)
	if err != nil {
		return err
	}
	before, err := h.memory()
	if err != nil {
		return err
	}
	f := &flood{from: stranger, to: netip.AddrPortFrom(h.node.Address(), port), payloads: payloads}
	var running sync.WaitGroup
	running.Go(f.runSends)
	time.Sleep(time.Second)
	var busy float64
	running.Go(func() { busy = table.Busy(floodSpan - 2*time.Second) })
	loud, err := h.passed(floodSpan - 2*time.Second)
	running.Wait()
	if err = errors.Join(err, f.err); err != nil {
		return err
	}
	after, err := h.memory()
	if err != nil {
		return err
	}
	rate := float64(f.sent) / floodSpan.Seconds()
	lost := max(0, 1-loud/quiet)
	r.print(name, busy,
		figure{"packets a second sent", fmt.Sprintf(">= %d", floodRate), fmt.Sprintf("%.0f", rate), rate >= 0.98*floodRate},
		percent("of the performers' packets lost at the server", mostLost, lost),
		figure{"bytes out for bytes in", "<= 1", fmt.Sprintf("%.3f", float64(f.answered)/float64(max(1, f.bytes))), f.answered <= f.bytes},
		figure{"memory of the server", "<= +64 MiB", fmt.Sprintf("%+.1f MiB", float64(after-before)/(1<<20)), after-before <= mostMemory})
	return nil
}

// passed measures how many packets a second the server has of both performers.
func (h *homes) passed(span time.Duration) (float64, error) {
	from, err := h.room()
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	time.Sleep(span)
	to, err := h.room()
	if err != nil {
		return 0, err
	}
	return float64(to.PacketsReceived-from.PacketsReceived) / time.Since(begun).Seconds(), nil
}

// flood sends packets from many ports and reads what comes back.
type flood struct {
	from     *netns.Node
	to       netip.AddrPort
	payloads [][]byte // one after the other
	sent     int64
	bytes    int64 // of UDP payload
	answered int64 // the same, that came back
	err      error
}

// runSends sends for as long as the flood lasts.
func (f *flood) runSends() {
	conns := make([]*net.UDPConn, 0, floodPorts)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	f.err = f.from.Do(func() error {
		for range floodPorts {
			c, err := net.ListenUDP("udp4", nil)
			if err != nil {
				return fmt.Errorf("open sockets for the flood: %w", err)
			}
			conns = append(conns, c)
		}
		return nil
	})
	if f.err != nil {
		return
	}
	answers := make([]int64, len(conns))
	var reading sync.WaitGroup
	until := time.Now().Add(floodSpan)
	for i, c := range conns {
		_ = c.SetReadDeadline(until.Add(aMoment / 4))
		reading.Go(func() {
			buffer := make([]byte, 2048)
			for {
				n, err := c.Read(buffer)
				if err != nil {
					return
				}
				answers[i] += int64(n)
			}
		})
	}
	f.send(conns, until)
	reading.Wait()
	for _, n := range answers {
		f.answered += n
	}
}

// send keeps to the rate.
func (f *flood) send(conns []*net.UDPConn, until time.Time) {
	messages := make([]ipv4.Message, floodBatch)
	size := int64(0)
	for i := range messages {
		payload := f.payloads[i%len(f.payloads)]
		messages[i] = ipv4.Message{Buffers: [][]byte{payload}, Addr: net.UDPAddrFromAddrPort(f.to)}
		size += int64(len(payload))
	}
	begun := time.Now()
	for i := 0; time.Now().Before(until); i++ {
		n, err := ipv4.NewPacketConn(conns[i%len(conns)]).WriteBatch(messages, 0)
		if err != nil {
			f.err = fmt.Errorf("send the flood: %w", err)
			return
		}
		f.sent += int64(n)
		f.bytes += size * int64(n) / floodBatch
		due := time.Duration(float64(f.sent) / floodRate * float64(time.Second))
		if ahead := due - time.Since(begun); ahead > time.Millisecond {
			time.Sleep(ahead)
		}
	}
}

// stunRequest is a binding request for a name that nobody has (RFC 8489, section 5; USERNAME is
// attribute 6), bindingRequest one for anybody; dtlsHello the beginning of a DTLS 1.2 ClientHello (RFC 6347,
// section 4.1); allocateRequest asks for a relay (RFC 8656, section 7.1; REQUESTED-TRANSPORT is attribute 25).
var (
	stunRequest = append([]byte{0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 7}, "aa:bbbb\x00"...)
	dtlsHello   = append([]byte{22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1, 0, 0, 48, 0, 0, 0, 0, 0, 0, 0, 48, 0xfe, 0xfd}, make([]byte, 46)...)

	bindingRequest  = []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	allocateRequest = []byte{0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 25, 0, 4, 17, 0, 0, 0}
)
