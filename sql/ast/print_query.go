package ast

func (p *printer) with(w *With) {
	if w == nil {
		return
	}
	p.put("WITH ")
	p.opt(w.Recursive, "RECURSIVE ")
	for i, c := range w.CTEs {
		p.opt(i > 0, ", ")
		p.name(c.Name)
		if c.Cols != nil {
			p.put(" ")
			p.names(c.Cols)
		}
		p.put(" AS ")
		p.sub(c.Query)
	}
	p.put(" ")
}

func (p *printer) query(q Query) {
	switch q := q.(type) {
	case *Select:
		p.with(q.With)
		p.selectBody(q)
		p.tail(q.OrderBy, q.Emit, q.Limit, q.Offset, q.WithTies)
		p.opt(q.Lock, " FOR UPDATE")
	case *Values:
		p.with(q.With)
		p.put("VALUES ")
		for i, r := range q.Rows {
			p.opt(i > 0, ", ")
			p.list(r)
		}
		p.tail(q.OrderBy, q.Emit, q.Limit, q.Offset, false)
	case *SetOp:
		p.with(q.With)
		p.arm(q.L)
		p.put(" ", q.Kind.String(), " ")
		p.opt(q.All, "ALL ")
		p.arm(q.R)
		p.tail(q.OrderBy, q.Emit, q.Limit, q.Offset, q.WithTies)
	}
}

// arm prints one side of a set operation.
func (p *printer) arm(q Query) {
	if s, ok := q.(*Select); ok && s.With == nil && s.OrderBy == nil && s.Limit == nil && s.Offset == nil && s.Emit == EmitNone && !s.Lock {
		p.selectBody(s)
		return
	}
	p.sub(q)
}

func (p *printer) tail(order []Order, emit EmitKind, limit, offset Expr, ties bool) {
	if order != nil {
		p.put(" ORDER BY ")
		p.orders(order)
	}
	p.opt(emit != EmitNone, " "+emit.String())
	if limit != nil && !ties {
		p.put(" LIMIT ")
		p.expr(limit)
	}
	if offset != nil {
		p.put(" OFFSET ")
		p.expr(offset)
	}
	if ties {
		p.put(" FETCH FIRST ")
		p.operand(limit, rankPrimary)
		p.put(" ROWS WITH TIES")
	}
}

func (p *printer) items(items []Item) {
	for i, it := range items {
		p.opt(i > 0, ", ")
		p.expr(it.X)
		if !it.Alias.IsZero() {
			p.put(" AS ")
			p.name(it.Alias)
		}
	}
}

func (p *printer) selectBody(q *Select) {
	p.put("SELECT")
	p.opt(q.Distinct, " DISTINCT")
	if q.DistinctOn != nil {
		p.put(" DISTINCT ON ")
		p.list(q.DistinctOn)
	}
	if q.Items != nil {
		p.put(" ")
		p.items(q.Items)
	}
	if q.From != nil {
		p.put(" FROM ")
		p.table(q.From)
	}
	if w := q.Window; w != nil {
		p.streamWindow(w)
	}
	p.where(q.Where)
	if q.GroupBy != nil {
		p.put(" GROUP BY ")
		p.exprs(q.GroupBy)
	}
	if q.Partition != nil {
		p.put(" PARTITION BY ")
		p.exprs(q.Partition)
	}
	if q.Having != nil {
		p.put(" HAVING ")
		p.expr(q.Having)
	}
	for i := range q.Windows {
		if i == 0 {
			p.put(" WINDOW ")
		} else {
			p.put(", ")
		}
		p.name(q.Windows[i].Name)
		p.put(" AS ")
		p.window(&q.Windows[i])
	}
}

func (p *printer) where(x Expr) {
	if x != nil {
		p.put(" WHERE ")
		p.expr(x)
	}
}

func (p *printer) duration(before string, d *Duration) {
	if d != nil {
		p.put(before, d.N, " ", d.Unit.String())
	}
}

func (p *printer) streamWindow(w *StreamWindow) {
	p.put(" WINDOW ", w.Kind.String(), " (")
	if w.Kind == Session {
		p.duration("", w.Size)
	} else {
		p.duration("SIZE ", w.Size)
	}
	p.duration(", ADVANCE BY ", w.Advance)
	p.duration(", RETENTION ", w.Retain)
	p.duration(", GRACE PERIOD ", w.Grace)
	p.put(")")
}

func (p *printer) alias(a Name, cols []Name) {
	if !a.IsZero() {
		p.put(" AS ")
		p.name(a)
		if cols != nil {
			p.put(" ")
			p.names(cols)
		}
	}
}

func (p *printer) table(t Table) {
	switch t := t.(type) {
	case *TableName:
		p.path(t.Name)
		if t.AsOf != nil {
			p.put(" FOR SYSTEM_TIME AS OF ")
			p.operand(t.AsOf, rankOther)
		}
		p.alias(t.Alias, t.Cols)
	case *Derived:
		p.opt(t.Lateral, "LATERAL ")
		p.sub(t.Query)
		p.alias(t.Alias, t.Cols)
	case *TableFunc:
		p.opt(t.Lateral, "LATERAL ")
		p.expr(t.Call)
		p.opt(t.Ordinality, " WITH ORDINALITY")
		if t.Types == nil {
			p.alias(t.Alias, t.Cols)
			break
		}
		p.put(" AS ")
		if !t.Alias.IsZero() {
			p.name(t.Alias)
		}
		p.put(" (")
		for i, c := range t.Cols {
			p.opt(i > 0, ", ")
			p.name(c)
			p.put(" ")
			p.typ(t.Types[i])
		}
		p.put(")")
	case *Join:
		p.join(t)
	}
}

func (p *printer) join(t *Join) {
	p.table(t.L)
	p.put(" ")
	p.opt(t.Natural, "NATURAL ")
	p.opt(t.Kind != InnerJoin, t.Kind.String()+" ")
	p.put("JOIN ")
	if _, ok := t.R.(*Join); ok {
		p.put("(")
		p.table(t.R)
		p.put(")")
	} else {
		p.table(t.R)
	}
	if w := t.Within; w != nil {
		if w.After == nil {
			p.duration(" WITHIN ", w.Before)
		} else {
			p.duration(" WITHIN (", w.Before)
			p.duration(", ", w.After)
			p.put(")")
		}
		p.duration(" GRACE PERIOD ", w.Grace)
	}
	if t.On != nil {
		p.put(" ON ")
		p.expr(t.On)
	}
	if t.Using != nil {
		p.put(" USING ")
		p.names(t.Using)
	}
}
