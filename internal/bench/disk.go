package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// disk measures what everything that is written is to be compared with: the
// sequential write of a file that is synced at its end, and of a small record
// that is synced each time.
func (b *bench) disk(context.Context) (err error) {
	const block, blocks, syncs = 1 << 20, 512, 200
	buf := make([]byte, block)
	rand.Read(buf)
	f, err := os.Create(filepath.Join(b.dir, "disk"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	began := time.Now()
	for range blocks {
		if _, err := f.Write(buf); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	say("disk, sequential write and one sync", "%.1f MB/s", block*blocks/1e6/time.Since(began).Seconds())
	took := make([]time.Duration, syncs)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(buf[:256]); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	say("disk, 256 bytes and a sync", "p50 %v, p99 %v", percentile(took, 50), percentile(took, 99))
	return nil
}

// percentile of sorted durations, to a microsecond.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)-1, len(sorted)*p/100)].Round(time.Microsecond)
}
