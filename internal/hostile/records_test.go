package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/klauspost/compress/gzip"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirdb/weir/storage/batch"
)

// Where the fields of a record batch are (Kafka's RecordBatch, magic 2).
const (
	lengthAt   = 8
	magicAt    = 16
	crcAt      = 17
	attrsAt    = 21
	deltaAt    = 23
	countAt    = 57
	headerSize = 61
)

// goodBatch is a batch that the node takes.
func goodBatch(t *testing.T) []byte {
	t.Helper()
	var b batch.Builder
	b.Append(1000, nil, []byte(`{"v":"x"}`))
	b.Append(1001, nil, []byte(`{"v":"y"}`))
	out, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(out)
}

// sealed gives b the length and the check sum that it should have: what is wrong with
// it is inside.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[attrsAt:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// produce sends records as they are and returns Kafka's error code; an end of the
// connection is an answer as well.
func produce(t *testing.T, n *node, topic string, records []byte) error {
	t.Helper()
	c, err := net.Dial("tcp", n.kafka)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 8, -1, 10_000
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: records}}}}
	if _, err := c.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)); err != nil {
		t.Fatal(err)
	}
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = 8
	if err := resp.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

// TestBatches produces broken record batches. Each is refused whole, with a code that
// tells the client not to try again, and the log stays as it was.
func TestBatches(t *testing.T) {
	n := start(t, vfs.NewMem(), settings{})
	w := watch(n)
	c := n.connect()
	exec(t, c, `CREATE STREAM bait (v TEXT) WITH (topic = 'bait', partitions = 1, value_format = 'JSON')`)
	if err := produce(t, n, "bait", goodBatch(t)); err != nil {
		t.Fatalf("a good batch: %v", err)
	}
	put32 := func(at int, v uint32) func(b []byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], v); return sealed(b) }
	}
	for _, bad := range []struct {
		name  string
		spoil func(b []byte) []byte
		want  error
	}{
		{"nothing", func([]byte) []byte { return nil }, kerr.InvalidRecord},
		{"half a header", func(b []byte) []byte { return b[:30] }, kerr.CorruptMessage},
		{"truncated", func(b []byte) []byte { return b[:len(b)-1] }, kerr.CorruptMessage},
		{"check sum", func(b []byte) []byte { b[crcAt]++; return b }, kerr.CorruptMessage},
		{"a bit of a record", func(b []byte) []byte { b[headerSize+5] ^= 1; return b }, kerr.CorruptMessage},
		{"length 0", func(b []byte) []byte { binary.BigEndian.PutUint32(b[lengthAt:], 0); return b }, kerr.CorruptMessage},
		{"length below 0", func(b []byte) []byte { binary.BigEndian.PutUint32(b[lengthAt:], 0xffffffff); return b }, kerr.CorruptMessage},
		{"length beyond all", func(b []byte) []byte { binary.BigEndian.PutUint32(b[lengthAt:], 0x7fffffff); return b }, kerr.CorruptMessage},
		{"magic 0", func(b []byte) []byte { b[magicAt] = 0; return b }, kerr.UnsupportedForMessageFormat},
		{"magic 1", func(b []byte) []byte { b[magicAt] = 1; return b }, kerr.UnsupportedForMessageFormat},
		{"magic 3", func(b []byte) []byte { b[magicAt] = 3; return b }, kerr.UnsupportedForMessageFormat},
		{"count too high", put32(countAt, 3), kerr.InvalidRecord},
		{"count beyond all", put32(countAt, 0x7fffffff), kerr.InvalidRecord},
		{"count below 0", put32(countAt, 0xffffffff), kerr.InvalidRecord},
		{"count 0", put32(countAt, 0), kerr.InvalidRecord},
		{"last offset", put32(deltaAt, 7), kerr.InvalidRecord},
		{"a control batch", func(b []byte) []byte { b[attrsAt+1] |= 0x20; return sealed(b) }, kerr.InvalidRecord},
		{"an unknown codec", func(b []byte) []byte { b[attrsAt+1] |= 7; return sealed(b) }, kerr.UnsupportedCompressionType},
		{"gzip that is none", func(b []byte) []byte { b[attrsAt+1] |= 1; return sealed(b) }, kerr.CorruptMessage},
		{"snappy that is none", func(b []byte) []byte { b[attrsAt+1] |= 2; return sealed(b) }, kerr.CorruptMessage},
		{"lz4 that is none", func(b []byte) []byte { b[attrsAt+1] |= 3; return sealed(b) }, kerr.CorruptMessage},
		{"zstd that is none", func(b []byte) []byte { b[attrsAt+1] |= 4; return sealed(b) }, kerr.CorruptMessage},
		{"a record longer than the batch", func(b []byte) []byte { b[headerSize] = 0xfe; return sealed(b) }, kerr.InvalidRecord},
		{"bytes after the last record", func(b []byte) []byte { return sealed(append(b, 1, 2, 3)) }, kerr.InvalidRecord},
		{"two, the second broken", func(b []byte) []byte {
			return append(bytes.Clone(b), func() []byte { c := bytes.Clone(b); c[crcAt]++; return c }()...)
		}, kerr.CorruptMessage},
		{"a compression bomb", func(b []byte) []byte { return bomb(t, b) }, kerr.MessageTooLarge},
		{"too large", func(b []byte) []byte { return sealed(append(b, make([]byte, 2<<20)...)) }, kerr.MessageTooLarge},
	} {
		if err := produce(t, n, "bait", bad.spoil(goodBatch(t))); err != bad.want {
			t.Errorf("%s: %v, want %v", bad.name, err, bad.want)
		}
	}
	if got := exec(t, c, `SELECT v FROM bait`); fmt.Sprint(got) != "[[x] [y]]" {
		t.Errorf("the log holds %v", got)
	}
	w.testify(n)
	w.unharmed()
}

// bomb returns a batch of half a megabyte that unpacks to half a gigabyte.
func bomb(t *testing.T, b []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 512 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if packed.Len() > 900<<10 {
		t.Fatalf("the bomb has %d bytes: it would be refused for its size", packed.Len())
	}
	b[attrsAt+1] |= 1
	return sealed(append(b[:headerSize], packed.Bytes()...))
}

// TestGarbage produces records that no JSON decoder reads into a topic that queries
// read. They are reported in weir.errors, and the queries go on.
func TestGarbage(t *testing.T) {
	n := start(t, vfs.NewMem(), settings{})
	w := watch(n)
	c := n.connect()
	exec(t, c, `CREATE STREAM orders (id BIGINT, amount INT) WITH (topic = 'orders', partitions = 1, value_format = 'JSON')`)
	exec(t, c, `CREATE TABLE totals AS SELECT id, sum(amount) AS total, count(*) AS n FROM orders GROUP BY id`)
	exec(t, c, `CREATE STREAM doubled AS SELECT id, amount * 2 AS twice FROM orders`)
	p := n.client(kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	garbage := []string{
		"", "x", "{", `{"id":`, `{"id":"x","amount":1}`, `{"id":1,"amount":99999999999}`, `{"id":1,"amount":{}}`, `[1]`, `"id"`, "7",
		"\xff\xfe", "\x00", `{"id":1,"amount":1e999}`, `{"id":1}{"id":2}`, string(bytes.Repeat([]byte("["), 100_000)),
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	good := 0
	for _, g := range garbage {
		good++
		for _, v := range []string{g, `{"id":5,"amount":10}`} {
			if err := p.ProduceSync(ctx, kgo.StringRecord(v)).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	exec(t, c, "FLUSH")
	if got, want := exec(t, c, `SELECT total, n FROM totals WHERE id = 5`), fmt.Sprintf("[[%d %d]]", 10*good, good); fmt.Sprint(got) != want {
		t.Errorf("totals %v, want %s", got, want)
	}
	if got, want := exec(t, c, `SELECT count(*) FROM doubled WHERE twice = 20`), fmt.Sprintf("[[%d]]", good); fmt.Sprint(got) != want {
		t.Errorf("doubled %v, want %s", got, want)
	}
	if got := exec(t, c, `SELECT state FROM weir.queries`); fmt.Sprint(got) != "[[RUNNING] [RUNNING]]" {
		t.Errorf("queries are %v", got)
	}
	for { // reports are written behind the queries' backs
		rows := exec(t, c, `SELECT DISTINCT record_offset, topic, reason FROM weir.errors ORDER BY record_offset`)
		if len(rows) >= len(garbage)-2 || ctx.Err() != nil {
			for _, r := range rows {
				t.Log(r)
			}
			if ctx.Err() != nil {
				t.Errorf("weir.errors has %d rows for %d broken records", len(rows), len(garbage))
			}
			break
		}
	}
	w.testify(n)
	w.unharmed()
}
