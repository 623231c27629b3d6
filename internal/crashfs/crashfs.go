// Package crashfs lets tests stand beside every sync of a disk: to crash it
// there, to delay it, or to skip it. It knows nothing of what is written.
package crashfs

import "github.com/cockroachdb/pebble/v2/vfs"

// Watch returns fs with its syncs going through sync: of files and of
// directories. sync is called with the file's name and what makes it durable,
// from the goroutines of whoever syncs, several at once; what it returns is what
// they get.
func Watch(fs vfs.FS, sync func(name string, do func() error) error) vfs.FS {
	return &watched{fs, sync}
}

type watched struct {
	vfs.FS
	sync func(name string, do func() error) error
}

type file struct {
	vfs.File
	fs   *watched
	name string
}

func (fs *watched) wrap(f vfs.File, err error, name string) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{f, fs, name}, nil
}

func (fs *watched) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return fs.wrap(f, err, name)
}

func (fs *watched) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	return fs.wrap(f, err, name)
}

func (fs *watched) OpenDir(name string) (vfs.File, error) {
	f, err := fs.FS.OpenDir(name)
	return fs.wrap(f, err, name)
}

func (fs *watched) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldname, newname, c)
	return fs.wrap(f, err, newname)
}

func (f *file) Sync() error     { return f.fs.sync(f.name, f.File.Sync) }
func (f *file) SyncData() error { return f.fs.sync(f.name, f.File.SyncData) }

func (f *file) SyncTo(n int64) (full bool, err error) {
	err = f.fs.sync(f.name, func() (err error) {
		full, err = f.File.SyncTo(n)
		return err
	})
	return full, err
}
