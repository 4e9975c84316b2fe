package limits

import (
	"fmt"
	"os"

	"github.com/shirou/gopsutil/v4/process"
)

// residentBytes is the memory that the process holds in RAM.
func residentBytes() (int64, error) {
	p, err := process.NewProcess(int32(os.Getpid()))
	if err != nil {
		return 0, fmt.Errorf("read own process: %w", err)
	}
	m, err := p.MemoryInfo()
	if err != nil {
		return 0, fmt.Errorf("read own memory: %w", err)
	}
	return int64(m.RSS), nil
}
