package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// defaultGOGC trades memory for speed as databases do: what a step allocates is
// little, what is live is much and pointer-free, so a collection costs the same
// whether it comes early or late. The memory limit reins it in.
const defaultGOGC = 200

// tuneMemory sets the collector for a database, except what the environment has set.
func tuneMemory(getenv func(string) string) {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(defaultGOGC)
	}
	if getenv("GOMEMLIMIT") == "" {
		if have := memoryAvailable(os.ReadFile); have > 0 {
			debug.SetMemoryLimit(have / 4 * 3)
		}
	}
}

// memoryAvailable returns the bytes of memory that the control group may use, else
// those of the machine, 0 if unknown (not Linux).
func memoryAvailable(read func(string) ([]byte, error)) int64 {
	best := int64(math.MaxInt64)
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if b, err := read(name); err == nil { // "max" is no number and no limit
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
				best = min(best, n)
			}
		}
	}
	if b, err := read("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
				if kb, err := strconv.ParseInt(f[1], 10, 64); err == nil && kb > 0 {
					best = min(best, kb<<10)
				}
			}
		}
	}
	if best == math.MaxInt64 {
		return 0
	}
	return best
}
