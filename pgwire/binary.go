package pgwire

import (
	"strconv"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

func appendBinary(dst []byte, v *vec.Vec, i int, f *vec.TextFormat) []byte {
	return vec.AppendText(dst, v, i, f)
}

func parseBinary(t vec.Type, raw []byte) (vec.Value, error) {
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "binary parameters of type %s are not supported", t)
}

func parseText(t vec.Type, s string, f *vec.TextFormat) (vec.Value, error) {
	switch t.Kind {
	case vec.Int16, vec.Int32, vec.Int64:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, pgerr.Newf(pgerr.InvalidTextRep, "invalid input syntax for type %s: %q", t, s)
		}
		return n, nil
	}
	return s, nil
}
