package soundrig

// Loop is one cable whose left is a microphone and whose right a loudspeaker, so that one recording of
// Monitor holds what was said and what was heard, sample by sample.
type Loop struct {
	Mic     string // source, mono
	MicSink string // sink: what is played here is heard by Mic, and on the left of Monitor
	Speaker string // sink: comes on the right of Monitor
	Monitor string // source, stereo
}

// Loop makes such a cable, and its two ends the default devices.
func (r *Rig) Loop(name string) Loop {
	r.t.Helper()
	l := Loop{Mic: name + "_mic", MicSink: name + "_mic_sink", Speaker: name + "_speaker", Monitor: name + ".monitor"}
	r.sink(name, Rate, "channels=2")
	r.load("module-remap-source", "source_name="+l.Mic, "master="+l.Monitor, "channels=1", "channel_map=mono",
		"master_channel_map=front-left", "remix=no")
	for sink, side := range map[string]string{l.MicSink: "front-left", l.Speaker: "front-right"} {
		r.load("module-remap-sink", "sink_name="+sink, "master="+name, "channels=1", "channel_map=mono",
			"master_channel_map="+side, "remix=no")
	}
	r.pactl("set-default-source", l.Mic)
	r.pactl("set-default-sink", l.Speaker)
	return l
}
