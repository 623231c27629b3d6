package format

import "github.com/weirdb/weir/internal/vec"

// The NONE format has no fields. What a foreign record holds there is ignored.

type noneDecoder struct{}

func (noneDecoder) Decode([][]byte, []*vec.Vec, func(int, error)) {}

type noneEncoder struct{}

func (noneEncoder) Append(dst []byte, _ []*vec.Vec, _ int) ([]byte, bool, error) {
	return dst, true, nil
}
