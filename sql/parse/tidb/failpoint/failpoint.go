// Package failpoint keeps the library of that name, which the TiDB parser links,
// from what it does when a program starts: switching on the failures named by
// GO_FAILPOINTS and opening the HTTP listener of GO_FAILPOINTS_HTTP. It must be
// initialized first. Go does so because it needs nothing but os, while the library
// waits for net/http (language specification, "Program initialization": of the
// packages that are ready the first by import path, which leaves net/http for
// later). TestEnvironment of the package above holds it.
package failpoint

import "os"

func init() {
	os.Unsetenv("GO_FAILPOINTS")
	os.Unsetenv("GO_FAILPOINTS_HTTP")
}
