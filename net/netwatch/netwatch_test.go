package netwatch

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDifferencesAreTold(t *testing.T) {
	home := view{addresses: "192.168.1.5/24", routes: "default via 192.168.1.1"}
	with := func(change func(*view)) view {
		v := home
		change(&v)
		return v
	}
	cases := map[string]struct {
		next view
		want []Kind
	}{
		"the same":             {home, nil},
		"another address":      {with(func(v *view) { v.addresses = "10.0.0.7/8" }), []Kind{Addresses}},
		"a VPN":                {with(func(v *view) { v.addresses += " 10.8.0.2/24"; v.routes += " 0/1 tun0" }), []Kind{Addresses, Routes}},
		"another gateway":      {with(func(v *view) { v.routes = "default via 192.168.1.2" }), []Kind{Routes}},
		"a night":              {with(func(v *view) { v.asleep = 8 * time.Hour }), []Kind{Slept}},
		"clocks a bit apart":   {with(func(v *view) { v.asleep = 1900 * time.Millisecond }), nil},
		"a clock set back":     {with(func(v *view) { v.asleep = -time.Hour }), nil},
		"no network any more":  {view{}, []Kind{Addresses, Routes}},
		"woken somewhere else": {view{"172.16.0.9/12", "default via 172.16.0.1", time.Minute}, []Kind{Slept, Addresses, Routes}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var d detector
			if got := d.observe(home); got != nil {
				t.Errorf("the first look told %v", got)
			}
			if got := d.observe(c.next); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got := d.observe(c.next); got != nil {
				t.Errorf("told again: %v", got)
			}
		})
	}
}

// TestEventsAreNoticedAtOnceAndOtherwisePolled runs on simulated time.
func TestEventsAreNoticedAtOnceAndOtherwisePolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		state := make(chan view, 1)
		state <- view{addresses: "a"}
		look := func() view {
			v := <-state
			state <- v
			return v
		}
		set := func(v view) {
			<-state
			state <- v
		}
		events := make(chan struct{}, 1)
		stopped := false
		changes := watch(ctx, look, events, func() { stopped = true }, time.Second)
		synctest.Wait()

		began := time.Now()
		set(view{addresses: "b"})
		events <- struct{}{}
		if c := <-changes; c.Kind != Addresses || c.At.Sub(began) != settleAfter {
			t.Errorf("with an event: %v after %v", c.Kind, c.At.Sub(began))
		}
		close(events) // the socket broke
		set(view{addresses: "b", routes: "r"})
		if c := <-changes; c.Kind != Routes || c.At.Sub(began) > time.Second {
			t.Errorf("without events: %v after %v", c.Kind, c.At.Sub(began))
		}
		cancel()
		if c, ok := <-changes; ok || !stopped {
			t.Errorf("after the end: %v, stopped %v", c, stopped)
		}
	})
}
