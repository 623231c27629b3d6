package engine

import (
	"context"
	"sort"
	"strings"

	"github.com/weirdb/weir/catalog"
	"github.com/weirdb/weir/engine/syscat"
	"github.com/weirdb/weir/exec"
	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/sql/ast"
)

// show is SHOW of a setting, and SHOW or LIST of what there is.
func (s *session) show(_ *catalog.Catalog, _ statement, a *ast.Show) (*command, error) {
	rows := func(names []string, list func(c *catalog.Catalog) [][]vec.Value) (*command, error) {
		return listing("SHOW", textColumns(names...), func(context.Context) ([][]vec.Value, error) { return list(s.n.Catalog()), nil }), nil
	}
	switch a.What {
	case "":
		return s.showSetting(a)
	case "STREAMS", "TABLES":
		return rows([]string{"name", "topic", "key_format", "value_format", "windowed"}, func(c *catalog.Catalog) (out [][]vec.Value) {
			for _, r := range c.Relations() {
				if r.Kind == catalog.View || r.Kind.IsTable() != (a.What == "TABLES") {
					continue
				}
				topic := ""
				if t, ok := c.Topic(r.Topic); ok {
					topic = t.Name
				}
				windowed := "false"
				if r.Window != "" {
					windowed = "true"
				}
				out = append(out, []vec.Value{r.Name, topic, r.Key.Name, r.Value.Name, windowed})
			}
			return out
		})
	case "TOPICS":
		return rows([]string{"name", "partitions", "cleanup_policy"}, func(c *catalog.Catalog) (out [][]vec.Value) {
			for _, t := range c.Topics() {
				if t.Internal && !a.All {
					continue
				}
				policy := "delete"
				if t.Compact {
					policy = "compact"
				}
				out = append(out, []vec.Value{t.Name, itoa(int(t.Partitions)), policy})
			}
			return out
		})
	case "QUERIES":
		return rows([]string{"id", "type", "status", "sink", "sql"}, func(c *catalog.Catalog) (out [][]vec.Value) {
			states := map[catalog.ID]string{}
			for _, q := range (systemSource{context.Background(), s.n, s}).Queries() {
				states[q.ID] = q.State
			}
			for _, q := range c.Queries() {
				sink := ""
				if r, ok := c.Relation(q.Sink); ok {
					sink = r.Name
				}
				out = append(out, []vec.Value{q.Name, "PERSISTENT", states[q.ID], sink, q.SQL})
			}
			return out
		})
	case "TYPES":
		return rows([]string{"name", "schema"}, func(c *catalog.Catalog) (out [][]vec.Value) {
			for _, t := range c.Types() {
				out = append(out, []vec.Value{t.Name, t.Type.KSQL()})
			}
			return out
		})
	case "FUNCTIONS":
		return rows([]string{"name", "category"}, func(*catalog.Catalog) (out [][]vec.Value) {
			for _, f := range fn.Names(s.env(s.n.Catalog(), nil).FnDialect()) {
				out = append(out, []vec.Value{f.Name, f.Kind})
			}
			return out
		})
	case "PROPERTIES":
		return rows([]string{"name", "value"}, func(*catalog.Catalog) (out [][]vec.Value) {
			for _, p := range (systemSource{context.Background(), s.n, s}).Settings() {
				out = append(out, []vec.Value{p.Name, p.Value})
			}
			return out
		})
	case "VARIABLES":
		return rows([]string{"name", "value"}, func(*catalog.Catalog) (out [][]vec.Value) {
			for name, v := range s.vars {
				out = append(out, []vec.Value{name, v})
			}
			sort.Slice(out, func(i, j int) bool { return out[i][0].(string) < out[j][0].(string) })
			return out
		})
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "SHOW %s is not supported", a.What).At(a.Pos())
}

func (s *session) showSetting(a *ast.Show) (*command, error) {
	if a.All {
		return listing("SHOW", textColumns("name", "setting", "description"), func(context.Context) (out [][]vec.Value, err error) {
			for _, p := range (systemSource{context.Background(), s.n, s}).Settings() {
				out = append(out, []vec.Value{p.Name, p.Value, p.About})
			}
			return out, nil
		}), nil
	}
	name := strings.ToLower(a.Name)
	switch name {
	case "time zone":
		name = "timezone"
	case "transaction isolation level":
		name = "transaction_isolation"
	}
	if _, ok := s.settings.get(name); !ok {
		return nil, pgerr.Newf(pgerr.UndefinedObject, "unrecognized configuration parameter %q", a.Name).At(a.Pos())
	}
	return listing("SHOW", textColumns(reportName(name)), func(context.Context) ([][]vec.Value, error) {
		v, _ := s.settings.get(name)
		return [][]vec.Value{{v}}, nil
	}), nil
}

// describe is DESCRIBE of a relation or a function.
func (s *session) describe(_ *catalog.Catalog, a *ast.Describe) (*command, error) {
	switch a.What {
	case ast.DescribeRelation:
		return s.describeRelation(a)
	case ast.DescribeFunction:
		return s.describeFunction(a)
	case ast.DescribeStreams:
		return s.show(nil, statement{}, &ast.Show{Span: a.Span, What: "STREAMS"})
	case ast.DescribeTables:
		return s.show(nil, statement{}, &ast.Show{Span: a.Span, What: "TABLES"})
	}
	return nil, pgerr.Newf(pgerr.FeatureNotSupported, "DESCRIBE %s is not supported", a.What).At(a.Pos())
}

func (s *session) describeRelation(a *ast.Describe) (*command, error) {
	name := a.Name[len(a.Name)-1].S
	if _, ok := planner.Find(s.n.Catalog(), a.Name); !ok {
		return nil, pgerr.Newf(pgerr.UndefinedTable, "Could not find STREAM/TABLE '%s' in the Metastore", name).At(a.Pos()).
			Hintf("SHOW STREAMS and SHOW TABLES list what there is.")
	}
	names := []string{"field", "type"}
	if a.Extended {
		names = append(names, "detail")
	}
	return listing("DESCRIBE", textColumns(names...), func(context.Context) (out [][]vec.Value, err error) {
		c := s.n.Catalog()
		r, ok := planner.Find(c, a.Name)
		if !ok {
			return nil, unavailable(pgerr.Newf(pgerr.UndefinedTable, "relation %q was dropped", name))
		}
		line := func(field, typ string, detail vec.Value) {
			row := []vec.Value{field, typ}
			if a.Extended {
				row = append(row, detail)
			}
			out = append(out, row)
		}
		for _, col := range r.Columns {
			t := col.Type.String()
			if s.dialect() == ast.KSQL {
				t = col.Type.KSQL()
			}
			switch {
			case col.Role == catalog.Key && r.Kind.IsTable():
				t += " (primary key)"
			case col.Role == catalog.Key:
				t += " (key)"
			case col.Role == catalog.Headers:
				t += " (headers)"
			case col.Role == catalog.Header:
				t += " (header('" + col.Header + "'))"
			}
			line(col.Name, t, nil)
		}
		if !a.Extended {
			return out, nil
		}
		line("(type)", r.Kind.String(), nil)
		if t, ok := c.Topic(r.Topic); ok {
			line("(topic)", t.Name, itoa(int(t.Partitions))+" partitions")
		}
		line("(key format)", r.Key.Name, nil)
		line("(value format)", r.Value.Name, nil)
		for _, q := range c.Readers(r.ID) {
			line("(read by)", q.Name, q.SQL)
		}
		for _, q := range c.Writers(r.ID) {
			line("(written by)", q.Name, q.SQL)
		}
		line("(statement)", r.SQL, nil)
		return out, nil
	}), nil
}

func (s *session) describeFunction(a *ast.Describe) (*command, error) {
	name := strings.ToLower(a.Name[len(a.Name)-1].S)
	var out [][]vec.Value
	for _, sig := range fn.Signatures(name, s.env(s.n.Catalog(), nil).FnDialect()) {
		out = append(out, []vec.Value{name, sig})
	}
	if out == nil {
		return nil, pgerr.Newf(pgerr.UndefinedFunction, "Can't find any functions with the name '%s'", name).At(a.Pos())
	}
	return listing("DESCRIBE", textColumns("name", "signature"), func(context.Context) ([][]vec.Value, error) { return out, nil }), nil
}

// explain shows a statement's tree or plan, or the plan and counters of a
// running query.
func (s *session) explain(_ context.Context, cat *catalog.Catalog, st statement, a *ast.Explain) (*command, error) {
	var text string
	switch {
	case a.Stmt == nil:
		q, ok := cat.QueryByName(a.ID.S)
		if !ok {
			return nil, pgerr.Newf(pgerr.UndefinedObject, "Query with id:%s does not exist", a.ID.S).At(a.Pos()).Hintf("SHOW QUERIES lists the queries.")
		}
		return listing("EXPLAIN", textColumns("QUERY PLAN"), func(context.Context) ([][]vec.Value, error) {
			return lines(s.explainRunning(q)), nil
		}), nil
	case a.Mode == ast.ExplainAST:
		text = ast.Format(a.Stmt, s.dialect())
	default:
		var err error
		if text, err = s.planText(cat, a.Stmt); err != nil {
			return nil, err
		}
	}
	return listing("EXPLAIN", textColumns("QUERY PLAN"), func(context.Context) ([][]vec.Value, error) { return lines(text), nil }), nil
}

func lines(text string) (out [][]vec.Value) {
	for l := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		out = append(out, []vec.Value{l})
	}
	return out
}

// planText is how a statement would run.
func (s *session) planText(cat *catalog.Catalog, st ast.Stmt) (string, error) {
	env := s.env(cat, nil)
	switch a := st.(type) {
	case *ast.QueryStmt:
		n, err := func() (plan.Node, error) {
			if isPush(a.Query) {
				return planner.PlanPush(env, a.Query)
			}
			return planner.Bounded(env, a.Query)
		}()
		if err != nil {
			return "", err
		}
		return plan.Text(n), nil
	case *ast.Insert:
		if !planner.IsContinuousInsert(env, a) {
			w, err := planner.PlanInsert(env, a)
			if err != nil {
				return "", err
			}
			return "Insert " + w.Relation.Name + "\n" + plan.Text(w.Source), nil
		}
	case *ast.Update:
		w, err := planner.PlanUpdate(env, a)
		if err != nil {
			return "", err
		}
		return "Update " + w.Relation.Name + "\n" + plan.Text(w.Source), nil
	case *ast.Delete:
		w, err := planner.PlanDelete(env, a)
		if err != nil {
			return "", err
		}
		return "Delete " + w.Relation.Name + "\n" + plan.Text(w.Source), nil
	}
	if _, insert := st.(*ast.Insert); !insert && queryOf(st) == nil {
		return "", pgerr.Newf(pgerr.FeatureNotSupported, "EXPLAIN is for queries and for statements that write").At(st.Pos())
	}
	q, err := planner.PlanContinuous(env, st)
	if err != nil {
		return "", err
	}
	if err := exec.Validate(q.Query); err != nil {
		return "", err
	}
	return q.Query.String(), nil
}

func (s *session) explainRunning(def *catalog.Query) string {
	var b strings.Builder
	b.WriteString(def.SQL + "\n")
	for _, r := range s.n.sup.running() {
		if r.def.ID == def.ID && r.plan != nil {
			b.WriteString(r.plan.String())
		}
	}
	for _, q := range (systemSource{context.Background(), s.n, s}).Queries() {
		if q.ID != def.ID {
			continue
		}
		b.WriteString("State: " + q.State + " " + q.Error + "\n")
		for _, t := range q.Tasks {
			b.WriteString(taskLine(t))
		}
	}
	return b.String()
}

func taskLine(t syscat.Task) string {
	return "  stage " + itoa(int(t.Stage)) + " task " + itoa(int(t.Partition)) + ": rows in " + itoa(int(t.RowsIn)) + ", out " + itoa(int(t.RowsOut)) +
		", steps " + itoa(int(t.Steps)) + ", failures " + itoa(int(t.Failed)) + ", state bytes " + itoa(int(t.StateBytes)) + ", lag " + itoa(int(t.Lag)) + "\n"
}
