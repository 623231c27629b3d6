package stream

import (
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
	"github.com/weirdb/weir/storage"
)

// upsert remembers the latest row of each key and turns upserts and tombstones
// into changes that carry the old row. A tombstone of an unknown key is nothing.
type upsert struct {
	keys []int
	tab  *rowTable
	old  bool
	res  *changes

	keyCols []*vec.Vec
	// bare: nobody wants old rows; the input's columns are passed on.
	ops  []vec.Op
	sel  []uint16
	view vec.Batch
	none []*vec.Vec
}

func newUpsert(n *plan.Upsert, env *Env, id uint16, old bool, out Output) (operator, error) {
	u := &upsert{keys: n.Keys, old: old, keyCols: make([]*vec.Vec, len(n.Keys))}
	types := columnTypes(n)
	var keys []vec.Type
	for _, k := range n.Keys {
		keys = append(keys, types[k])
	}
	u.res = newChanges(types, out)
	if !old {
		types = nil // it is enough to know that there is a row
	}
	u.tab = newRowTable(storage.OperatorSpaces(env.Task, id), keys, types)
	return u, nil
}

func (u *upsert) process(_ int, b *vec.Batch) error {
	for i, k := range u.keys {
		u.keyCols[i] = b.Cols[k]
	}
	sel := b.Selected()
	u.tab.groups = sized(u.tab.groups, len(sel))
	u.tab.tab.Groups(u.keyCols, sel, u.tab.groups)
	u.tab.tab.Touch(u.tab.groups)
	if !u.old {
		return u.bare(b, sel)
	}
	for k, g := range u.tab.groups {
		r := int(sel[k])
		op := b.Op(r)
		if op == vec.UpdateBefore {
			continue
		}
		if err := u.res.room(2); err != nil {
			return err
		}
		had := u.tab.present(g)
		if had {
			was := vec.UpdateBefore
			if op == vec.Delete {
				was = vec.Delete
			}
			u.tab.get(g, u.res.batch.Cols, u.res.add(was, b.Time[r], b, r))
		}
		if op == vec.Delete {
			u.tab.remove(g)
			continue
		}
		u.tab.put(g, b.Cols, r, b.Time[r])
		is := vec.Insert
		if had {
			is = vec.UpdateAfter
		}
		copyRow(u.res.batch.Cols, u.res.add(is, b.Time[r], b, r), b.Cols, r)
	}
	return u.res.emit()
}

// bare is process without old rows.
func (u *upsert) bare(b *vec.Batch, sel []uint16) error {
	u.ops = sized(u.ops, b.N)
	u.sel = u.sel[:0]
	for k, g := range u.tab.groups {
		r := sel[k]
		op := b.Op(int(r))
		had := u.tab.present(g)
		switch {
		case op == vec.UpdateBefore:
			continue
		case op == vec.Delete && !had:
			continue
		case op == vec.Delete:
			u.tab.remove(g)
		default:
			u.tab.put(g, u.none, int(r), b.Time[r])
			if op = vec.Insert; had {
				op = vec.UpdateAfter
			}
		}
		u.ops[r] = op
		u.sel = append(u.sel, r)
	}
	if len(u.sel) == 0 {
		return nil
	}
	u.view = *b
	u.view.Ops, u.view.Sel = u.ops, u.sel
	return u.res.out(&u.view)
}

func (u *upsert) flush() error              { return nil }
func (u *upsert) save(m *storage.Mutations) { u.tab.save(m) }
func (u *upsert) load(r Reader) error       { return u.tab.load(r) }
func (u *upsert) bytes() int64              { return u.tab.tab.Bytes() }
