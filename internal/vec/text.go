package vec

import (
	"fmt"
	"time"
)

// TextFormat is how a session wants values written. The nil TextFormat is
// PostgreSQL's ISO style in UTC.
type TextFormat struct {
	Zone *time.Location // for timestamptz; nil is UTC
}

// AppendText appends row i of v as PostgreSQL's text output writes it; nothing
// for a null.
func AppendText(dst []byte, v *Vec, i int, f *TextFormat) []byte {
	if x := v.Get(i); x != nil {
		dst = fmt.Append(dst, x)
	}
	return dst
}
