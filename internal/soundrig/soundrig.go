// Package soundrig gives tests a sound system of their own: a private PulseAudio with a virtual cable
// for each performer. A test plays into a performer's microphone, records its loudspeaker, loops one
// into the other, and takes devices away.
package soundrig

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Rate and Channels are those of every cable.
const (
	Rate     = 48000
	Channels = 2
)

// startWithin is how long PulseAudio may take to answer.
const startWithin = 20 * time.Second

// Rig is a running PulseAudio.
type Rig struct {
	t      T
	dir    string
	env    []string
	server *exec.Cmd
	ended  chan struct{} // closed when the server has ended
	log    *bytes.Buffer // what it said; read after ended
}

// Cable is a performer's microphone and loudspeaker.
type Cable struct {
	Mic     string // source: the ID of the app's input device
	MicSink string // sink: what is played here is heard by Mic
	Speaker string // sink: the ID of the app's output device
	Monitor string // source: what was played to Speaker

	micModule, speakerModule string
}

// T is what a rig needs of a test.
type T interface {
	Helper()
	Cleanup(f func())
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

// Start starts a PulseAudio without devices, which ends with the test.
func Start(t T) *Rig {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the sound rig needs PulseAudio on Linux")
	}
	for _, program := range []string{"pulseaudio", "pactl", "pacat"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing; install it with: make setup", program)
		}
	}
	dir, err := os.MkdirTemp("", "gasso-rig") // short, since a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &Rig{t: t, dir: dir, ended: make(chan struct{}), log: new(bytes.Buffer), env: []string{
		"XDG_RUNTIME_DIR=" + dir,
		"PULSE_RUNTIME_PATH=" + filepath.Join(dir, "pulse"),
		"PULSE_STATE_PATH=" + filepath.Join(dir, "state"),
		"PULSE_COOKIE=" + filepath.Join(dir, "cookie"),
		"PULSE_SERVER=unix:" + filepath.Join(dir, "socket"),
	}}
	r.startServer()
	t.Cleanup(r.Close)
	return r
}

// Env is what a child process needs in addition to its environment to use the rig.
func (r *Rig) Env() []string { return append([]string(nil), r.env...) }

// Setenv makes the test's own process use the rig until the test ends.
func (r *Rig) Setenv(t *testing.T) {
	for _, entry := range r.env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

func (r *Rig) startServer() {
	r.t.Helper()
	r.server = r.command("pulseaudio", "-n", "--daemonize=no", "--system=no", "--exit-idle-time=-1",
		"--use-pid-file=no", "--disable-shm=yes", "--realtime=no", "--high-priority=no",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+filepath.Join(r.dir, "socket"))
	config := filepath.Join(r.dir, "daemon.conf")
	if err := os.WriteFile(config, []byte("default-sample-rate = 48000\n"), 0o600); err != nil { // as today's sound systems
		r.t.Fatal(err)
	}
	r.server.Env = append(r.server.Env, "PULSE_CONFIG="+config)
	r.server.Stdout, r.server.Stderr = r.log, r.log
	if err := r.server.Start(); err != nil {
		r.t.Fatalf("start pulseaudio: %v", err)
	}
	server, ended := r.server, r.ended
	go func() {
		_ = server.Wait()
		close(ended)
	}()
	for deadline := time.Now().Add(startWithin); r.command("pactl", "info").Run() != nil; {
		select {
		case <-ended:
			r.t.Fatalf("pulseaudio ended: %s", r.log)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.Close()
			r.t.Fatalf("pulseaudio does not answer: %s", r.log)
		}
	}
}

// Kill kills the server, as a crash would.
func (r *Rig) Kill() {
	_ = r.server.Process.Kill()
	<-r.ended
}

// Freeze makes the server hang until Thaw.
func (r *Rig) Freeze() { r.signal("STOP") }

// Thaw lets a frozen server go on.
func (r *Rig) Thaw() { r.signal("CONT") }

// signal sends a signal that package syscall does not have everywhere; a server that has ended needs none.
func (r *Rig) signal(name string) {
	_ = exec.Command("kill", "-"+name, strconv.Itoa(r.server.Process.Pid)).Run()
}

// Restart starts a server again after Kill; cables are gone and have to be made again.
func (r *Rig) Restart() {
	r.t.Helper()
	_ = os.Remove(filepath.Join(r.dir, "socket"))
	r.ended, r.log = make(chan struct{}), new(bytes.Buffer)
	r.startServer()
}

// Close ends the server and waits for it; more calls do no harm.
func (r *Rig) Close() {
	select {
	case <-r.ended:
		return
	default:
		r.Thaw() // if frozen
	}
	_ = r.server.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(5 * time.Second):
		r.Kill()
	}
}

// command is a program that uses the rig. HOME keeps it out of the tester's own settings.
func (r *Rig) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(append(os.Environ(), r.env...), "HOME="+r.dir, "LC_ALL=C")
	return cmd
}

// pactl gives the server an order and returns its answer.
func (r *Rig) pactl(args ...string) string {
	r.t.Helper()
	answer, err := r.command("pactl", args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("pactl %s: %v: %s", strings.Join(args, " "), err, answer)
	}
	return strings.TrimSpace(string(answer))
}

// load loads a PulseAudio module and returns its index for unload.
func (r *Rig) load(module string, args ...string) string {
	r.t.Helper()
	return r.pactl(append([]string{"load-module", module}, args...)...)
}

// unload unloads a module; its devices are gone.
func (r *Rig) unload(index string) {
	r.t.Helper()
	r.pactl("unload-module", index)
}

// Cable makes a stereo cable: NAME_mic and NAME_speaker are what the app opens.
func (r *Rig) Cable(name string) Cable {
	r.t.Helper()
	return r.CableOf(name, Channels)
}

// CableOf makes a cable whose microphone has so many channels.
func (r *Rig) CableOf(name string, micChannels int) Cable {
	r.t.Helper()
	return r.cable(name, Rate, micChannels)
}

// CableAt makes a stereo cable whose microphone and loudspeaker run at a rate in Hz of their own.
func (r *Rig) CableAt(name string, rate int) Cable {
	r.t.Helper()
	return r.cable(name, rate, Channels)
}

func (r *Rig) cable(name string, rate, micChannels int) Cable {
	r.t.Helper()
	c := Cable{Mic: name + "_mic", MicSink: name + "_mic_sink", Speaker: name + "_speaker", Monitor: name + "_speaker.monitor"}
	channels := "channels=" + strconv.Itoa(micChannels)
	r.sink(c.MicSink, rate, channels)
	c.micModule = r.load("module-remap-source", "source_name="+c.Mic, "master="+c.MicSink+".monitor", channels, "remix=no",
		"source_properties=device.description="+name+"-microphone")
	c.speakerModule = r.sink(c.Speaker, rate, "channels=2", "sink_properties=device.description="+name+"-speaker")
	return c
}

// Yardstick makes a mono microphone and a mono loudspeaker on the two channels of one sink. Monitor
// holds what is played to MicSink on the left and what the loudspeaker plays on the right, so that
// the way through a program can be measured to the sample.
func (r *Rig) Yardstick(name string) Cable {
	r.t.Helper()
	c := Cable{Mic: name + "_mic", MicSink: name + "_mic_sink", Speaker: name + "_speaker", Monitor: name + ".monitor"}
	r.sink(name, Rate, "channels=2")
	mono := func(side string) []string {
		return []string{"channels=1", "channel_map=mono", "master_channel_map=front-" + side, "remix=no"}
	}
	r.load("module-remap-sink", append(mono("left"), "sink_name="+c.MicSink, "master="+name)...)
	c.micModule = r.load("module-remap-source", append(mono("left"), "source_name="+c.Mic, "master="+c.Monitor)...)
	c.speakerModule = r.load("module-remap-sink", append(mono("right"), "sink_name="+c.Speaker, "master="+name)...)
	return c
}

// sink makes a sink that leads nowhere but to its monitor.
func (r *Rig) sink(name string, rate int, args ...string) string {
	r.t.Helper()
	return r.load("module-null-sink", append(args, "sink_name="+name, "rate="+strconv.Itoa(rate), "format=float32le")...)
}

// UnplugMic takes the cable's microphone away.
func (r *Rig) UnplugMic(c Cable) { r.t.Helper(); r.unload(c.micModule) }

// UnplugSpeaker takes the cable's loudspeaker away.
func (r *Rig) UnplugSpeaker(c Cable) { r.t.Helper(); r.unload(c.speakerModule) }

// SetDefault makes a cable's devices the default ones.
func (r *Rig) SetDefault(c Cable) {
	r.t.Helper()
	r.pactl("set-default-source", c.Mic)
	r.pactl("set-default-sink", c.Speaker)
}
