package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// movedClock moves the wall clock that one process sees. Programs ask the kernel's page of code (the
// vDSO) for the time; in that process, and nowhere else, its clock_gettime is replaced by one that
// makes the system call and adds a number of seconds to CLOCK_REALTIME.
type movedClock struct {
	memory string // of the process
	shift  int64  // address of the seconds to add
}

// stub is the replacement; the seconds to add follow it.
//
//	mov eax, 228 (clock_gettime); syscall; test eax, eax; jne end; test edi, edi (CLOCK_REALTIME); jne end
//	mov rdx, [rip+seconds]; add [rsi], rdx; end: ret
var stub = []byte{
	0xb8, 0xe4, 0, 0, 0, 0x0f, 0x05, 0x85, 0xc0, 0x75, 0x0e, 0x85, 0xff, 0x75, 0x0a,
	0x48, 0x8b, 0x15, 0x04, 0, 0, 0, 0x48, 0x01, 0x16, 0xc3,
}

// newMovedClock prepares a process whose clock is right so far.
func newMovedClock(pid int) (*movedClock, error) {
	start, end, err := vdso(pid)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoShift, err)
	}
	c := &movedClock{memory: fmt.Sprintf("/proc/%d/mem", pid)}
	image := make([]byte, end-start)
	if err := c.access(func(f *os.File) error { _, err := f.ReadAt(image, start); return err }); err != nil {
		return nil, err
	}
	entry, err := entryOf(image, "__vdso_clock_gettime")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoShift, err)
	}
	room := len(image) - 64 // the last page is never full
	if !bytes.Equal(image[room:], make([]byte, 64)) {
		return nil, fmt.Errorf("%w: there is no room in the vDSO", errNoShift)
	}
	seconds := (len(stub) + 7) / 8 * 8
	code := append(bytes.Clone(stub), make([]byte, seconds-len(stub)+8)...)
	next := 15 + 7 // where the instruction after the load of the seconds begins
	binary.LittleEndian.PutUint32(code[18:], uint32(seconds-next))
	jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(int64(room)-entry-5))
	c.shift = start + int64(room+seconds)
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		return nil, fmt.Errorf("stop process %d: %w", pid, err)
	}
	err = c.access(func(f *os.File) error {
		if _, err := f.WriteAt(code, start+int64(room)); err != nil {
			return err
		}
		_, err := f.WriteAt(jump, start+entry)
		return err
	})
	if resumed := unix.Kill(pid, unix.SIGCONT); resumed != nil {
		return nil, fmt.Errorf("resume process %d: %w", pid, resumed)
	}
	return c, err
}

// set moves the process's wall clock against the machine's.
func (c *movedClock) set(shift time.Duration) error {
	seconds := binary.LittleEndian.AppendUint64(nil, uint64(int64(shift/time.Second)))
	return c.access(func(f *os.File) error { _, err := f.WriteAt(seconds, c.shift); return err })
}

func (c *movedClock) access(use func(*os.File) error) error {
	f, err := os.OpenFile(c.memory, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoShift, err)
	}
	defer f.Close()
	if err := use(f); err != nil {
		return fmt.Errorf("%w: %w", errNoShift, err)
	}
	return nil
}

// vdso finds where a process has it.
func vdso(pid int) (start, end int64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			continue
		}
		from, to, _ := strings.Cut(strings.Fields(line)[0], "-")
		a, err1 := strconv.ParseInt(from, 16, 64)
		b, err2 := strconv.ParseInt(to, 16, 64)
		if err1 == nil && err2 == nil {
			return a, b, nil
		}
	}
	return 0, 0, fmt.Errorf("process %d has no vDSO", pid)
}

// entryOf finds a function's offset in the image.
func entryOf(image []byte, name string) (int64, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, fmt.Errorf("read the vDSO: %w", err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return 0, fmt.Errorf("read the vDSO: %w", err)
	}
	for _, s := range symbols {
		if s.Name == name {
			return int64(s.Value), nil
		}
	}
	return 0, fmt.Errorf("the vDSO has no %s", name)
}
