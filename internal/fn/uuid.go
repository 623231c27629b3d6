package fn

import (
	"crypto/rand"

	"github.com/weirdb/weir/internal/vec"
)

// randomUUID makes a UUID of version 4 (RFC 9562).
func randomUUID() vec.UUIDValue {
	var u vec.UUIDValue
	_, _ = rand.Read(u[:]) // never fails (crypto/rand)
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}
