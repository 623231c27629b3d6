package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/engine/syscat"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// Backend returns what the PostgreSQL door asks.
func (n *Node) Backend() pgwire.Backend { return backend{n} }

type backend struct{ n *Node }

// Verifier implements pgwire.Backend. There is one user, who has no password:
// only loopback, where clients are trusted, lets it in.
func (b backend) Verifier(context.Context, string) (string, error) { return "", nil }

// Connect implements pgwire.Backend.
func (b backend) Connect(_ context.Context, st pgwire.Startup, c *pgwire.Client) (pgwire.Session, error) {
	if st.User != defaultUser {
		return nil, pgerr.Newf("28000", "role %q does not exist", st.User).Hintf("Connect as user %q.", defaultUser)
	}
	if st.Database != defaultDatabase {
		return nil, pgerr.Newf("3D000", "database %q does not exist", st.Database).Hintf("Connect to database %q.", defaultDatabase)
	}
	s := &session{n: b.n, client: c, start: st, since: time.Now(), settings: newSettings(), cursors: map[string]*cursor{}, prepared: map[string]*sqlPrepared{}}
	s.settings.format.RegName, s.settings.format.RegOID = fn.RegNames(syscat.Names{Source: systemSource{n: b.n}})
	for _, set := range st.Settings {
		if err := s.set(set.Name, set.Value, false); err != nil {
			return nil, err
		}
	}
	s.settings.asReset()
	b.n.clients.add(s)
	return s, nil
}

const (
	defaultUser     = "weir"
	defaultDatabase = "weir"
)

// session runs one client's statements. Its methods are called from the
// connection's goroutine.
type session struct {
	n        *Node
	client   *pgwire.Client
	start    pgwire.Startup
	since    time.Time
	settings *settings
	tx       transaction
	cursors  map[string]*cursor
	prepared map[string]*sqlPrepared
	vars     map[string]string // DEFINE
}

// statement is one parsed statement and its text.
type statement struct {
	ast  ast.Stmt
	text string // the whole message
}

func (st statement) EndsTransaction() bool {
	t, ok := st.ast.(*ast.Transaction)
	return ok && (t.Kind == ast.Commit || t.Kind == ast.Rollback || t.Kind == ast.RollbackToSavepoint)
}

// source is the statement's own text.
func (st statement) source() string {
	from, to := st.ast.Pos(), st.ast.End()
	if from < 0 || to > len(st.text) || from > to {
		return strings.TrimSpace(st.text)
	}
	return st.text[from:to]
}

// Parse implements pgwire.Session.
func (s *session) Parse(sql string) (_ []pgwire.Statement, err error) {
	defer s.n.guard(&err)
	if len(s.vars) > 0 {
		sql = parse.Substitute(sql, s.vars)
	}
	stmts, err := parse.Parse(sql, s.dialect())
	if err != nil {
		return nil, err
	}
	out := make([]pgwire.Statement, len(stmts))
	for i, st := range stmts {
		out[i] = statement{st, sql}
	}
	return out, nil
}

func parseOne(sql string, d ast.Dialect) (ast.Stmt, error) {
	stmts, err := parse.Parse(sql, d)
	if err != nil {
		return nil, err
	}
	if len(stmts) != 1 {
		return nil, fmt.Errorf("engine: %d statements where one is stored", len(stmts))
	}
	return stmts[0], nil
}

// A command is a statement that is ready to run, any number of times.
type command struct {
	params  []vec.Type
	columns []pgwire.Column
	push    bool
	copy    *pgwire.Copy
	// run does the work. It may be called for as long as the catalog has not
	// changed, or always if the command does not depend on it.
	run func(ctx context.Context, args pgwire.Args) (pgwire.Result, error)
}

// prepared is a command with what it was made from.
type prepared struct {
	*command
	st      statement
	wanted  []vec.Type
	version uint64 // of the catalog
	dialect ast.Dialect
}

func (p *prepared) Params() []vec.Type       { return p.params }
func (p *prepared) Columns() []pgwire.Column { return p.columns }
func (p *prepared) Push() bool               { return p.push }
func (p *prepared) Copy() *pgwire.Copy       { return p.copy }

// Prepare implements pgwire.Session.
func (s *session) Prepare(ctx context.Context, st pgwire.Statement, oids []uint32) (pgwire.Prepared, error) {
	params := make([]vec.Type, len(oids))
	for i, oid := range oids {
		if oid == 0 {
			continue
		}
		t, ok := vec.TypeOf(oid)
		if !ok {
			return nil, pgerr.Newf(pgerr.UndefinedObject, "type with OID %d does not exist", oid)
		}
		params[i] = t
	}
	return s.prepareStmt(ctx, st.(statement), params)
}

func (s *session) prepareStmt(ctx context.Context, st statement, params []vec.Type) (_ *prepared, err error) {
	defer s.n.guard(&err)
	cat := s.n.Catalog()
	c, err := s.command(ctx, cat, st, params)
	if err != nil {
		return nil, err
	}
	return &prepared{command: c, st: st, wanted: params, version: cat.Version, dialect: s.dialect()}, nil
}

// Execute implements pgwire.Session.
func (s *session) Execute(ctx context.Context, p pgwire.Prepared, args pgwire.Args) (res pgwire.Result, err error) {
	defer s.n.guard(&err)
	pr := p.(*prepared)
	run := pr.run
	if now := s.n.Catalog(); now.Version != pr.version || s.dialect() != pr.dialect {
		again, err := s.command(ctx, now, pr.st, pr.params)
		if err != nil {
			return nil, err
		}
		if !sameColumns(again.columns, pr.columns) {
			return nil, pgerr.Newf(pgerr.FeatureNotSupported, "cached plan must not change result type")
		}
		run = again.run
	}
	if res, err = run(ctx, args); err != nil {
		return nil, err
	}
	return guarded{res, s.n}, nil
}

func sameColumns(a, b []pgwire.Column) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !a[i].Type.Equal(b[i].Type) {
			return false
		}
	}
	return true
}

// command analyses a statement. This is the only place that branches on what a
// statement is; each family has its file.
func (s *session) command(ctx context.Context, cat *catalog.Catalog, st statement, params []vec.Type) (*command, error) {
	switch a := st.ast.(type) {
	case *ast.QueryStmt:
		return s.query(cat, st, a.Query, params)
	case *ast.Insert:
		return s.insert(cat, st, a, params)
	case *ast.Update:
		return s.update(cat, a, params)
	case *ast.Delete:
		return s.delete(cat, a, params)
	case *ast.Copy:
		return s.copyStmt(cat, st, a)
	case *ast.CreateRelation, *ast.CreateView:
		return s.create(st)
	case *ast.CreateType:
		return s.createType(a)
	case *ast.CreateSchema:
		return s.createSchema(a)
	case *ast.Drop:
		return s.drop(a)
	case *ast.Terminate:
		return s.terminate(a)
	case *ast.Pause:
		return s.pause(a.Target, a.Pos(), true)
	case *ast.Resume:
		return s.pause(a.Target, a.Pos(), false)
	case *ast.Flush:
		return s.flush()
	case *ast.Set:
		return s.setStmt(a)
	case *ast.Unset:
		return s.reset(a)
	case *ast.Show:
		return s.show(cat, st, a)
	case *ast.Describe:
		return s.describe(cat, a)
	case *ast.Explain:
		return s.explain(ctx, cat, st, a)
	case *ast.Transaction:
		return s.transaction(a)
	case *ast.DeclareCursor:
		return s.declare(cat, st, a, params)
	case *ast.Fetch:
		return s.fetch(a)
	case *ast.CloseCursor:
		return s.closeCursor(a)
	case *ast.Prepare:
		return s.prepareSQL(ctx, st, a)
	case *ast.Execute:
		return s.executeSQL(ctx, a)
	case *ast.Deallocate:
		return s.deallocate(a)
	case *ast.Discard:
		return s.discard(a)
	case *ast.Define:
		return s.define(a)
	case *ast.Undefine:
		return s.undefine(a)
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "%s is not supported", statementName(st)).At(st.ast.Pos())
}

// statementName is the first words of a statement, for messages.
func statementName(st statement) string {
	words := strings.Fields(st.source())
	if len(words) > 2 {
		words = words[:2]
	}
	return strings.ToUpper(strings.Join(words, " "))
}

// Commit implements pgwire.Session.
func (s *session) Commit(ctx context.Context) error {
	if s.tx.block {
		return nil
	}
	return s.tx.commit(ctx, s.n, s.durability())
}

// Fail implements pgwire.Session.
func (s *session) Fail() {
	if s.tx.block {
		s.tx.failed = true
	}
	if n := len(s.tx.savepoints); n > 0 {
		s.tx.cut(&s.tx.savepoints[n-1])
		return
	}
	s.tx.discard()
}

// TxStatus implements pgwire.Session.
func (s *session) TxStatus() byte {
	switch {
	case s.tx.failed:
		return 'E'
	case s.tx.block:
		return 'T'
	}
	return 'I'
}

// Setting implements pgwire.Session.
func (s *session) Setting(name string) string {
	v, _ := s.settings.get(name)
	return v
}

// TextFormat implements pgwire.Session.
func (s *session) TextFormat() *vec.TextFormat { return s.settings.text() }

// Close implements pgwire.Session.
func (s *session) Close() {
	for _, c := range s.cursors {
		c.close()
	}
	s.tx.discard()
	s.n.clients.remove(s)
}

func (s *session) dialect() ast.Dialect { return dialectOf(s.Setting("weir.dialect")) }

func dialectOf(name string) ast.Dialect {
	if strings.EqualFold(name, "ksql") {
		return ast.KSQL
	}
	return ast.Postgres
}

// env is what a statement of this session is planned against.
func (s *session) env(cat *catalog.Catalog, params []vec.Type) *planner.Env {
	e := s.n.planEnv(cat, s.dialect(), s.Setting)
	e.Params = append([]vec.Type{}, params...)
	e.Text = s.TextFormat()
	return e
}

func (n *Node) planEnv(cat *catalog.Catalog, d ast.Dialect, setting func(string) string) *planner.Env {
	return &planner.Env{Catalog: cat, Dialect: d, Setting: setting, System: n.systemRelation}
}

// fnCtx is what functions see of this session.
func (s *session) fnCtx() fn.Ctx {
	c := s.n.fnCtx(s.start.User, nil)
	c.Zone = s.TextFormat().Zone
	c.Setting, c.SetSetting, c.PID = s.settings.get, s.setConfig, s.start.PID
	if s.tx.block {
		c.Now = s.tx.began
	}
	return c
}

func (n *Node) fnCtx(user string, stored map[string]string) fn.Ctx {
	return fn.Ctx{
		Now: time.Now(), User: user, Database: defaultDatabase, Catalog: syscat.Names{Source: systemSource{n: n}},
		Setting: func(name string) (string, bool) { v, ok := stored[name]; return v, ok },
	}
}
