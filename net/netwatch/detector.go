package netwatch

import "time"

// leastSleep is shorter than any sleep, and longer than clocks go apart between two looks.
const leastSleep = 2 * time.Second

// view is what one look found. Views are compared, never understood.
type view struct {
	addresses, routes string
	asleep            time.Duration // since any moment: how much longer the day was than this program's time
}

// detector finds the differences between one view and the next.
type detector struct {
	last  view
	known bool
}

// observe returns what changed. The first view changes nothing.
func (d *detector) observe(v view) (kinds []Kind) {
	last, known := d.last, d.known
	d.last, d.known = v, true
	if !known {
		return nil
	}
	if v.asleep-last.asleep >= leastSleep {
		kinds = append(kinds, Slept)
	}
	if v.addresses != last.addresses {
		kinds = append(kinds, Addresses)
	}
	if v.routes != last.routes {
		kinds = append(kinds, Routes)
	}
	return kinds
}
