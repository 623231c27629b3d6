package plan

import (
	"fmt"
	"strings"
)

// Text writes a plan, one node a line, inputs below and indented.
func Text(n Node) string {
	w := &printer{}
	w.node(n, 0)
	return w.b.String()
}

// String writes the stages of a query, each with its sink, its operators and
// what it reads.
func (q *Query) String() string {
	w := &printer{}
	w.query(q)
	return w.b.String()
}

type printer struct{ b strings.Builder }

func (w *printer) line(depth int, format string, args ...any) {
	w.b.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&w.b, format, args...)
	w.b.WriteByte('\n')
}

func (w *printer) query(q *Query) {
	for i := range q.Stages {
		st := &q.Stages[i]
		w.line(0, "stage %d: %d partitions", i, st.Partitions)
		w.line(1, "%s", sinkText(&st.Sink, st.Root.Columns()))
		w.node(st.Root, 2)
		for j := range st.Inputs {
			in := &st.Inputs[j]
			w.line(1, "input %d%s", j, routeText(in.Keys, in.Format, in.Broadcast))
			w.node(in.Source, 2)
		}
	}
}

func routeText(keys []Expr, f Format, broadcast bool) string {
	if broadcast {
		return " to all tasks"
	}
	if keys == nil {
		return ""
	}
	s := " by " + join(keys)
	if len(keys) == 0 {
		s = " without key"
	}
	if f.Name != "" {
		s += " as " + f.Name
	}
	return s
}

func sinkText(s *Sink, cols []Column) string {
	if s.Changes {
		return "write changes " + columnsText(cols)
	}
	var b strings.Builder
	kind := "stream"
	if s.Table {
		kind = "table"
	}
	fmt.Fprintf(&b, "write %s to %s", kind, topicName(s.Topic.Name))
	side := func(what string, f Format, at []int) {
		fmt.Fprintf(&b, ", %s %s (", what, f.Name)
		for i, c := range at {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "%s #%d", f.Fields[i].Name, c)
		}
		b.WriteString(")")
	}
	side("key", s.Codec.Key, s.Key)
	if s.Codec.Window != NoWindow {
		fmt.Fprintf(&b, " in %s window #%d to #%d", s.Codec.Window, s.WindowStart, s.WindowEnd)
	}
	side("value", s.Codec.Value, s.Value)
	if s.TimeColumn >= 0 {
		fmt.Fprintf(&b, ", time #%d", s.TimeColumn)
	}
	return b.String()
}

// topicName makes the name of a log between stages readable.
func topicName(name string) string {
	if n, ok := strings.CutPrefix(name, "\x00stage-"); ok {
		return "stage " + n
	}
	return name
}

func columnsText(cols []Column) string {
	out := make([]string, len(cols))
	for i, c := range cols {
		out[i] = c.Name + " " + c.Type.String()
	}
	return "(" + strings.Join(out, ", ") + ")"
}

func (w *printer) node(n Node, depth int) {
	w.line(depth, "%s", nodeText(n))
	if r, ok := n.(*Recompute); ok {
		w.node(r.Query, depth+2)
	}
	for _, in := range n.Inputs() {
		w.node(in, depth+1)
	}
}

// nodeText describes a node without its inputs.
func nodeText(n Node) string {
	switch n := n.(type) {
	case *Scan:
		return scanText(n)
	case *SystemScan:
		return fmt.Sprintf("scan %s.%s %s", n.Schema, n.Name, columnsText(n.Cols))
	case *Values:
		return fmt.Sprintf("values %d rows %s", len(n.Rows), columnsText(n.Cols))
	case *Input:
		return fmt.Sprintf("input %d %s", n.Index, columnsText(n.Cols))
	case *Filter:
		return "filter" + ofTable(n.Table) + " " + n.Cond.String()
	case *Project:
		return "project " + named(n.Exprs, n.Names)
	case *Unnest:
		var fs []string
		for _, f := range n.Funcs {
			fs = append(fs, f.Fn.Name+"("+join(f.Args)+")")
		}
		return "unnest " + strings.Join(fs, ", ")
	case *Aggregate:
		return aggregateText(n)
	case *Join:
		return joinText(n)
	case *Apply:
		return "apply " + n.Kind.String() + onText(n.On)
	case *Sort:
		s := "sort " + sortText(n.Keys)
		if n.Top != nil {
			s += " top " + n.Top.String()
		}
		return s
	case *Limit:
		s := "limit"
		if n.N != nil {
			s += " " + n.N.String()
		}
		if n.Offset != nil {
			s += " offset " + n.Offset.String()
		}
		return s
	case *SetOp:
		s := [...]string{"union", "intersect", "except"}[n.Op]
		if n.All {
			s += " all"
		}
		return s
	case *Recompute:
		return "compute anew"
	case *Upsert:
		return fmt.Sprintf("changes by %v", n.Keys)
	case *Repartition:
		return fmt.Sprintf("repartition %d%s", n.Partitions, routeText(n.Keys, n.Format, n.Broadcast))
	case *WindowFuncs:
		var cs []string
		for _, c := range n.Calls {
			cs = append(cs, c.Name+"("+join(c.Args)+")")
		}
		return "window " + strings.Join(cs, ", ")
	}
	return fmt.Sprintf("%T", n)
}

func ofTable(table bool) string {
	if table {
		return " table"
	}
	return ""
}

func scanText(n *Scan) string {
	var cols []string
	for _, c := range n.Cols {
		cols = append(cols, c.Name)
	}
	kind := "stream"
	if n.Table {
		kind = "table"
	}
	if n.Relation == 0 {
		kind = "log"
	}
	s := fmt.Sprintf("scan %s %s (%s)", kind, topicName(n.Name), strings.Join(cols, ", "))
	if n.TimeField >= 0 {
		s += " time " + n.Cols[n.TimeField].Name
	}
	if n.KeyEquals != nil {
		s += " key " + join(n.KeyEquals)
	}
	return s
}

func named(es []Expr, names []string) string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = names[i] + "=" + e.String()
	}
	return strings.Join(out, ", ")
}

func aggregateText(n *Aggregate) string {
	s := "aggregate" + ofTable(n.OverTable) + " by (" + join(n.Keys) + ")"
	for i, a := range n.Aggs {
		sep := ", "
		if i == 0 {
			sep = " "
		}
		s += sep + a.Fn.Name + "("
		if a.Distinct {
			s += "DISTINCT "
		}
		s += join(a.Args)
		if len(a.OrderBy) > 0 {
			s += " ORDER BY " + sortText(a.OrderBy)
		}
		s += ")"
		if a.Filter != nil {
			s += " filter " + a.Filter.String()
		}
	}
	if w := n.Window; w != nil {
		s += fmt.Sprintf(" window %s %d ms", strings.ToLower(w.Kind.String()), w.Size)
		if w.Kind == Hopping {
			s += fmt.Sprintf(" by %d ms", w.Advance)
		}
		s += fmt.Sprintf(" grace %d ms", w.Grace)
	}
	if n.Having != nil {
		s += " having " + n.Having.String()
	}
	if n.Final {
		s += " final"
	}
	return s
}

func joinText(n *Join) string {
	s := [...]string{"join", "stream-stream join", "stream-table join", "table-table join"}[n.Shape] + " " + n.Kind.String()
	for i := range n.LKeys {
		sep := " and"
		if i == 0 {
			sep = " on"
		}
		s += fmt.Sprintf("%s %s = right %s", sep, n.LKeys[i], n.RKeys[i])
	}
	s += onText(n.On)
	if n.Shape == StreamStream {
		s += fmt.Sprintf(" within %d ms before, %d ms after", n.Within.Before, n.Within.After)
		if n.Within.Grace >= 0 {
			s += fmt.Sprintf(", grace %d ms", n.Within.Grace)
		}
	}
	return s
}

func onText(on Expr) string {
	if on == nil {
		return ""
	}
	return " if " + on.String()
}

func sortText(keys []SortKey) string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.X.String()
		if k.Desc {
			out[i] += " desc"
		}
		if k.NullsFirst != k.Desc {
			out[i] += map[bool]string{true: " nulls first", false: " nulls last"}[k.NullsFirst]
		}
	}
	return strings.Join(out, ", ")
}
