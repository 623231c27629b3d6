package engine

import (
	"context"
	"io"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/pgwire"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

func (s *session) copyStmt(cat *catalog.Catalog, st statement, a *ast.Copy) (*command, error) {
	if a.Program || a.File != "" {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "COPY to or from a file on the server is not supported").At(a.Pos()).
			Hintf("Use STDIN or STDOUT, or psql's \\copy.")
	}
	how, err := copyOptions(a)
	if err != nil {
		return nil, err
	}
	if a.From {
		return s.copyFrom(cat, a, how)
	}
	q := a.Query
	if q == nil {
		sel := &ast.Select{P: a.P, From: &ast.TableName{P: a.P, Name: a.Table}}
		for _, c := range a.Columns {
			sel.Items = append(sel.Items, ast.Item{X: &ast.Column{P: a.P, Parts: []ast.Name{c}}})
		}
		if sel.Items == nil {
			sel.Items = []ast.Item{{X: &ast.Star{P: a.P}}}
		}
		q = sel
	}
	c, err := s.query(cat, st, q, nil)
	if err != nil {
		return nil, err
	}
	if len(c.params) > 0 {
		return nil, pgerr.Newf(pgerr.UndefinedParameter, "COPY takes no parameters").At(a.Pos())
	}
	how.Columns = c.columns
	return &command{copy: how, push: c.push, run: func(ctx context.Context, args pgwire.Args) (pgwire.Result, error) {
		res, err := c.run(ctx, args)
		if r, ok := res.(*rowsResult); ok {
			r.verb = "COPY"
		}
		return res, err
	}}, nil
}

func copyOptions(a *ast.Copy) (*pgwire.Copy, error) {
	how := &pgwire.Copy{In: a.From}
	if len(a.Table) > 0 {
		how.Table = a.Table[len(a.Table)-1].S
	}
	for _, o := range a.Options {
		v := optionText(o.Value)
		char := func(to *byte) error {
			if len(v) != 1 {
				return pgerr.Newf(pgerr.InvalidParameterValue, "COPY %s must be a single one-byte character", strings.ToLower(o.Name)).At(o.Pos())
			}
			*to = v[0]
			return nil
		}
		var err error
		switch strings.ToUpper(o.Name) {
		case "FORMAT":
			switch strings.ToLower(v) {
			case "text":
			case "csv":
				how.Format = pgwire.CopyCSV
			case "binary":
				how.Format = pgwire.CopyBinary
			default:
				err = pgerr.Newf(pgerr.InvalidParameterValue, "COPY format %q not recognized", v).At(o.Pos())
			}
		case "CSV":
			how.Format = pgwire.CopyCSV
		case "BINARY":
			how.Format = pgwire.CopyBinary
		case "HEADER":
			how.Header = v == "" || strings.EqualFold(v, "true") || strings.EqualFold(v, "on") || v == "1"
		case "NULL":
			how.Null = &v
		case "DELIMITER":
			err = char(&how.Delim)
		case "QUOTE":
			err = char(&how.Quote)
		case "ESCAPE":
			err = char(&how.Escape)
		case "ENCODING":
			_, err = utf8Only(v)
		case "FREEZE":
		default:
			err = pgerr.Newf(pgerr.SyntaxError, "option %q not recognized", strings.ToLower(o.Name)).At(o.Pos())
		}
		if err != nil {
			return nil, err
		}
	}
	return how, nil
}

func optionText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.String:
		return e.V
	case *ast.Number:
		return e.Text
	case *ast.Column:
		return e.Parts[0].S
	case *ast.Bool:
		if e.V {
			return "true"
		}
		return "false"
	}
	return ""
}

// copyFrom writes the rows that the client sends.
func (s *session) copyFrom(cat *catalog.Catalog, a *ast.Copy, how *pgwire.Copy) (*command, error) {
	if a.Where != nil {
		return nil, pgerr.Newf(pgerr.FeatureNotSupported, "COPY FROM ... WHERE is not supported").At(a.Where.Pos())
	}
	env := s.env(cat, nil)
	w, in, err := planner.PlanCopyIn(env, a)
	if err != nil {
		return nil, err
	}
	how.Columns = columnsOf(in)
	topic, _ := cat.Topic(w.Relation.Topic)
	return &command{copy: how, run: func(ctx context.Context, args pgwire.Args) (pgwire.Result, error) {
		sink, err := newRowSink(s, w, topic)
		if err != nil {
			return nil, err
		}
		place := placer(w, in)
		for {
			b, err := args.From.Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			if err := sink.write(place(b)); err != nil {
				return nil, err
			}
			// A COPY is not a transaction of its own size: what is encoded goes out
			// as it comes, unless a block holds it back.
			if !s.tx.block && s.tx.bytes >= maxAppend {
				if err := s.tx.commit(ctx, s.n, s.durability()); err != nil {
					return nil, err
				}
			}
		}
		return done("COPY " + itoa(sink.count)), nil
	}}, nil
}

// placer puts the columns that come in where the relation has them, NULL or the
// generated key elsewhere.
func placer(w *planner.Write, in []plan.Column) func(*vec.Batch) *vec.Batch {
	from := make([]int, len(w.Relation.Columns))
	timeFrom := -1
	for i := range from {
		from[i] = -1
	}
	for j, c := range in {
		if i := w.Relation.Column(c.Name); i >= 0 {
			from[i] = j
		} else {
			timeFrom = j // PlanCopyIn lets only rowtime through
		}
	}
	nulls := make([]*vec.Vec, len(from))
	for i, c := range w.Relation.Columns {
		nulls[i] = vec.ConstOf(c.Type, nil)
	}
	return func(b *vec.Batch) *vec.Batch {
		out := &vec.Batch{N: b.N, Sel: b.Sel}
		for i, j := range from {
			if j < 0 {
				out.Cols = append(out.Cols, nulls[i])
			} else {
				out.Cols = append(out.Cols, b.Cols[j])
			}
		}
		if timeFrom >= 0 {
			out.Cols = append(out.Cols, b.Cols[timeFrom])
		}
		return out
	}
}
