package ui

import (
	"path/filepath"
	"testing"

	"fyne.io/fyne/v2/test"

	"gasso/app/settings"
	"gasso/net/signaling"
)

// leaveWith types into an entry and leaves it.
func leaveWith(e *textEntry, text string) {
	e.FocusGained()
	e.SetText(text)
	e.FocusLost()
}

func TestConnectionIsChosenAndKept(t *testing.T) {
	w := testWindow(t, newScriptedEngine(), nil, nil)
	c := w.prefs.connection
	folder, file := filepath.Join(t.TempDir(), "kept"), filepath.Join(t.TempDir(), "ca.pem")
	if got := w.store.Get(); got.Topology != signaling.TopologyAuto || c.wayNote.Text != w.desk.say("way.auto.note") || c.least.Selected != w.desk.say("bitrate.least.auto") {
		t.Fatalf("it begins with %+v, %q, %q", got, c.wayNote.Text, c.least.Selected)
	}
	test.Tap(c.ways.buttons[2])
	c.least.onPick("32000")
	c.most.onPick("128000")
	c.room.onPick("512")
	leaveWith(c.ca, " "+file+" ")
	test.Tap(c.keeps.buttons[2])
	if !c.folderBox.Visible() || w.store.Get().SpoolDir != "" {
		t.Errorf("before a folder is named: shown %v, kept %q", c.folderBox.Visible(), w.store.Get().SpoolDir)
	}
	leaveWith(c.folder, folder)
	want := settings.Defaults()
	want.Topology, want.BitrateMinBPS, want.BitrateMaxBPS = signaling.TopologySFU, 32_000, 128_000
	want.SpoolMB, want.CAFile, want.SpoolDir = 512, file, folder
	if got := w.store.Get(); got != want || c.problem.Visible() {
		t.Errorf("kept %+v, want %+v; it says %q", got, want, c.problem.Text)
	}
	if c.wayNote.Text != w.desk.say("way.sfu.note") || c.least.Selected != "32 kbit/s" || c.most.Selected != "128 kbit/s" || c.room.Selected != "512 MB" || !c.keeps.buttons[2].on {
		t.Errorf("it shows %q, %q, %q and %q", c.wayNote.Text, c.least.Selected, c.most.Selected, c.room.Selected)
	}
	test.Tap(c.keeps.buttons[1])
	if w.store.Get().SpoolDir != settings.SpoolOff || c.folderBox.Visible() || c.roomBox.Visible() {
		t.Errorf("in memory: %q, folder shown %v, room shown %v", w.store.Get().SpoolDir, c.folderBox.Visible(), c.roomBox.Visible())
	}
	test.Tap(c.keeps.buttons[0])
	leaveWith(c.ca, "")
	if got := w.store.Get(); got.SpoolDir != "" || got.CAFile != "" {
		t.Errorf("taken back: %+v", got)
	}
}

func TestConnectionRefusesInWordsWhatIsNotPossible(t *testing.T) {
	for language, says := range map[string][4]string{
		"en": {"The least bitrate is above the highest one.", "There is no certificate in the file; ask the operator for one in PEM.", "Give the whole path of the file, from the root on.", "Give the whole path of the folder, from the root on."},
		"ja": {"最低ビットレートが最高ビットレートを超えています。", "ファイルに証明書がありません。PEM 形式のファイルを運営者に頼んでください。", "ファイルは絶対パスで指定してください。", "フォルダーは絶対パスで指定してください。"},
	} {
		w := testWindow(t, newScriptedEngine(), nil, func(o *Options) { o.Lang = language })
		c := w.prefs.connection
		c.most.onPick("64000")
		before := w.store.Get()
		for i, try := range []func(){
			func() { c.least.onPick("128000") },
			func() { leaveWith(c.ca, "/etc/bad.pem") },
			func() { leaveWith(c.ca, "ca.pem") },
			func() { test.Tap(c.keeps.buttons[2]); leaveWith(c.folder, "kept") },
		} {
			try()
			if c.problem.Text != says[i] || !c.problem.Visible() || w.store.Get() != before {
				t.Errorf("%s, %d: it says %q, want %q, and keeps %+v", language, i, c.problem.Text, says[i], w.store.Get())
			}
		}
		if c.ca.Text != "ca.pem" || c.least.Selected != w.desk.say("bitrate.least.auto") {
			t.Errorf("%s: what was typed became %q, what was chosen %q", language, c.ca.Text, c.least.Selected)
		}
		leaveWith(c.ca, "")
		if c.problem.Visible() {
			t.Errorf("%s: it goes on saying %q", language, c.problem.Text)
		}
	}
}
