package replication

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// listFSM keeps the commands it was given, in order, and on save writes them to
// a file that it reads again when it is opened.
type listFSM struct {
	fs   vfs.FS
	path string

	mu      sync.Mutex
	list    []string
	at      []uint64 // index of each
	applied uint64
	durable uint64
}

func openListFSM(t testing.TB, fs vfs.FS, path string) *listFSM {
	t.Helper()
	f := &listFSM{fs: fs, path: path}
	file, err := fs.Open(path)
	if err != nil {
		return f // nothing was saved yet
	}
	defer file.Close()
	if err := f.load(file); err != nil {
		t.Fatal(err)
	}
	f.durable = f.applied
	return f
}

func (f *listFSM) Apply(index, _ uint64, cmd []byte) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	if index <= f.applied {
		return errors.New("applied before")
	}
	f.list, f.at, f.applied = append(f.list, string(cmd)), append(f.at, index), index
	return len(f.list)
}

func (f *listFSM) Applied() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied
}

func (f *listFSM) Durable() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.durable
}

func (f *listFSM) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.list...)
}

// save is the checkpoint of a listFSM.
func (f *listFSM) save() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.saveLocked()
}

func (f *listFSM) saveLocked() error {
	file, err := f.fs.Create(f.path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := f.write(file); err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := f.fs.Rename(f.path+".new", f.path); err != nil {
		return err
	}
	dir, err := f.fs.OpenDir(f.fs.PathDir(f.path))
	if err != nil {
		return err
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return err
	}
	f.durable = f.applied
	return nil
}

func (f *listFSM) WriteTo(w io.Writer) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write(w)
}

func (f *listFSM) ReadFrom(r io.Reader) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.at, f.applied, f.durable = nil, nil, 0, 0
	if err := f.load(r); err != nil {
		f.list, f.at, f.applied = nil, nil, 0
		return 0, err
	}
	return 0, f.saveLocked()
}

func (f *listFSM) write(w io.Writer) (int64, error) {
	b := bufio.NewWriter(w)
	b.Write(binary.AppendUvarint(nil, uint64(len(f.list))))
	for i, s := range f.list {
		b.Write(binary.AppendUvarint(nil, f.at[i]))
		b.Write(binary.AppendUvarint(nil, uint64(len(s))))
		b.WriteString(s)
	}
	return 0, b.Flush()
}

func (f *listFSM) load(r io.Reader) error {
	b := bufio.NewReader(r)
	n, err := binary.ReadUvarint(b)
	for ; n > 0 && err == nil; n-- {
		var at, size uint64
		if at, err = binary.ReadUvarint(b); err != nil {
			break
		}
		if size, err = binary.ReadUvarint(b); err != nil {
			break
		}
		s := make([]byte, size)
		if _, err = io.ReadFull(b, s); err != nil {
			break
		}
		f.list, f.at, f.applied = append(f.list, string(s)), append(f.at, at), at
	}
	if err != nil {
		return fmt.Errorf("loading a list: %w", err)
	}
	return nil
}
