package soundrig

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"gasso/audio/wav"
)

// impulseDB is what PulseAudio's convolution makes of a lone impulse.
const impulseDB = -8

// Echo puts the cable's loudspeaker into one room with its microphone, which from then on hears it
// gainDB louder (negative: softer) and delay later. The two share one clock, as those of a headset do.
// Call it before anybody opens the loudspeaker, since it is made anew.
func (r *Rig) Echo(c *Cable, gainDB float64, delay time.Duration) {
	r.t.Helper()
	r.unload(c.speakerModule)
	c.speakerModule = r.load("module-virtual-surround-sink", "sink_name="+c.Speaker, "sink_master="+c.MicSink,
		"hrir="+r.impulse(c.Speaker, delay), "channels="+strconv.Itoa(Channels), "rate="+strconv.Itoa(Rate), "use_volume_sharing=no")
	var inputs []struct {
		Index       int    `json:"index"`
		OwnerModule string `json:"owner_module"`
	}
	if err := json.Unmarshal([]byte(r.pactl("-f", "json", "list", "sink-inputs")), &inputs); err != nil {
		r.t.Fatalf("list sink inputs: %v", err)
	}
	for _, input := range inputs {
		if input.OwnerModule == c.speakerModule {
			r.pactl("set-sink-input-volume", strconv.Itoa(input.Index), fmt.Sprintf("%+.2fdB", gainDB-impulseDB))
			return
		}
	}
	r.t.Fatalf("the echo has no sink input: %v", inputs)
}

// impulse writes a room's response: one reflection, from each channel to the same channel.
func (r *Rig) impulse(name string, delay time.Duration) (path string) {
	r.t.Helper()
	path = filepath.Join(r.dir, name+".wav")
	samples := int(delay * Rate / time.Second)
	response := make([]float32, Channels*(samples+1))
	response[Channels*samples] = 1 // the other channel of the file is the way to the other side
	w, err := wav.Create(path, Rate, Channels)
	if err == nil {
		err = w.Write(response)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		r.t.Fatalf("write the room's response: %v", err)
	}
	return path
}
