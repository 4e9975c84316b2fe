package server

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machineNow reads this process's clock and the machine's at one moment.
func machineNow() (now time.Time, m machineMoment, known bool) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return time.Now(), m, false
	}
	var at unix.Timespec
	now = time.Now()
	err = unix.ClockGettime(unix.CLOCK_MONOTONIC, &at) // what Go's monotonic readings are of
	return now, machineMoment{Boot: strings.TrimSpace(string(boot)), MonotonicNS: at.Nano()}, err == nil
}
