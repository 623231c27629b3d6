package pgwire

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirdb/weir/internal/vec"
)

// everyType returns a column and a value of each type that clients know.
func everyType() (cols []Column, row []vec.Value) {
	amount, _, _ := apd.NewFromString("-12345.6780")
	for _, c := range []struct {
		t vec.Type
		x vec.Value
	}{
		{vec.Of(vec.Bool), true},
		{vec.Of(vec.Int16), int64(-7)},
		{vec.Of(vec.Int32), int64(1 << 30)},
		{vec.Of(vec.Int64), int64(-1 << 62)},
		{vec.Of(vec.Float32), 1.5},
		{vec.Of(vec.Float64), 1e300},
		{vec.Of(vec.Decimal), amount},
		{vec.Of(vec.Text), "é\t\"x\""},
		{gtName.Type, "short"},
		{vec.Of(vec.Bytes), []byte{0, 1, 0xff, '\\'}},
		{vec.Of(vec.Date), int64(19782)},
		{vec.Of(vec.Time), int64(36672500000)},
		{vec.Of(vec.Timestamp), int64(1709201472123456)},
		{vec.Of(vec.TimestampTZ), int64(1709201472123456)},
		{vec.Of(vec.Interval), vec.IntervalValue{Months: 14, Days: -3, Micros: 14706789000}},
		{vec.Of(vec.JSON), `{"a": [1, 2]}`},
		{vec.Of(vec.JSONB), `{"a": [1, 2]}`},
		{vec.Of(vec.UUID), vec.UUIDValue{0xa0, 0xee, 15: 1}},
		{vec.ArrayOf(vec.Of(vec.Int32)), []vec.Value{int64(1), nil, int64(3)}},
		{vec.ArrayOf(vec.Of(vec.Text)), []vec.Value{"a,b", nil, ""}},
	} {
		cols = append(cols, column(strings.ReplaceAll(c.t.String(), " ", "_"), c.t))
		row = append(row, c.x)
	}
	return cols, row
}

// Each type comes back from pgx as the same Go value in text and in binary, and
// goes in again as a parameter in both.
func TestEveryTypeInBothFormats(t *testing.T) {
	addr, _ := serve(t, Config{Backend: newFake()})
	c := connect(t, addr, "")
	cols, _ := everyType()
	values := func(sql string, format int16, args ...any) (all [][]any) {
		t.Helper()
		formats := pgx.QueryResultFormats{format}
		rows, err := c.Query(context.Background(), sql, append([]any{formats}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			row, err := rows.Values()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, row)
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
		return all
	}
	text, bin := values("select types", pgx.TextFormatCode), values("select types", pgx.BinaryFormatCode)
	for i, col := range cols {
		if text[0][i] == nil || !reflect.DeepEqual(text[0][i], bin[0][i]) {
			t.Errorf("%s: %#v as text, %#v in binary", col.Name, text[0][i], bin[0][i])
		}
		if text[1][i] != nil || bin[1][i] != nil {
			t.Errorf("%s: NULL came as %v and %v", col.Name, text[1][i], bin[1][i])
		}
	}
	// The raw forms, to use them as parameters.
	raw := func(format int16) [][]byte {
		r := c.PgConn().ExecParams(context.Background(), "select types", nil, nil, nil, []int16{format}).Read()
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r.Rows[0]
	}
	for _, in := range []int16{pgx.TextFormatCode, pgx.BinaryFormatCode} {
		r := c.PgConn().ExecParams(context.Background(), "select types again", raw(in), nil, []int16{in}, []int16{pgx.TextFormatCode}).Read()
		if r.Err != nil {
			t.Fatalf("parameters in format %d: %v", in, r.Err)
		}
		for i, want := range raw(pgx.TextFormatCode) {
			if got := r.Rows[0][i]; string(got) != string(want) {
				t.Errorf("%s: sent in format %d, came back as %q instead of %q", cols[i].Name, in, got, want)
			}
		}
	}
}

// pgx copies in the binary format.
func TestPgxCopyFrom(t *testing.T) {
	b := newFake()
	addr, _ := serve(t, Config{Backend: b})
	c := connect(t, addr, "")
	var in strings.Builder
	for range 5000 {
		in.WriteString("100\tsome name\n")
	}
	tag, err := c.PgConn().CopyFrom(context.Background(), strings.NewReader(in.String()), "copy gt(id,name) from stdin")
	if err != nil || tag.RowsAffected() != 5000 {
		t.Errorf("text: %v, %v", tag, err)
	}
	var out strings.Builder
	if _, err := c.PgConn().CopyTo(context.Background(), &out, "copy gt to stdout (format binary)"); err != nil {
		t.Fatal(err)
	}
	tag, err = c.PgConn().CopyFrom(context.Background(), strings.NewReader(out.String()), "copy gt(id,name) from stdin (format binary)")
	if err != nil || tag.RowsAffected() != 2 {
		t.Errorf("binary: %v, %v", tag, err)
	}
	if n := len(b.ids); n != 5+5000+2 {
		t.Errorf("%d rows", n)
	}
}

// Notifications and parameters reach a client that asks for nothing.
func TestIdleClientIsTold(t *testing.T) {
	told := make(chan string, 10)
	b := &tellingBackend{fakeBackend: newFake(), clients: make(chan *Client, 1)}
	addr, _ := serve(t, Config{Backend: b})
	cfg, err := pgx.ParseConfig("postgres://weir@" + addr + "/weir?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { told <- n.Channel + ":" + n.Payload }
	c, err := pgx.ConnectConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	client := <-b.clients
	client.Parameter("in_hot_standby", "on")
	client.Notify(7, "ch", "one")
	go client.Notify(7, "ch", "two")
	for range 2 {
		if err := c.PgConn().WaitForNotification(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := <-told, <-told; a != "ch:one" || b != "ch:two" {
		t.Errorf("told %s, %s", a, b)
	}
	// In a transaction block they wait for its end.
	if _, err := c.Exec(context.Background(), "begin"); err != nil {
		t.Fatal(err)
	}
	client.Notify(7, "ch", "three")
	if _, err := c.Exec(context.Background(), "select 1"); err != nil || len(told) != 0 {
		t.Errorf("%v; %d notifications inside of a block", err, len(told))
	}
	if _, err := c.Exec(context.Background(), "commit"); err != nil || len(told) != 1 {
		t.Errorf("%v; %d notifications after the block", err, len(told))
	}
	if v := c.PgConn().ParameterStatus("in_hot_standby"); v != "on" {
		t.Errorf("in_hot_standby = %q", v)
	}
}

type tellingBackend struct {
	*fakeBackend
	clients chan *Client
}

func (b *tellingBackend) Connect(ctx context.Context, s Startup, c *Client) (Session, error) {
	b.clients <- c
	return b.fakeBackend.Connect(ctx, s, c)
}
