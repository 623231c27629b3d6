package pgwire

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// fakeBackend is a database of one table, gt(id bigint, name varchar(20)) with
// the ids 1 to 5, and one stream, s, that is fed by the test. It understands just
// the statements that the tests send.
type fakeBackend struct {
	verifiers map[string]string

	mu  sync.Mutex
	ids []int64

	stream  chan *vec.Batch // rows of s; nil or closed: the query ends
	waiting chan struct{}   // told when a statement has started to wait
	closed  chan struct{}   // told when a session is closed
}

func newFake() *fakeBackend {
	return &fakeBackend{ids: []int64{1, 2, 3, 4, 5}, stream: make(chan *vec.Batch), waiting: make(chan struct{}, 100), closed: make(chan struct{}, 100)}
}

func (b *fakeBackend) Verifier(_ context.Context, user string) (string, error) {
	return b.verifiers[user], nil
}

func (b *fakeBackend) Connect(_ context.Context, st Startup, c *Client) (Session, error) {
	if st.Database != "weir" {
		return nil, pgerr.Newf("3D000", "database %q does not exist", st.Database)
	}
	if st.User != "weir" {
		return nil, pgerr.Newf("28000", "role %q does not exist", st.User)
	}
	s := &fakeSession{b: b, client: c, tx: 'I', settings: map[string]string{}}
	for _, set := range st.Settings {
		if err := s.set(set.Name, set.Value); err != nil {
			return nil, err
		}
	}
	return s, nil
}

type fakeSession struct {
	b        *fakeBackend
	client   *Client
	tx       byte
	pending  []int64 // inserted by the open transaction
	settings map[string]string
	local    bool // SET LOCAL was used
}

var reported = map[string]string{"application_name": "", "timezone": "Etc/UTC", "datestyle": "ISO, MDY", "client_encoding": "UTF8"}

func (s *fakeSession) set(name, value string) error {
	name = strings.ToLower(name)
	if _, ok := reported[name]; !ok && name != "work_mem" && name != "extra_float_digits" && !strings.Contains(name, ".") {
		return pgerr.Newf(pgerr.UndefinedObject, "unrecognized configuration parameter %q", name)
	}
	if value == "klingon" || value == "nope" {
		shown := map[string]string{"timezone": "TimeZone"}[name]
		if shown == "" {
			shown = name
		}
		return pgerr.Newf(pgerr.InvalidParameterValue, "invalid value for parameter %q: %q", shown, value)
	}
	s.settings[name] = value
	if _, ok := reported[name]; ok {
		s.client.Parameter(name, value)
	}
	return nil
}

type fakeStatement struct {
	text string // lower case, trimmed
	pos  int    // in the message
}

func (f fakeStatement) EndsTransaction() bool {
	return f.text == "commit" || strings.HasPrefix(f.text, "rollback")
}

func (s *fakeSession) Parse(sql string) (out []Statement, err error) {
	pos := 0
	for part := range strings.SplitSeq(sql, ";") {
		text := strings.TrimLeft(part, " \n")
		at := pos + len(part) - len(text)
		pos += len(part) + 1
		text = strings.ToLower(strings.TrimSpace(text))
		if text == "" || strings.HasPrefix(text, "--") {
			continue
		}
		for _, bad := range []string{"selec", "frm"} {
			if i := slices.Index(strings.Fields(text), bad); i >= 0 {
				return nil, pgerr.Newf(pgerr.SyntaxError, "syntax error at or near %q", bad).At(at + strings.Index(text, bad))
			}
		}
		out = append(out, fakeStatement{text, at})
	}
	return out, nil
}

func (s *fakeSession) TxStatus() byte { return s.tx }

func (s *fakeSession) Commit(context.Context) error {
	if s.tx == 'I' {
		s.b.mu.Lock()
		s.b.ids = append(s.b.ids, s.pending...)
		s.b.mu.Unlock()
		s.pending = nil
	}
	return nil
}

func (s *fakeSession) Fail() {
	if s.tx == 'T' {
		s.tx = 'E'
	}
	s.pending = nil
}

func (s *fakeSession) Setting(name string) string  { return s.settings[name] }
func (s *fakeSession) TextFormat() *vec.TextFormat { return nil }

func (s *fakeSession) Close() {
	select {
	case s.b.closed <- struct{}{}:
	default: // nobody counts that many
	}
}

type fakePrepared struct {
	params []vec.Type
	cols   []Column
	push   bool
	copy   *Copy
	run    func(ctx context.Context, a Args) (Result, error)
}

func (p *fakePrepared) Params() []vec.Type { return p.params }
func (p *fakePrepared) Columns() []Column  { return p.cols }
func (p *fakePrepared) Push() bool         { return p.push }
func (p *fakePrepared) Copy() *Copy        { return p.copy }

// fakeResult yields batches, from a slice, a channel, or both.
type fakeResult struct {
	batches []*vec.Batch
	stream  chan *vec.Batch
	waiting chan struct{}
	tag     string // with %d: the rows sent
	err     error
}

func (r *fakeResult) Next(ctx context.Context) (*vec.Batch, error) {
	if len(r.batches) > 0 {
		b := r.batches[0]
		r.batches = r.batches[1:]
		return b, nil
	}
	if r.err != nil {
		return nil, r.err
	}
	if r.stream == nil {
		return nil, io.EOF
	}
	select {
	case r.waiting <- struct{}{}:
	default:
	}
	select {
	case b, ok := <-r.stream:
		if !ok || b == nil {
			return nil, io.EOF
		}
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *fakeResult) Tag(sent int64) string {
	if strings.Contains(r.tag, "%d") {
		return fmt.Sprintf(r.tag, sent)
	}
	return r.tag
}

func (r *fakeResult) Close() {}

// table makes a batch of rows.
func table(cols []Column, rows ...[]vec.Value) *vec.Batch {
	b := &vec.Batch{N: len(rows)}
	for i, c := range cols {
		v := vec.New(c.Type)
		for _, r := range rows {
			v.Append(r[i])
		}
		b.Cols = append(b.Cols, v)
	}
	return b
}

func column(name string, t vec.Type) Column { return Column{Name: name, Type: t} }

var (
	gtID   = Column{Name: "id", Type: vec.Of(vec.Int64), Table: 16384, Attr: 1}
	gtName = Column{Name: "name", Type: vec.Type{Kind: vec.Text, OID: vec.OIDVarchar, Precision: 20}, Table: 16384, Attr: 2}
)

var (
	reInsert = regexp.MustCompile(`^insert into gt\(id\) values ?\((\$?\w+)\)$`)
	reSelect = regexp.MustCompile(`^select ((?:'[^']*'|\d+)(?: as \w+)?(?:, (?:'[^']*'|\d+))*)$`)
	reSet    = regexp.MustCompile(`^set ([\w.]+) ?= ?'?([^']*)'?$`)
	reFetch  = regexp.MustCompile(`^fetch (?:forward )?(\d+) from "?(\w+)"?$`)
	reCast   = regexp.MustCompile(`^select \$1::(\w+)$`)
)

func (s *fakeSession) Prepare(ctx context.Context, st Statement, params []uint32) (Prepared, error) {
	q := st.(fakeStatement)
	text := q.text
	command := func(tag string, do func() error) *fakePrepared {
		return &fakePrepared{run: func(context.Context, Args) (Result, error) { return &fakeResult{tag: tag}, do() }}
	}
	rows := func(tag string, cols []Column, rows ...[]vec.Value) *fakePrepared {
		return &fakePrepared{cols: cols, run: func(context.Context, Args) (Result, error) {
			return &fakeResult{batches: []*vec.Batch{table(cols, rows...)}, tag: tag}, nil
		}}
	}
	switch {
	case text == "begin":
		return command("BEGIN", func() error {
			if s.tx != 'I' {
				s.client.Notice("WARNING", pgerr.Newf("25001", "there is already a transaction in progress"))
			}
			s.tx = 'T'
			return nil
		}), nil
	case text == "commit" || text == "rollback":
		p := &fakePrepared{}
		p.run = func(ctx context.Context, _ Args) (Result, error) {
			tag := strings.ToUpper(text)
			switch s.tx {
			case 'I':
				s.client.Notice("WARNING", pgerr.Newf("25P01", "there is no transaction in progress"))
			case 'E':
				tag = "ROLLBACK"
			}
			if s.local {
				s.client.Parameter("TimeZone", s.settings["timezone"])
				s.local = false
			}
			if s.tx = 'I'; tag == "ROLLBACK" {
				s.pending = nil
			}
			return &fakeResult{tag: tag}, s.Commit(ctx)
		}
		return p, nil
	case reSelect.MatchString(text):
		return constants(text, rows)
	case text == "select 1/0":
		p := rows("SELECT %d", []Column{column("?column?", vec.Of(vec.Int32))})
		p.run = func(context.Context, Args) (Result, error) {
			return nil, pgerr.Newf(pgerr.DivisionByZero, "division by zero")
		}
		return p, nil
	case reCast.MatchString(text):
		t := map[string]vec.Type{"int": vec.Of(vec.Int32), "int8": vec.Of(vec.Int64), "text": vec.Of(vec.Text)}[reCast.FindStringSubmatch(text)[1]]
		p := &fakePrepared{params: []vec.Type{t}, cols: []Column{column(reCast.FindStringSubmatch(text)[1], t)}}
		p.run = func(_ context.Context, a Args) (Result, error) {
			return &fakeResult{batches: []*vec.Batch{table(p.cols, a.Params)}, tag: "SELECT %d"}, nil
		}
		return p, nil
	case strings.HasPrefix(text, "select id from gt"):
		cols := []Column{gtID}
		return &fakePrepared{cols: cols, run: func(context.Context, Args) (Result, error) {
			r := &fakeResult{tag: "SELECT %d"}
			for _, id := range s.visible() { // a batch a row, as tests of portals like it
				r.batches = append(r.batches, table(cols, []vec.Value{id}))
			}
			return r, nil
		}}, nil
	case strings.HasPrefix(text, "select count(*) from gt where id"):
		p := rows("SELECT %d", []Column{column("count", vec.Of(vec.Int64))})
		p.run = func(context.Context, Args) (Result, error) {
			n := int64(0)
			for _, id := range s.visible() {
				if id >= 100 {
					n++
				}
			}
			return &fakeResult{batches: []*vec.Batch{table(p.cols, []vec.Value{n})}, tag: "SELECT %d"}, nil
		}
		return p, nil
	case reInsert.MatchString(text):
		arg := reInsert.FindStringSubmatch(text)[1]
		p := &fakePrepared{}
		if arg == "$1" {
			p.params = []vec.Type{vec.Of(vec.Int64)}
		}
		p.run = func(_ context.Context, a Args) (Result, error) {
			id, _ := strconv.ParseInt(arg, 10, 64)
			if arg == "$1" {
				id, _ = a.Params[0].(int64)
			}
			s.pending = append(s.pending, id)
			return &fakeResult{tag: "INSERT 0 1"}, nil
		}
		return p, nil
	case strings.HasPrefix(text, "delete from gt"):
		p := &fakePrepared{}
		p.run = func(context.Context, Args) (Result, error) {
			s.b.mu.Lock()
			defer s.b.mu.Unlock()
			was := len(s.b.ids)
			s.b.ids = slices.DeleteFunc(s.b.ids, func(id int64) bool { return id >= 100 })
			return &fakeResult{tag: fmt.Sprintf("DELETE %d", was-len(s.b.ids))}, nil
		}
		return p, nil
	case text == "set local timezone='utc'": // gone with the transaction, so never reported
		return command("SET", func() error { s.client.Parameter("TimeZone", "UTC"); s.local = true; return nil }), nil
	case text == "discard all":
		return command("DISCARD ALL", func() error { s.client.DeallocateAll(); return nil }), nil
	case reSet.MatchString(text):
		m := reSet.FindStringSubmatch(text)
		value := m[2]
		if i := strings.LastIndex(text, value); m[1] != "weir.x" && i >= 0 {
			value = recase(value)
		}
		return command("SET", func() error { return s.set(m[1], value) }), nil
	case strings.HasPrefix(text, "show "):
		name := text[5:]
		if _, ok := s.settings[name]; !ok && reported[name] == "" {
			return nil, pgerr.Newf(pgerr.UndefinedObject, "unrecognized configuration parameter %q", name)
		}
		shown := name
		if name == "timezone" {
			shown = "TimeZone"
		}
		return rows("SHOW", []Column{column(shown, vec.Of(vec.Text))}, []vec.Value{s.settings[name]}), nil
	case text == "reset all":
		return command("RESET", func() error {
			for name, value := range reported {
				s.client.Parameter(name, value)
			}
			return nil
		}), nil
	case text == "select million":
		cols, batch := threeColumns()
		return &fakePrepared{cols: cols, run: func(context.Context, Args) (Result, error) {
			return &fakeResult{batches: slices.Repeat([]*vec.Batch{batch}, 1000), tag: "SELECT %d"}, nil
		}}, nil
	case strings.HasPrefix(text, "deallocate "):
		name := strings.TrimPrefix(text, "deallocate ")
		return command("DEALLOCATE", func() error {
			if name == "all" {
				s.client.DeallocateAll()
			} else if !s.client.Deallocate(name) {
				return pgerr.Newf(pgerr.InvalidStatementName, "prepared statement %q does not exist", name)
			}
			return nil
		}), nil
	case strings.HasPrefix(text, "close "):
		name := strings.TrimPrefix(text, "close ")
		return command("CLOSE CURSOR", func() error {
			if !s.client.ClosePortal(name) {
				return pgerr.Newf(pgerr.InvalidCursorName, "cursor %q does not exist", name)
			}
			return nil
		}), nil
	case text == "select types" || text == "select types again":
		cols, row := everyType()
		if text == "select types" {
			return rows("SELECT %d", cols, row, make([]vec.Value, len(row))), nil
		}
		p := &fakePrepared{cols: cols}
		for _, c := range cols {
			p.params = append(p.params, c.Type)
		}
		p.run = func(_ context.Context, a Args) (Result, error) {
			return &fakeResult{batches: []*vec.Batch{table(cols, a.Params)}, tag: "SELECT %d"}, nil
		}
		return p, nil
	case reFetch.MatchString(text):
		m := reFetch.FindStringSubmatch(text)
		p, ok := s.client.Portal(m[2])
		if !ok {
			return nil, pgerr.Newf(pgerr.InvalidCursorName, "cursor %q does not exist", m[2])
		}
		n, _ := strconv.Atoi(m[1])
		return &fakePrepared{cols: p.Columns(), run: func(ctx context.Context, _ Args) (Result, error) {
			r := &fakeResult{tag: "FETCH %d"}
			b, err := p.Take(ctx, n)
			if err == nil {
				r.batches = []*vec.Batch{b}
			}
			return r, nil
		}}, nil
	case text == "select * from s emit changes":
		return &fakePrepared{push: true, cols: []Column{column("n", vec.Of(vec.Int64)), column("s", vec.Of(vec.Text))},
			run: func(context.Context, Args) (Result, error) {
				return &fakeResult{stream: s.b.stream, waiting: s.b.waiting, tag: "SELECT %d"}, nil
			}}, nil
	case strings.HasPrefix(text, "copy "):
		return s.copy(text)
	case strings.HasPrefix(text, "listen "):
		return command("LISTEN", func() error { return nil }), nil
	case text == "notify ch, 'p1'":
		return command("NOTIFY", func() error { s.client.Notify(1, "ch", "p1"); return nil }), nil
	case text == "break":
		return nil, fmt.Errorf("something internal")
	case text == "select wait":
		return &fakePrepared{cols: []Column{column("wait", vec.Of(vec.Text))}, run: func(context.Context, Args) (Result, error) {
			return &fakeResult{stream: make(chan *vec.Batch), waiting: s.b.waiting, tag: "SELECT %d"}, nil
		}}, nil
	}
	return nil, pgerr.Newf(pgerr.UndefinedTable, `relation "nosuch" does not exist`).At(q.pos + max(0, strings.Index(text, "nosuch")))
}

// recase undoes the lower case of the values that the tests set.
func recase(v string) string {
	for _, want := range []string{"UTC", "UTF8", "LATIN1", "SQL, DMY", "Europe/Berlin"} {
		if strings.EqualFold(v, want) {
			return want
		}
	}
	return v
}

func constants(text string, rows func(string, []Column, ...[]vec.Value) *fakePrepared) (Prepared, error) {
	var cols []Column
	var row []vec.Value
	for part := range strings.SplitSeq(strings.TrimPrefix(text, "select "), ", ") {
		name := "?column?"
		if v, as, ok := strings.Cut(part, " as "); ok {
			part, name = v, as
		}
		if n, err := strconv.ParseInt(part, 10, 64); err == nil {
			cols, row = append(cols, column(name, vec.Of(vec.Int32))), append(row, n)
		} else {
			cols, row = append(cols, column(name, vec.Of(vec.Text))), append(row, strings.Trim(part, "'"))
		}
	}
	return rows("SELECT %d", cols, row), nil
}

func (s *fakeSession) visible() []int64 {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return append(slices.Clone(s.b.ids), s.pending...)
}

func (s *fakeSession) Execute(ctx context.Context, p Prepared, a Args) (Result, error) {
	return p.(*fakePrepared).run(ctx, a)
}

// copy understands COPY of gt in both directions.
func (s *fakeSession) copy(text string) (Prepared, error) {
	tags := column("tags", vec.Of(vec.Text))
	null := column("?column?", vec.Of(vec.Text))
	cp := &Copy{Columns: []Column{gtID, gtName}, Table: "gt", In: strings.Contains(text, "from stdin"), Header: strings.Contains(text, "header")}
	switch {
	case strings.Contains(text, "csv"):
		cp.Format = CopyCSV
	case strings.Contains(text, "binary"):
		cp.Format = CopyBinary
	}
	var rows [][]vec.Value
	switch {
	case strings.Contains(text, "tags,null"):
		cp.Columns = append(cp.Columns, tags, null)
		rows = [][]vec.Value{{int64(1), "n1", "{a}", nil}, {int64(2), "n2", "{a}", nil}}
	case strings.Contains(text, "(select 1)"):
		cp.Columns = []Column{column("?column?", vec.Of(vec.Int32))}
		rows = [][]vec.Value{{int64(1)}}
	case strings.Contains(text, "id::int4"):
		cp.Columns = []Column{column("id", vec.Of(vec.Int32)), gtName}
		rows = [][]vec.Value{{int64(1), "n1"}}
	default:
		rows = [][]vec.Value{{int64(1), "n1"}, {int64(2), "n2"}}
	}
	return &fakePrepared{copy: cp, run: func(ctx context.Context, a Args) (Result, error) {
		if !cp.In {
			return &fakeResult{batches: []*vec.Batch{table(cp.Columns, rows...)}, tag: "COPY %d"}, nil
		}
		n := 0
		if strings.Contains(text, "none") { // content without any
			return &fakeResult{tag: "COPY 0"}, nil
		}
		for {
			b, err := a.From.Next(ctx)
			if err == io.EOF {
				return &fakeResult{tag: fmt.Sprintf("COPY %d", n)}, nil
			}
			if err != nil {
				return nil, err
			}
			n += b.Len()
			for i := range b.Len() {
				s.pending = append(s.pending, b.Cols[0].Int(b.Row(i)))
			}
		}
	}}, nil
}
