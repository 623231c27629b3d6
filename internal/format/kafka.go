package format

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/weirdb/weir/internal/vec"
)

// The KAFKA format is what the serializers of Kafka's own clients write: one
// field, numbers big endian in their width, text in UTF-8, bytes as they are
// (org.apache.kafka.common.serialization).

type kafkaDecoder struct{ types []vec.Type } // the one field's, for each column that asks for it

func newKafkaDecoder(s Spec, want []int) *kafkaDecoder {
	d := new(kafkaDecoder)
	for range want {
		d.types = append(d.types, s.Fields[0].Type)
	}
	return d
}

func (d *kafkaDecoder) Decode(data [][]byte, cols []*vec.Vec, bad func(int, error)) {
	decodeRows(d, d.types, data, cols, bad)
}

func (d *kafkaDecoder) row(cols []*vec.Vec, i int, b []byte) error {
	for _, c := range cols {
		if err := setKafka(c, i, b); err != nil {
			return err
		}
	}
	return nil
}

// kafkaWidth is the bytes of a kind of fixed width.
func kafkaWidth(k vec.Kind) int {
	switch k {
	case vec.Int16:
		return 2
	case vec.Int32, vec.Float32:
		return 4
	case vec.Int64, vec.Float64:
		return 8
	}
	return 0
}

func setKafka(v *vec.Vec, i int, b []byte) error {
	if w := kafkaWidth(v.Type.Kind); w != 0 && len(b) != w {
		return fmt.Errorf("%s in the KAFKA format takes %d bytes, not %d", kindName(v.Type), w, len(b))
	}
	switch v.Type.Kind {
	case vec.Int16:
		v.Ints[i] = int64(int16(binary.BigEndian.Uint16(b)))
	case vec.Int32:
		v.Ints[i] = int64(int32(binary.BigEndian.Uint32(b)))
	case vec.Int64:
		v.Ints[i] = int64(binary.BigEndian.Uint64(b))
	case vec.Float32:
		v.Floats[i] = float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case vec.Float64:
		v.Floats[i] = math.Float64frombits(binary.BigEndian.Uint64(b))
	case vec.Bytes:
		v.SetBytes(i, b)
	case vec.UUID: // UUIDSerializer writes its text
		var u vec.UUIDValue
		if !parseUUID(&u, b) {
			return cannotRead(b, v.Type)
		}
		v.SetBytes(i, u[:])
	default:
		if !utf8.Valid(b) {
			return errUTF8
		}
		v.SetBytes(i, b)
	}
	return nil
}

type kafkaEncoder struct{ kind vec.Kind }

func (e *kafkaEncoder) Append(dst []byte, cols []*vec.Vec, row int) ([]byte, bool, error) {
	v := cols[0]
	row = v.Row(row)
	if v.Nulls.Has(row) {
		return dst, true, nil
	}
	switch e.kind {
	case vec.Int16:
		dst = binary.BigEndian.AppendUint16(dst, uint16(v.Ints[row]))
	case vec.Int32:
		dst = binary.BigEndian.AppendUint32(dst, uint32(v.Ints[row]))
	case vec.Int64:
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.Ints[row]))
	case vec.Float32:
		dst = binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(v.Floats[row])))
	case vec.Float64:
		dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Floats[row]))
	case vec.UUID:
		dst = appendUUID(dst, v.Bytes(row))
	default:
		dst = append(dst, v.Bytes(row)...)
	}
	return dst, false, nil
}
