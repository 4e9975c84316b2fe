package session

import "testing"

func TestParseInvite(t *testing.T) {
	for _, c := range []struct {
		link string
		want Invite
		bad  bool
	}{
		{link: "https://gasso.example/join/jazz#abc.def", want: Invite{"https://gasso.example", "jazz", "abc.def"}},
		{link: " http://127.0.0.1:8080/join/demo \n", want: Invite{"http://127.0.0.1:8080", "demo", ""}},
		{link: "https://example.org/gasso/join/a#t", want: Invite{"https://example.org/gasso", "a", "t"}},
		{link: "https://gasso.example/room/jazz", bad: true},
		{link: "https://gasso.example/join/", bad: true},
		{link: "https://gasso.example/join/a/b", bad: true},
		{link: "gasso.example/join/a", bad: true},
		{link: "javascript:alert(1)//join/a", bad: true},
		{link: "%zz", bad: true},
		{link: "", bad: true},
	} {
		got, err := ParseInvite(c.link)
		if (err != nil) != c.bad || got != c.want {
			t.Errorf("ParseInvite(%q) = %+v, %v", c.link, got, err)
		}
	}
}

func TestSignalingURL(t *testing.T) {
	for server, want := range map[string]string{
		"http://127.0.0.1:8080":  "ws://127.0.0.1:8080/ws",
		"https://gasso.example/": "wss://gasso.example/ws",
		"https://x.example/a?b":  "wss://x.example/a/ws",
		"ftp://x":                "",
		"https://":               "",
		"127.0.0.1:8080":         "",
		"":                       "",
	} {
		if got, err := signalingURL(server); got != want || (err == nil) != (want != "") {
			t.Errorf("signalingURL(%q) = %q, %v", server, got, err)
		}
	}
}

func FuzzParseInvite(f *testing.F) {
	f.Add("https://gasso.example/join/jazz#abc")
	f.Fuzz(func(t *testing.T, link string) {
		invite, err := ParseInvite(link)
		if err == nil && (invite.Server == "" || invite.Room == "") {
			t.Fatalf("%q gave %+v without an error", link, invite)
		}
	})
}
