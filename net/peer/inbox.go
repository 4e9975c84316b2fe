package peer

import (
	"io"
	"slices"
	"sync"

	"github.com/pion/transport/v5/packetio"
)

// earlyPackets is how many packets of a stream wait for somebody to take them.
const earlyPackets = 8

// inbox takes what pion has decrypted of one link, on the goroutines that decrypt: pion's own buffers cost a
// hand-over to another goroutine for each packet, and memory and a reading goroutine for each stream. The
// zero value is ready.
type inbox struct {
	mu      sync.Mutex // guards what follows
	streams map[uint32]*mediaStream
	reports map[uint32]func([]byte)
}

// open implements webrtc.SettingEngine.BufferFactory.
func (b *inbox) open(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	if kind == packetio.RTCPBufferPacket {
		return &reportStream{inbox: b, ssrc: ssrc, over: make(chan struct{})}
	}
	s := &mediaStream{inbox: b, ssrc: ssrc, waiting: make(chan []byte, earlyPackets), over: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.streams == nil {
		b.streams = map[uint32]*mediaStream{}
	}
	b.streams[ssrc] = s
	return s
}

// stream is nil when it has ended.
func (b *inbox) stream(ssrc uint32) *mediaStream {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.streams[ssrc]
}

// onReports has take called with RTCP about a stream, ours or theirs; nil ends that. What it gets is
// borrowed.
func (b *inbox) onReports(ssrc uint32, take func([]byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if take == nil {
		delete(b.reports, ssrc)
		return
	}
	if b.reports == nil {
		b.reports = map[uint32]func([]byte){}
	}
	b.reports[ssrc] = take
}

// mediaStream is the RTP of one SSRC.
type mediaStream struct {
	inbox   *inbox
	ssrc    uint32
	waiting chan []byte // what came before take
	over    chan struct{}

	mu     sync.Mutex // guards what follows; held while a packet is taken
	taker  func([]byte)
	closed bool
}

// take has each packet given to taker until the stream ends, and waits for that. Packets are borrowed.
func (s *mediaStream) take(taker func([]byte)) error {
	if !s.begin(taker) {
		return errTaken
	}
	<-s.over
	return nil
}

// begin is false when there is another taker.
func (s *mediaStream) begin(taker func([]byte)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taker != nil {
		return false
	}
	for early := true; early; {
		select {
		case p := <-s.waiting:
			taker(p)
		default:
			early = false
		}
	}
	s.taker = taker
	return true
}

// Write implements io.Writer for pion's SRTP session. What was taken does not fill the buffer that pion
// believes this to be: ErrFull tells it that nothing waits, and is no error to it.
func (s *mediaStream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, io.ErrClosedPipe
	case s.taker != nil:
		s.taker(p)
		return 0, packetio.ErrFull
	}
	select {
	case s.waiting <- slices.Clone(p):
		return len(p), nil
	default:
		return 0, packetio.ErrFull
	}
}

// Read implements io.Reader for pion, which looks at the first packet of a stream that was not announced.
func (s *mediaStream) Read(b []byte) (int, error) {
	select {
	case p := <-s.waiting:
		if len(p) > len(b) {
			return 0, io.ErrShortBuffer
		}
		return copy(b, p), nil
	case <-s.over:
		return 0, io.EOF
	}
}

// Close implements io.Closer. It waits for the packet that is being taken.
func (s *mediaStream) Close() error {
	s.inbox.mu.Lock()
	if s.inbox.streams[s.ssrc] == s {
		delete(s.inbox.streams, s.ssrc)
	}
	s.inbox.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.over)
	}
	return nil
}

// reportStream is RTCP about one SSRC.
type reportStream struct {
	inbox *inbox
	ssrc  uint32
	close sync.Once
	over  chan struct{}
}

// Write implements io.Writer for pion's SRTCP session. What nobody wants is dropped.
func (s *reportStream) Write(p []byte) (int, error) {
	s.inbox.mu.Lock()
	take := s.inbox.reports[s.ssrc]
	s.inbox.mu.Unlock()
	if take != nil {
		take(p)
	}
	return len(p), nil
}

// Read implements io.Reader; there is nothing to read until the end.
func (s *reportStream) Read([]byte) (int, error) {
	<-s.over
	return 0, io.EOF
}

// Close implements io.Closer.
func (s *reportStream) Close() error {
	s.close.Do(func() { close(s.over) })
	return nil
}
