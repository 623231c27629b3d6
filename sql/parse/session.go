package parse

import (
	"strconv"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/token"
)

// settingName takes the name of a setting, which may be quoted as ksqlDB does it.
// PostgreSQL's names of several words are joined: TIME ZONE is timezone.
func (p *parser) settingName() string {
	switch {
	case p.Peek().Kind == token.String:
		return p.Text()
	case p.Take("TIME", "ZONE"):
		return "timezone"
	case p.Take("TRANSACTION", "ISOLATION", "LEVEL"):
		return "transaction_isolation"
	case p.Take("SESSION", "AUTHORIZATION"):
		return "session_authorization"
	case p.Word("NAMES") && !p.At(1).Is("."):
		p.I++
		return "client_encoding"
	}
	return p.propertyName()
}

func (p *parser) set() ast.Stmt {
	s, pos := &ast.Set{}, p.Pos()
	p.I++
	switch {
	case p.Word("SESSION", "CHARACTERISTICS"):
		p.I += 2
		p.Need("AS", "TRANSACTION")
		m := p.modes()
		m.Session = true
		s.Transaction = &m
		return finish(p, pos, s, &s.Span)
	case p.Word("TRANSACTION") && p.OneOfAt(1, "ISOLATION", "READ", "DEFERRABLE", "NOT"):
		p.I++
		m := p.modes()
		s.Transaction = &m
		return finish(p, pos, s, &s.Span)
	case p.Word("CONSTRAINTS"):
		return p.utilityFrom(p.I - 1)
	case p.Word("LOCAL"):
		s.Local = true
		p.I++
	case p.Word("SESSION") && p.At(1).IsName() && !p.Word("SESSION", "AUTHORIZATION"):
		p.I++
	}
	zone := p.Word("TIME", "ZONE")
	s.Name = p.settingName()
	switch {
	case zone || s.Name == "client_encoding" || s.Name == "session_authorization":
		_ = p.TakeOp("=") || p.Take("TO")
	case (s.Name == "role" || s.Name == "ROLE") && !p.Is("="):
		p.Take("TO")
	case !p.TakeOp("="):
		p.Need("TO")
	}
	s.Values = p.settingValues()
	return finish(p, pos, s, &s.Span)
}

// settingValues takes values with commas between. A list of words is search_path's.
func (p *parser) settingValues() []ast.Expr {
	var xs []ast.Expr
	for {
		switch {
		case p.Word("DEFAULT"):
			xs = append(xs, &ast.Default{P: p.Pos()})
			p.I++
		case p.Word("INTERVAL"): // SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE
			xs = append(xs, queries.Expr(p.Cursor))
		default:
			xs = append(xs, p.literal())
		}
		if !p.TakeOp(",") {
			return xs
		}
	}
}

func (p *parser) unset() ast.Stmt {
	s, pos := &ast.Unset{}, p.Pos()
	p.I++
	if !p.Take("ALL") {
		s.Name = p.settingName()
	}
	return finish(p, pos, s, &s.Span)
}

// modes takes the modes of a transaction, with or without commas.
func (p *parser) modes() (m ast.TransactionModes) {
	for {
		switch {
		case p.Take("ISOLATION", "LEVEL"):
			switch {
			case p.Take("SERIALIZABLE"):
				m.Isolation = "SERIALIZABLE"
			case p.Take("REPEATABLE", "READ"):
				m.Isolation = "REPEATABLE READ"
			case p.Take("READ", "COMMITTED"):
				m.Isolation = "READ COMMITTED"
			case p.Take("READ", "UNCOMMITTED"):
				m.Isolation = "READ UNCOMMITTED"
			default:
				p.Unexpected()
			}
		case p.Take("READ", "ONLY"):
			m.ReadOnly = true
		case p.Take("READ", "WRITE"):
			m.ReadWrite = true
		case p.Take("DEFERRABLE"):
			m.Deferrable = true
		case p.Take("NOT", "DEFERRABLE"):
			m.NotDeferrable = true
		default:
			return m
		}
		p.TakeOp(",")
	}
}

func (p *parser) transactionWords() { _ = p.Take("WORK") || p.Take("TRANSACTION") }

func (p *parser) begin() ast.Stmt {
	s, pos := &ast.Transaction{Kind: ast.Begin}, p.Pos()
	if p.Take("START") {
		p.Need("TRANSACTION")
	} else {
		p.I++
		p.transactionWords()
	}
	s.Modes = p.modes()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) commit() ast.Stmt {
	s, pos := &ast.Transaction{Kind: ast.Commit}, p.Pos()
	start := p.I
	p.I++
	if p.Word("PREPARED") {
		return p.utilityFrom(start)
	}
	p.transactionWords()
	s.Chain = p.chain()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) chain() bool {
	if p.Take("AND", "NO", "CHAIN") {
		return false
	}
	return p.Take("AND", "CHAIN")
}

func (p *parser) rollback() ast.Stmt {
	s, pos := &ast.Transaction{Kind: ast.Rollback}, p.Pos()
	start := p.I
	p.I++
	if p.Word("PREPARED") {
		return p.utilityFrom(start)
	}
	p.transactionWords()
	if p.Take("TO") {
		p.Take("SAVEPOINT")
		s.Kind, s.Savepoint = ast.RollbackToSavepoint, p.Name()
	} else {
		s.Chain = p.chain()
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) savepoint() ast.Stmt {
	s, pos := &ast.Transaction{Kind: ast.Savepoint}, p.Pos()
	if p.Take("RELEASE") {
		s.Kind = ast.ReleaseSavepoint
		if p.Word("SAVEPOINT") && p.At(1).IsName() {
			p.I++
		}
	} else {
		p.I++
	}
	s.Savepoint = p.Name()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) declareCursor() ast.Stmt {
	s, pos := &ast.DeclareCursor{}, p.Pos()
	p.I++
	s.Name = p.Name()
	for !p.Take("CURSOR") {
		switch {
		case p.Take("BINARY"):
			s.Binary = true
		case p.Take("INSENSITIVE"), p.Take("ASENSITIVE"):
		case p.Take("NO", "SCROLL"):
			s.Scroll = ast.ScrollNo
		case p.Take("SCROLL"):
			s.Scroll = ast.ScrollYes
		default:
			p.Unexpected()
		}
	}
	if p.Take("WITH", "HOLD") {
		s.Hold = true
	} else if p.Word("WITHOUT") {
		p.I++
		p.Need("HOLD")
	}
	p.Need("FOR")
	s.Query = queries.Query(p.Cursor)
	return finish(p, pos, s, &s.Span)
}

func (p *parser) fetch() ast.Stmt {
	s, pos := &ast.Fetch{Move: p.Word("MOVE"), Count: 1}, p.Pos()
	p.I++
	named := func() bool { // the word is a cursor's name
		return p.At(1).Kind == token.EOF || p.At(1).Is(";")
	}
	switch {
	case named():
	case p.Take("NEXT"):
	case p.Take("PRIOR"):
		s.Direction = ast.FetchBackward
	case p.Take("FIRST"):
		s.Direction = ast.FetchFirst
	case p.Take("LAST"):
		s.Direction = ast.FetchLast
	case p.Take("ABSOLUTE"):
		s.Direction, s.Count = ast.FetchAbsolute, p.integer()
	case p.Take("RELATIVE"):
		s.Direction, s.Count = ast.FetchRelative, p.integer()
	case p.Take("ALL"):
		s.All = true
	case p.Word("FORWARD"), p.Word("BACKWARD"):
		if p.Word("BACKWARD") {
			s.Direction = ast.FetchBackward
		}
		p.I++
		switch {
		case p.Take("ALL"):
			s.All = true
		case p.Peek().Kind == token.Number || p.Is("-") || p.Is("+"):
			s.Count = p.integer()
		}
	case p.Peek().Kind == token.Number, p.Is("-"), p.Is("+"):
		s.Count = p.integer()
	}
	_ = p.Take("FROM") || p.Take("IN")
	s.Cursor = p.Name()
	return finish(p, pos, s, &s.Span)
}

// integer takes a number with a sign.
func (p *parser) integer() int64 {
	sign := ""
	if p.Is("-") || p.Is("+") {
		sign = p.Peek().Text
		p.I++
	}
	n, err := strconv.ParseInt(sign+p.Peek().Text, 10, 64)
	if p.Peek().Kind != token.Number || err != nil {
		if p.Peek().Kind == token.Number {
			p.Fail(pgerr.NumericOutOfRange, "%s%s is no integer of 64 bits", sign, p.Peek().Text)
		}
		p.Unexpected()
	}
	p.I++
	return n
}

func (p *parser) closeCursor() ast.Stmt {
	s, pos := &ast.CloseCursor{}, p.Pos()
	p.I++
	if !p.Take("ALL") {
		s.Cursor = p.Name()
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) prepare() ast.Stmt {
	s, pos := &ast.Prepare{}, p.Pos()
	start := p.I
	p.I++
	if p.Word("TRANSACTION") && p.At(1).Kind == token.String {
		return p.utilityFrom(start)
	}
	s.Name = p.Name()
	if p.TakeOp("(") {
		for {
			s.Types = append(s.Types, p.Type())
			if !p.TakeOp(",") {
				break
			}
		}
		p.NeedOp(")")
	}
	p.Need("AS")
	s.Stmt = p.stmt()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) execute() ast.Stmt {
	s, pos := &ast.Execute{}, p.Pos()
	p.I++
	s.Name = p.Name()
	if p.TakeOp("(") {
		s.Args = queries.Exprs(p.Cursor)
		p.NeedOp(")")
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) deallocate() ast.Stmt {
	s, pos := &ast.Deallocate{}, p.Pos()
	p.I++
	if p.Word("PREPARE") && p.At(1).IsName() {
		p.I++
	}
	if !p.Take("ALL") {
		s.Name = p.Name()
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) discard() ast.Stmt {
	s, pos := &ast.Discard{}, p.Pos()
	p.I++
	if !p.OneOf("ALL", "PLANS", "SEQUENCES", "TEMP", "TEMPORARY") {
		p.Unexpected()
	}
	s.What = p.Peek().Val
	p.I++
	if s.What == "TEMPORARY" {
		s.What = "TEMP"
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) listen() ast.Stmt {
	s, pos := &ast.Listen{}, p.Pos()
	p.I++
	s.Channel = p.Name()
	return finish(p, pos, s, &s.Span)
}

func (p *parser) notify() ast.Stmt {
	s, pos := &ast.Notify{}, p.Pos()
	p.I++
	s.Channel = p.Name()
	if p.TakeOp(",") {
		s.Payload = p.Text()
	}
	return finish(p, pos, s, &s.Span)
}

func (p *parser) unlisten() ast.Stmt {
	s, pos := &ast.Unlisten{}, p.Pos()
	p.I++
	if !p.TakeOp("*") {
		s.Channel = p.Name()
	}
	return finish(p, pos, s, &s.Span)
}
