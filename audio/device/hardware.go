package device

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf16"
	"unsafe"

	"github.com/gen2brain/malgo"
)

// How long the sound system may take before it counts as hung.
const (
	openWithin  = 6 * time.Second
	closeWithin = 2 * time.Second
)

// jackSockets is where a running JACK server listens.
const jackSockets = "/dev/shm/jack_*_[0-9]*_[0-9]"

// direction is one of the two ways sound goes.
type direction struct {
	kind malgo.DeviceType
	word string // for people
}

var (
	capturing = direction{malgo.Capture, "microphone"}
	rendering = direction{malgo.Playback, "loudspeaker"}
)

// backends are the sound systems to try, best first.
func backends() []malgo.Backend {
	switch runtime.GOOS {
	case "windows":
		return []malgo.Backend{malgo.BackendWasapi, malgo.BackendDsound, malgo.BackendWinmm}
	case "darwin", "ios":
		return []malgo.Backend{malgo.BackendCoreaudio}
	case "linux":
		return linuxBackends()
	case "android":
		return []malgo.Backend{malgo.BackendAaudio, malgo.BackendOpensl}
	default:
		return []malgo.Backend{malgo.BackendSndio, malgo.BackendAudio4, malgo.BackendOss, malgo.BackendJack}
	}
}

// linuxBackends leaves out what has no hardware or server behind it: ALSA and JACK then fill the
// terminal with complaints, and ALSA offers its plug-ins as devices.
func linuxBackends() []malgo.Backend {
	list := []malgo.Backend{malgo.BackendPulseaudio} // which PipeWire also is
	if exists("/dev/snd/pcm*") {
		list = append(list, malgo.BackendAlsa)
	}
	if exists(jackSockets) {
		list = append(list, malgo.BackendJack)
	}
	return list
}

func exists(pattern string) bool {
	paths, err := filepath.Glob(pattern)
	return err == nil && len(paths) > 0
}

// devices lists what is there, without ALSA's plug-ins, whose names have no card in them.
func devices(context *malgo.AllocatedContext, backend malgo.Backend, way direction) ([]malgo.DeviceInfo, error) {
	infos, err := context.Devices(way.kind)
	if err != nil {
		return nil, fmt.Errorf("list sound devices: %w", err)
	}
	if backend == malgo.BackendAlsa {
		infos = slices.DeleteFunc(infos, func(info malgo.DeviceInfo) bool {
			id := idText(backend, info.ID)
			return id != "default" && !strings.Contains(id, ":")
		})
	}
	return infos, nil
}

// hardware is one device opened once, with a context of its own. A device that died takes its context
// with it, so the two are never shared.
type hardware struct {
	context     *malgo.AllocatedContext
	device      *malgo.Device
	name        string
	channels    atomic.Int32
	alive, busy atomic.Bool
}

// process is a device's callback: the frames captured or to be rendered, as float32 of so many channels.
type process func(pcm []float32, channels int)

// openHardware opens a device by ID, or the default device, in the first sound system that has it.
func openHardware(way direction, id string, period int, f process) (*hardware, error) {
	var found []Info
	var problem error
	for _, backend := range backends() {
		context, err := openContext(backend)
		if err != nil {
			continue
		}
		infos, err := devices(context, backend, way)
		if err == nil {
			device, info := pick(backend, infos, id)
			if device != nil || id == "" && len(infos) > 0 {
				h, err := start(context, way, device, period, f)
				if err == nil {
					h.name = info.Name
					return h, nil
				}
				problem = fmt.Errorf("open %s %q: %w; is another program using it?", way.word, info.Name, err)
			}
		}
		found = append(found, describe(backend, infos)...)
		freeContext(context)
	}
	switch {
	case problem != nil:
		return nil, problem
	case len(found) == 0:
		return nil, fmt.Errorf("open %s: %w", way.word, ErrNoSound)
	default:
		return nil, fmt.Errorf("%w: there is no %s %q; there are %s", ErrNoDevice, way.word, id, names(found))
	}
}

// names lists devices for an error.
func names(infos []Info) string {
	var b strings.Builder
	for i, info := range infos {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s (%s)", info.ID, info.Name)
	}
	return b.String()
}

// pick finds the device with an ID, else one with that name. Without an ID it returns no device, for
// the default, and what is known of that.
func pick(backend malgo.Backend, list []malgo.DeviceInfo, id string) (*malgo.DeviceInfo, Info) {
	infos := describe(backend, list)
	if id == "" {
		for _, info := range infos {
			if info.Default {
				return nil, info
			}
		}
		return nil, Info{Name: "default"}
	}
	for i, info := range infos {
		if info.ID == id {
			return &list[i], info
		}
	}
	for i, info := range infos {
		if info.Name == id {
			return &list[i], info
		}
	}
	return nil, Info{}
}

// describe turns what the sound system says into Info.
func describe(backend malgo.Backend, list []malgo.DeviceInfo) []Info {
	infos := make([]Info, len(list))
	for i := range list {
		infos[i] = Info{ID: idText(backend, list[i].ID), Name: list[i].Name(), Default: list[i].IsDefault != 0}
	}
	return infos
}

// idText makes an ID that a person can type: the sound system's own name for the device where it has
// one, else its bytes in hexadecimal.
func idText(backend malgo.Backend, id malgo.DeviceID) string {
	raw := id[:]
	if backend == malgo.BackendWasapi {
		units := make([]uint16, 0, len(raw)/2)
		for i := 0; i+1 < len(raw); i += 2 {
			unit := binary.LittleEndian.Uint16(raw[i:])
			if unit == 0 {
				break
			}
			units = append(units, unit)
		}
		return string(utf16.Decode(units))
	}
	text, rest, _ := bytes.Cut(raw, []byte{0})
	printable := len(text) > 1 && bytes.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
	if printable && len(bytes.Trim(rest, "\x00")) == 0 {
		return string(text)
	}
	return hex.EncodeToString(bytes.TrimRight(raw, "\x00"))
}

func openContext(backend malgo.Backend) (*malgo.AllocatedContext, error) {
	name := append([]byte("Gasso"), 0)
	var pins runtime.Pinner
	pins.Pin(&name[0])
	defer pins.Unpin()
	config := malgo.ContextConfig{}
	config.Pulse.PApplicationName = &name[0]
	return malgo.InitContext([]malgo.Backend{backend}, config, nil)
}

func freeContext(context *malgo.AllocatedContext) {
	_ = context.Uninit() // nothing is left to do when it fails
	context.Free()
}

// start opens and starts a device; nil is the default one.
func start(context *malgo.AllocatedContext, way direction, info *malgo.DeviceInfo, period int, f process) (*hardware, error) {
	config := malgo.DefaultDeviceConfig(way.kind)
	config.SampleRate = Rate
	config.PeriodSizeInFrames = uint32(period)
	config.PerformanceProfile = malgo.LowLatency
	config.Capture.Format = malgo.FormatF32
	config.Capture.Channels = 0 // as many as there are; toStereo maps them
	config.Playback.Format = malgo.FormatF32
	config.Playback.Channels = Channels
	config.Pulse.StreamNameCapture = "microphone"
	config.Pulse.StreamNamePlayback = "performers"
	if info != nil {
		var pins runtime.Pinner
		pins.Pin(&info.ID)
		defer pins.Unpin()
		config.Capture.DeviceID = unsafe.Pointer(&info.ID)
		config.Playback.DeviceID = unsafe.Pointer(&info.ID)
	}
	h := &hardware{context: context}
	h.alive.Store(true)
	h.channels.Store(Channels)
	device, err := malgo.InitDevice(context.Context, config, malgo.DeviceCallbacks{Data: func(rendered, captured []byte, _ uint32) {
		h.call(f, rendered, captured)
	}})
	if err != nil {
		return nil, err
	}
	if way == capturing {
		h.channels.Store(int32(device.CaptureChannels()))
	}
	h.device = device
	if err := device.Start(); err != nil {
		device.Uninit()
		return nil, err
	}
	return h, nil
}

// call hands a callback's frames on, unless the device was given up.
func (h *hardware) call(f process, rendered, captured []byte) {
	pcm := rendered
	if len(captured) > 0 {
		pcm = captured
	}
	if len(pcm) == 0 {
		return
	}
	h.busy.Store(true)
	if h.alive.Load() {
		f(unsafe.Slice((*float32)(unsafe.Pointer(&pcm[0])), len(pcm)/4), int(h.channels.Load()))
	}
	h.busy.Store(false)
}

// abandon makes sure that no callback touches the rings any more and closes the device in a goroutine
// of its own, since closing a dead one can block for ever. The channel closes when that is done.
func (h *hardware) abandon() <-chan struct{} {
	h.alive.Store(false)
	for h.busy.Load() { // a callback takes microseconds and never blocks
		runtime.Gosched()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.device.Uninit()
		freeContext(h.context)
	}()
	return done
}

// within runs f but waits no longer than limit; what f returns later goes to discard.
func within[T any](limit time.Duration, f func() (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result)
	late := make(chan struct{})
	go func() {
		value, err := f()
		select {
		case results <- result{value, err}:
		case <-late:
			if err == nil {
				discard(value)
			}
		}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-results:
		return r.value, r.err
	case <-timer.C:
		close(late)
		var none T
		return none, fmt.Errorf("the sound system does not answer within %v; restart it, or the computer", limit)
	}
}

// List names the devices there are. ErrNoSound when there is no sound server or hardware.
func List() (inputs, outputs []Info, err error) {
	both, err := within(openWithin, listBoth, func([2][]Info) {})
	if err != nil {
		return nil, nil, err
	}
	return both[0], both[1], nil
}

// listBoth lists the inputs and outputs of the first sound system that has any.
func listBoth() (both [2][]Info, err error) {
	for _, backend := range backends() {
		context, err := openContext(backend)
		if err != nil {
			continue
		}
		for i, way := range []direction{capturing, rendering} {
			if infos, err := devices(context, backend, way); err == nil {
				both[i] = describe(backend, infos)
			}
		}
		freeContext(context)
		if len(both[0])+len(both[1]) > 0 {
			return both, nil
		}
	}
	return both, ErrNoSound
}
