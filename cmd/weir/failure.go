package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/weirdb/weir/engine"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/storage"
)

// listenError says that an address cannot be listened on.
type listenError struct {
	flag, addr string
	err        error
}

func (e *listenError) Error() string { return fmt.Sprintf("%s %s: %v", e.flag, e.addr, e.err) }
func (e *listenError) Unwrap() error { return e.err }

// explain returns the one line that a person at the command line is told about err:
// what is wrong and what can be done about it.
func explain(err error) string {
	var listening *listenError
	var pg *pgerr.Error
	switch {
	case errors.As(err, &listening):
		return explainListen(listening)
	case errors.Is(err, engine.ErrForeign), errors.Is(err, engine.ErrNewer), errors.Is(err, storage.ErrForeign), errors.Is(err, storage.ErrNewer):
		return oneLine(err.Error()) + "; give another one with --data"
	case errors.Is(err, syscall.EAGAIN), strings.Contains(err.Error(), "lock held by current process"):
		return oneLine(err.Error()) + "; another weir is running on this data directory"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return oneLine(err.Error()) + "; the data directory has to be writable"
	case errors.As(err, &pg):
		if pg.Hint != "" {
			return oneLine(err.Error() + "; " + pg.Hint)
		}
	}
	return oneLine(err.Error())
}

func explainListen(e *listenError) string {
	switch {
	case errors.Is(e.err, syscall.EADDRINUSE):
		return fmt.Sprintf("%s %s: the port is taken by another program; choose another one, or 0 for any free one", e.flag, e.addr)
	case errors.Is(e.err, syscall.EACCES):
		return fmt.Sprintf("%s %s: ports below 1024 need more rights; choose a higher one", e.flag, e.addr)
	case errors.Is(e.err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%s %s: this machine does not have that address", e.flag, e.addr)
	}
	return oneLine(e.Error())
}

// oneLine puts joined errors on one line.
func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }
