package source

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirdb/weir/internal/format"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
	"github.com/weirdb/weir/storage/batch"
)

// A Broken record could not be read as the scan's schema says.
type Broken struct {
	Offset     int64
	Time       int64 // of the record, ms
	Key, Value []byte
	Reason     error
}

// Config is what a Decoder is made from.
type Config struct {
	Scan      *plan.Scan
	Partition int32
	// Changes: the topic is a log between two stages whose values begin with
	// the row's vec.Op (AppendOp).
	Changes bool
	// Bad is told of broken records; their slices are valid during the call.
	Bad func(Broken)
	// ParseTime reads a text timestamp in Scan.TimeFormat, giving ms. It must be
	// set if the scan's time column is text.
	ParseTime func(s string) (int64, error)
}

// AppendOp starts the value of a record in a log that keeps changes.
func AppendOp(dst []byte, op vec.Op) []byte { return append(dst, byte(op)) }

// Rows are the rows of consecutive records, at most vec.MaxRows.
type Rows struct {
	vec.Batch
	// Next is the offset after the last record that was looked at, be it broken
	// or skipped.
	Next storage.Offset
}

// A Decoder reads record batches of one partition. It belongs to one goroutine.
type Decoder struct {
	cfg   Config
	scan  *plan.Scan
	key   side
	value side
	// cols are the columns of the scan; those of key and value fields are also
	// in key.cols and value.cols.
	cols    []*vec.Vec
	special []int // columns that are taken from elsewhere

	raw     []byte // record batches not yet looked at
	from    int64  // records below it are skipped
	next    int64
	dec     batch.Decoder
	recs    batch.Records
	last    int64 // offset of the open batch
	inBatch bool
	// compressed: the open batch is; packed: some of the current rows are of a
	// compressed batch.
	compressed, packed bool

	// What is known of the records of the current Rows.
	recOff   []int64
	recTime  []int64
	recHead  []batch.Headers
	ops      []vec.Op
	winStart []int64
	winEnd   []int64
	time     []int64
	broken   []bool
	anyBad   bool
	anyOp    bool
	anyHead  bool
	sel      []uint16
	headers  vec.Vec
	rows     Rows
	scratch  []byte
}

// side is one side of the records: key or value.
type side struct {
	dec  format.Decoder
	cols []*vec.Vec
	data [][]byte
}

// New compiles a Decoder.
func New(cfg Config) (*Decoder, error) {
	d := &Decoder{cfg: cfg, scan: cfg.Scan}
	var wantKey, wantValue []int
	for i, c := range d.scan.Cols {
		v := vec.New(c.Type)
		d.cols = append(d.cols, v)
		switch c.Kind {
		case plan.KeyField:
			wantKey = append(wantKey, c.Index)
			d.key.cols = append(d.key.cols, v)
		case plan.ValueField:
			wantValue = append(wantValue, c.Index)
			d.value.cols = append(d.value.cols, v)
		default:
			d.special = append(d.special, i)
		}
	}
	var err error
	// A table's key is looked at even if the query does not read it: a record
	// without one is ignored.
	if d.key.dec, err = newSide(d.scan.Codec.Key, wantKey); err != nil {
		return nil, err
	}
	if d.value.dec, err = newSide(d.scan.Codec.Value, wantValue); err != nil {
		return nil, err
	}
	if tf := d.scan.TimeField; tf >= 0 && d.cols[tf].Type.Kind == vec.Text && cfg.ParseTime == nil {
		return nil, fmt.Errorf("source: no parser for the text timestamps of %s", d.scan.Name)
	}
	return d, nil
}

func newSide(f plan.Format, want []int) (format.Decoder, error) {
	if len(want) == 0 {
		return nil, nil
	}
	return format.NewDecoder(Spec(f), want)
}

// Spec is f in the words of package format.
func Spec(f plan.Format) format.Spec {
	return format.Spec{Name: f.Name, Fields: f.Fields, Delimiter: f.Delimiter, Wrap: f.Wrap}
}

// Reset gives the decoder record batches to read, from offset from on. raw must
// stay as it is until Next has returned nil or Reset is called again.
func (d *Decoder) Reset(raw []byte, from storage.Offset) {
	d.raw, d.from, d.next, d.inBatch = raw, int64(from), int64(from), false
}

// Next returns the next rows, or nil if there are no more record batches. The
// rows are valid until the next call; they may be none, with only Next moved.
// An error means that a record batch is malformed: nothing after it can be read.
func (d *Decoder) Next() (*Rows, error) {
	if len(d.raw) == 0 && !d.inBatch {
		return nil, nil
	}
	d.begin()
	for !d.full() {
		if !d.inBatch {
			ok, err := d.open()
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			continue
		}
		if err := d.take(); err != nil {
			return nil, err
		}
	}
	return d.finish(), nil
}

// Record returns the offset and the bytes of the record at a row of what Next
// last returned. The bytes are valid as long as those rows.
func (d *Decoder) Record(row int) (offset int64, key, value []byte) {
	return d.recOff[row], d.key.data[row], d.value.data[row]
}

// open starts the next record batch; false if the rows must end here.
func (d *Decoder) open() (bool, error) {
	for len(d.raw) > 0 {
		v, rest, err := batch.Next(d.raw)
		if err != nil {
			return false, err
		}
		if v.Control() || v.LastOffset() < d.from {
			d.raw = rest
			d.next = max(d.next, v.LastOffset()+1)
			continue
		}
		if v.Codec() != batch.None {
			if d.packed {
				return false, nil // there is one decompression buffer, and rows point into it
			}
			d.packed = true
		}
		if d.recs, err = d.dec.Records(v); err != nil {
			return false, fmt.Errorf("record batch at offset %d: %w", v.BaseOffset(), err)
		}
		d.raw, d.last, d.inBatch = rest, v.LastOffset(), true
		d.compressed = d.packed && v.Codec() != batch.None
		return true, nil
	}
	return false, nil
}

// take reads records of the open batch until it or the rows are full.
func (d *Decoder) take() error {
	var r batch.Record
	for !d.full() {
		if !d.recs.Next(&r) {
			d.inBatch = false
			d.next = max(d.next, d.last+1)
			return d.recs.Err()
		}
		if r.Offset < d.from {
			continue
		}
		d.next = r.Offset + 1
		d.add(&r)
	}
	return nil
}

// full tells whether the rows must end here. They do not end between the two rows
// of an update.
func (d *Decoder) full() bool {
	n := len(d.recOff)
	return n == vec.MaxRows || d.cfg.Changes && n == vec.MaxRows-1 && d.ops[n-1] != vec.UpdateBefore
}

func (d *Decoder) begin() {
	d.recOff, d.recTime, d.recHead = d.recOff[:0], d.recTime[:0], d.recHead[:0]
	d.key.data, d.value.data = d.key.data[:0], d.value.data[:0]
	d.ops, d.winStart, d.winEnd = d.ops[:0], d.winStart[:0], d.winEnd[:0]
	d.anyBad, d.anyOp, d.anyHead = false, false, false
	d.packed = d.inBatch && d.compressed
}

var (
	errNullKey  = errors.New("the key of a table's record is null")
	errNoOp     = errors.New("no op byte")
	errNegative = errors.New("the timestamp is negative")
	errNullTime = errors.New("the timestamp is null")
)

// add takes in one record.
func (d *Decoder) add(r *batch.Record) {
	key, value, op := r.Key, r.Value, vec.Insert
	if d.scan.Table && key == nil && !d.cfg.Changes {
		return // tables ignore records without a key; logs between stages have none
	}
	var start, end int64
	if d.scan.Codec.Window != plan.NoWindow {
		var err error
		if key, start, end, err = d.window(key); err != nil {
			d.bad(r, err)
			return
		}
	}
	switch {
	case d.cfg.Changes:
		if len(value) == 0 || vec.Op(value[0]) > vec.Delete {
			d.bad(r, errNoOp)
			return
		}
		op, value = vec.Op(value[0]), value[1:]
	case value == nil:
		op = vec.Delete
	}
	d.anyOp = d.anyOp || op != vec.Insert
	d.anyHead = d.anyHead || len(r.Headers) > 0
	d.recOff = append(d.recOff, r.Offset)
	d.recTime = append(d.recTime, r.Timestamp)
	d.recHead = append(d.recHead, r.Headers)
	d.key.data = append(d.key.data, key)
	d.value.data = append(d.value.data, value)
	d.ops = append(d.ops, op)
	d.winStart = append(d.winStart, start)
	d.winEnd = append(d.winEnd, end)
}

// window splits the window off a key.
func (d *Decoder) window(key []byte) (k []byte, start, end int64, err error) {
	if key == nil {
		return nil, 0, 0, errNullKey
	}
	if d.scan.Codec.Window == plan.Session {
		return format.SplitSessionWindow(key)
	}
	k, start, err = format.SplitTimeWindow(key)
	return k, start, start + d.scan.Codec.WindowSize, err
}

func (d *Decoder) bad(r *batch.Record, err error) {
	if d.cfg.Bad != nil {
		d.cfg.Bad(Broken{r.Offset, r.Timestamp, r.Key, r.Value, err})
	}
}

func (d *Decoder) badRow(i int, err error) {
	if !d.anyBad {
		d.anyBad = true
		d.broken = append(d.broken[:0], make([]bool, len(d.recOff))...)
	}
	if !d.broken[i] && d.cfg.Bad != nil {
		d.cfg.Bad(Broken{d.recOff[i], d.recTime[i], d.key.data[i], d.value.data[i], err})
	}
	d.broken[i] = true
}

// finish decodes the records taken into columns.
func (d *Decoder) finish() *Rows {
	n := len(d.recOff)
	d.rows = Rows{Next: storage.Offset(d.next)}
	if n == 0 {
		d.rows.Cols = d.cols
		for i, c := range d.cols {
			c.Reset(d.scan.Cols[i].Type, 0)
		}
		return &d.rows
	}
	if d.key.dec != nil {
		d.key.dec.Decode(d.key.data, d.key.cols, d.badRow)
	}
	if d.value.dec != nil {
		d.value.dec.Decode(d.value.data, d.value.cols, d.badRow)
	}
	d.fillSpecial(n)
	b := &d.rows.Batch
	b.N, b.Cols, b.Time = n, d.cols, d.recTime
	if d.anyOp {
		b.Ops = d.ops
	}
	if d.anyHead {
		b.Headers = d.headerColumn(n)
	}
	if d.scan.TimeField >= 0 {
		d.extractTime(n)
		b.Time = d.time
	}
	if d.anyBad {
		if d.sel == nil {
			d.sel = make([]uint16, 0, n) // nil would mean all
		}
		d.sel = d.sel[:0]
		for i, bad := range d.broken {
			if !bad {
				d.sel = append(d.sel, uint16(i))
			}
		}
		b.Sel = d.sel
	}
	return &d.rows
}

func (d *Decoder) fillSpecial(n int) {
	for _, i := range d.special {
		c, sc := d.cols[i], &d.scan.Cols[i]
		c.Reset(sc.Type, n)
		switch sc.Kind {
		case plan.RowTime:
			copy(c.Ints, d.recTime) // made right by extractTime
		case plan.RowPartition:
			for r := range c.Ints {
				c.Ints[r] = int64(d.cfg.Partition)
			}
		case plan.RowOffset:
			copy(c.Ints, d.recOff)
		case plan.WindowStart:
			copy(c.Ints, d.winStart)
		case plan.WindowEnd:
			copy(c.Ints, d.winEnd)
		case plan.Headers:
			for r, h := range d.recHead {
				d.scratch = appendHeaders(d.scratch[:0], h)
				c.SetBytes(r, d.scratch)
			}
		case plan.Header:
			for r, h := range d.recHead {
				setHeader(c, r, h, sc.Name)
			}
		}
	}
}

// extractTime takes event times from the scan's time column; rows without one
// are broken.
func (d *Decoder) extractTime(n int) {
	c := d.cols[d.scan.TimeField]
	d.time = append(d.time[:0], d.recTime...)
	for i := range n {
		if d.ops[i] == vec.Delete && d.value.data[i] == nil && d.scan.Cols[d.scan.TimeField].Kind == plan.ValueField {
			continue // a NULL value has the record's own time
		}
		if d.anyBad && d.broken[i] {
			continue
		}
		ms, err := d.timeOf(c, i)
		if err != nil {
			d.badRow(i, err)
			continue
		}
		d.time[i] = ms
	}
	for _, i := range d.special {
		if d.scan.Cols[i].Kind == plan.RowTime {
			copy(d.cols[i].Ints, d.time)
		}
	}
}

func (d *Decoder) timeOf(c *vec.Vec, i int) (ms int64, err error) {
	if c.Null(i) {
		return 0, errNullTime
	}
	switch c.Type.Kind {
	case vec.Timestamp, vec.TimestampTZ:
		ms = c.Ints[i] / 1000
	case vec.Text:
		if ms, err = d.cfg.ParseTime(string(c.Bytes(i))); err != nil {
			return 0, err
		}
	default:
		ms = c.Ints[i]
	}
	if ms < 0 {
		return 0, errNegative
	}
	return ms, nil
}

func (d *Decoder) headerColumn(n int) *vec.Vec {
	d.headers.Reset(vec.Of(vec.Bytes), n)
	for i, h := range d.recHead {
		if len(h) == 0 {
			d.headers.SetNull(i)
			continue
		}
		d.headers.SetBytes(i, h)
	}
	return &d.headers
}

// appendHeaders appends headers as an array of struct(key text, value bytea) in
// the row encoding.
func appendHeaders(dst []byte, h batch.Headers) []byte {
	if len(h) == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(h.Len()))
	var one []byte
	for k, v := range h.All {
		one = append(one[:0], 1)
		one = binary.AppendUvarint(one, uint64(len(k)))
		one = append(one, k...)
		if v == nil {
			one = append(one, 0)
		} else {
			one = append(one, 1)
			one = binary.AppendUvarint(one, uint64(len(v)))
			one = append(one, v...)
		}
		dst = append(dst, 1)
		dst = binary.AppendUvarint(dst, uint64(len(one)))
		dst = append(dst, one...)
	}
	return dst
}

// setHeader makes row i the value of the last header called name.
func setHeader(c *vec.Vec, i int, h batch.Headers, name string) {
	found := false
	if len(h) > 0 {
		for k, v := range h.All {
			if string(k) != name {
				continue
			}
			if found = v != nil; found {
				c.SetBytes(i, v)
			}
		}
	}
	if !found {
		c.SetNull(i)
	}
}
