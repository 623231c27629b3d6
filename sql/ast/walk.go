package ast

// Walk calls visit for n and, if visit says true, for the nodes below it, in the
// order of the source text as far as the tree keeps it. Nil is not visited.
func Walk(n Node, visit func(Node) bool) {
	w := walker{visit}
	switch n := n.(type) {
	case nil:
	case Expr:
		w.expr(n)
	case Query:
		w.query(n)
	case Table:
		w.table(n)
	case Stmt:
		w.stmt(n)
	}
}

type walker struct{ visit func(Node) bool }

func (w walker) exprs(xs []Expr) {
	for _, x := range xs {
		w.expr(x)
	}
}

func (w walker) orders(os []Order) {
	for _, o := range os {
		w.expr(o.X)
	}
}

func (w walker) expr(x Expr) {
	if x == nil || !w.visit(x) {
		return
	}
	switch x := x.(type) {
	case *Column, *Star, *Number, *String, *Bits, *Bool, *Null, *Default, *Param, *Var, *Typed:
	case *Unary:
		w.expr(x.X)
	case *Binary:
		w.expr(x.L)
		w.expr(x.R)
	case *Is:
		w.expr(x.X)
	case *Between:
		w.expr(x.X)
		w.expr(x.Lo)
		w.expr(x.Hi)
	case *In:
		w.expr(x.X)
		w.exprs(x.List)
		w.query(x.Query)
	case *Like:
		w.expr(x.X)
		w.expr(x.Pat)
		w.expr(x.Esc)
	case *Quant:
		w.expr(x.L)
		w.expr(x.R)
		w.query(x.Query)
	case *Case:
		w.expr(x.X)
		for _, c := range x.Whens {
			w.expr(c.Cond)
			w.expr(c.Then)
		}
		w.expr(x.Else)
	case *Cast:
		w.expr(x.X)
	case *Call:
		w.exprs(x.Args)
		w.orders(x.OrderBy)
		w.orders(x.WithinGroup)
		w.expr(x.Filter)
		w.window(x.Over)
	case *NamedArg:
		w.expr(x.X)
	case *Lambda:
		w.expr(x.Body)
	case *Array:
		w.exprs(x.Elems)
	case *ArrayQ:
		w.query(x.Query)
	case *MapLit:
		for i := range x.Keys {
			w.expr(x.Keys[i])
			w.expr(x.Vals[i])
		}
	case *StructLit:
		w.exprs(x.Vals)
	case *Row:
		w.exprs(x.Elems)
	case *Index:
		w.expr(x.X)
		w.expr(x.I)
	case *Slice:
		w.expr(x.X)
		w.expr(x.Lo)
		w.expr(x.Hi)
	case *Field:
		w.expr(x.X)
	case *AtZone:
		w.expr(x.X)
		w.expr(x.Zone)
	case *Collate:
		w.expr(x.X)
	case *Sub:
		w.query(x.Query)
	case *GroupSets:
		w.exprs(x.Sets)
	}
}

func (w walker) window(x *Window) {
	if x == nil {
		return
	}
	w.exprs(x.Partition)
	w.orders(x.OrderBy)
	if x.Frame != nil {
		w.expr(x.Frame.From.X)
		w.expr(x.Frame.To.X)
	}
}

func (w walker) with(x *With) {
	if x == nil {
		return
	}
	for _, c := range x.CTEs {
		w.query(c.Query)
	}
}

func (w walker) items(items []Item) {
	for _, it := range items {
		w.expr(it.X)
	}
}

func (w walker) query(q Query) {
	if q == nil || !w.visit(q) {
		return
	}
	switch q := q.(type) {
	case *Select:
		w.with(q.With)
		w.exprs(q.DistinctOn)
		w.items(q.Items)
		w.table(q.From)
		w.expr(q.Where)
		w.exprs(q.GroupBy)
		w.exprs(q.Partition)
		w.expr(q.Having)
		for i := range q.Windows {
			w.window(&q.Windows[i])
		}
		w.orders(q.OrderBy)
		w.expr(q.Limit)
		w.expr(q.Offset)
	case *Values:
		w.with(q.With)
		for _, r := range q.Rows {
			w.exprs(r)
		}
		w.orders(q.OrderBy)
		w.expr(q.Limit)
		w.expr(q.Offset)
	case *SetOp:
		w.with(q.With)
		w.query(q.L)
		w.query(q.R)
		w.orders(q.OrderBy)
		w.expr(q.Limit)
		w.expr(q.Offset)
	}
}

func (w walker) table(t Table) {
	if t == nil || !w.visit(t) {
		return
	}
	switch t := t.(type) {
	case *TableName:
		w.expr(t.AsOf)
	case *Derived:
		w.query(t.Query)
	case *TableFunc:
		w.expr(t.Call)
	case *Join:
		w.table(t.L)
		w.table(t.R)
		w.expr(t.On)
	}
}

func (w walker) props(ps []Property) {
	for _, p := range ps {
		w.expr(p.Value)
	}
}

func (w walker) constraints(cs []Constraint) {
	for _, c := range cs {
		w.expr(c.Check)
	}
}

func (w walker) columns(cs []ColumnDef) {
	for _, c := range cs {
		w.expr(c.Default)
		w.expr(c.Generated)
		w.constraints(c.Constraints)
	}
}

func (w walker) assigns(as []Assign) {
	for _, a := range as {
		w.expr(a.X)
	}
}

func (w walker) stmt(s Stmt) {
	if s == nil || !w.visit(s) {
		return
	}
	switch s := s.(type) {
	case *QueryStmt:
		w.query(s.Query)
	case *CreateRelation:
		w.columns(s.Columns)
		w.constraints(s.Constraints)
		if s.Watermark != nil {
			w.expr(s.Watermark.X)
		}
		w.props(s.With)
		w.query(s.As)
	case *CreateView:
		w.props(s.With)
		w.query(s.As)
	case *CreateIndex:
		w.orders(s.Columns)
		w.props(s.With)
		w.expr(s.Where)
	case *CreateConnector:
		w.props(s.With)
	case *AlterRelation:
		for _, a := range s.Actions {
			w.columns([]ColumnDef{a.Column})
			w.constraints([]Constraint{a.Constraint})
			w.props(a.Properties)
			w.expr(a.Using)
		}
	case *Insert:
		w.with(s.CTEs)
		w.props(s.With)
		w.query(s.Source)
		if c := s.OnConflict; c != nil {
			w.exprs(c.Target)
			w.expr(c.TargetIf)
			w.assigns(c.Set)
			w.expr(c.Where)
		}
		w.items(s.Returning)
	case *Update:
		w.with(s.CTEs)
		w.assigns(s.Set)
		w.table(s.From)
		w.expr(s.Where)
		w.items(s.Returning)
	case *Delete:
		w.with(s.CTEs)
		w.table(s.Using)
		w.expr(s.Where)
		w.items(s.Returning)
	case *Copy:
		w.query(s.Query)
		w.props(s.Options)
		w.expr(s.Where)
	case *Explain:
		w.props(s.Options)
		w.stmt(s.Stmt)
	case *Print:
		w.expr(s.Interval)
		w.expr(s.Limit)
	case *AssertValues:
		w.exprs(s.Values)
	case *AssertNull:
		w.exprs(s.Key)
	case *AssertRelation:
		w.columns(s.Columns)
		w.props(s.With)
	case *AssertTopic:
		w.expr(s.ID)
		w.props(s.With)
	case *Set:
		w.exprs(s.Values)
	case *AlterSystem:
		w.exprs(s.Values)
	case *DeclareCursor:
		w.query(s.Query)
	case *Prepare:
		w.stmt(s.Stmt)
	case *Execute:
		w.exprs(s.Args)
	}
}
