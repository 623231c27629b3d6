package eval

import (
	"fmt"

	"github.com/weirdb/weir/internal/fn"
	"github.com/weirdb/weir/internal/vec"
	"github.com/weirdb/weir/planner/plan"
)

// compiler turns expressions into nodes.
type compiler struct {
	env *Env
	run *run
	in  *scope // the lambda that is being compiled; nil outside
}

// scope is a lambda around an expression.
type scope struct {
	up     *scope
	lambda *lambda
}

func (c *compiler) compile(e plan.Expr) (node, error) {
	switch e := e.(type) {
	case *plan.Col:
		return c.column(e)
	case *plan.LambdaParam:
		return c.param(e.Level, e.Index, e.T)
	case *plan.Const:
		return constantOf(e.T, e.Value), nil
	case *plan.Param:
		v, err := c.env.param(e)
		if err != nil {
			return nil, err
		}
		return constantOf(e.T, v), nil
	case *plan.Outer:
		n := &outer{level: e.Level, index: e.Index}
		n.out.Type = e.T
		return n, nil
	case *plan.Call:
		return c.call(e)
	case *plan.Logic:
		args, err := c.all(e.Args)
		if err != nil {
			return nil, err
		}
		n := &logic{or: e.Or, args: args}
		n.out.Type = vec.Of(vec.Bool)
		return c.fold(n, args...), nil
	case *plan.Case:
		return c.caseOf(e)
	case *plan.Coalesce:
		args, err := c.all(e.Args)
		if err != nil {
			return nil, err
		}
		n := &coalesce{args: args}
		n.out.Type = e.T
		return c.fold(n, args...), nil
	case *plan.IsNull:
		arg, err := c.compile(e.X)
		if err != nil {
			return nil, err
		}
		n := &isNull{arg: arg, not: e.Not}
		n.out.Type = vec.Of(vec.Bool)
		return c.fold(n, arg), nil
	case *plan.In:
		arg, err := c.compile(e.X)
		if err != nil {
			return nil, err
		}
		n := &in{arg: arg, set: newSet(e.X.Type(), e.List), hasNull: e.HasNull, not: e.Not}
		n.out.Type = vec.Of(vec.Bool)
		return c.fold(n, arg), nil
	case *plan.Struct:
		args, err := c.all(e.Args)
		if err != nil {
			return nil, err
		}
		n := &tuple{args: args, vecs: make([]*vec.Vec, len(args))}
		n.out.Type = e.T
		return c.fold(n, args...), nil
	case *plan.Array:
		args, err := c.all(e.Args)
		if err != nil {
			return nil, err
		}
		n := &tuple{args: args, vecs: make([]*vec.Vec, len(args)), counted: true}
		n.out.Type = e.T
		return c.fold(n, args...), nil
	case *plan.MapOf:
		keys, err := c.all(e.Keys)
		if err != nil {
			return nil, err
		}
		values, err := c.all(e.Values)
		if err != nil {
			return nil, err
		}
		n := &mapOf{args: append(keys, values...), n: len(keys)}
		n.vecs = make([]*vec.Vec, len(n.args))
		n.ends = make([]int, len(n.args))
		n.out.Type = e.T
		return c.fold(n, n.args...), nil
	case *plan.FieldOf:
		arg, err := c.compile(e.X)
		if err != nil {
			return nil, err
		}
		n := &field{arg: arg, index: e.Index, of: e.X.Type()}
		if e.Index >= len(n.of.Fields) {
			return nil, fmt.Errorf("eval: field %d of %s", e.Index, n.of)
		}
		n.out.Type = e.T
		return c.fold(n, arg), nil
	case *plan.Subquery:
		return c.subquery(e)
	}
	return nil, fmt.Errorf("eval: no value: %T", e)
}

func (c *compiler) all(es []plan.Expr) ([]node, error) {
	out := make([]node, len(es))
	for i, e := range es {
		var err error
		if out[i], err = c.compile(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// column compiles a reference to the input, which may be around lambdas.
func (c *compiler) column(e *plan.Col) (node, error) {
	level := 0
	for s := c.in; s != nil; s = s.up {
		level++
	}
	if level > 0 {
		return c.captured(level, e.Index, e.T), nil
	}
	n := &column{index: e.Index}
	n.out.Type = e.T
	return n, nil
}

// param compiles parameter index of the lambda that is level lambdas out.
func (c *compiler) param(level, index int, t vec.Type) (node, error) {
	if level > 0 {
		return c.captured(level, index, t), nil
	}
	n := &column{index: index}
	n.out.Type = t
	return n, nil
}

// captured compiles column index of what is level lambdas further out, and
// notes that the lambdas between depend on it.
func (c *compiler) captured(level, index int, t vec.Type) node {
	s := c.in
	s.lambda.captures = true
	for ; level > 1 && s.up != nil; level-- {
		s = s.up
		s.lambda.captures = true
	}
	n := &captured{from: s.lambda, index: index}
	n.out.Type = t
	return n
}

func (c *compiler) call(e *plan.Call) (node, error) {
	n := &call{f: e.Fn, pos: e.Pos}
	n.c.Ctx, n.c.Type = &c.run.ctx, e.T
	n.out.Type = e.T
	n.args = make([]node, len(e.Args))
	n.vecs = make([]*vec.Vec, len(e.Args))
	n.c.Types = make([]vec.Type, len(e.Args))
	if len(e.Args) > 0 {
		k, ok := e.Args[0].(*plan.Const)
		n.literal = ok && k.T.Kind == vec.Unknown && e.Pos >= 0
	}
	fixed := e.Fn.Volatility == fn.Immutable
	var kids []node
	for i, a := range e.Args {
		n.c.Types[i] = a.Type()
		if l, ok := a.(*plan.Lambda); ok {
			made, err := c.lambda(l)
			if err != nil {
				return nil, err
			}
			if n.c.Lambdas == nil {
				n.c.Lambdas = make([]fn.Lambda, len(e.Args))
			}
			n.c.Lambdas[i] = made
			n.lambdas = append(n.lambdas, made)
			fixed = false
			continue
		}
		var err error
		if n.args[i], err = c.compile(a); err != nil {
			return nil, err
		}
		kids = append(kids, n.args[i])
	}
	if !fixed {
		return n, nil
	}
	return c.fold(n, kids...), nil
}

func (c *compiler) caseOf(e *plan.Case) (node, error) {
	n := &caseOf{}
	n.out.Type = e.T
	var kids []node
	for _, w := range e.Whens {
		cond, err := c.compile(w.Cond)
		if err != nil {
			return nil, err
		}
		then, err := c.compile(w.Then)
		if err != nil {
			return nil, err
		}
		n.conds, n.thens = append(n.conds, cond), append(n.thens, then)
		kids = append(kids, cond, then)
	}
	n.others = constantOf(e.T, nil)
	if e.Else != nil {
		var err error
		if n.others, err = c.compile(e.Else); err != nil {
			return nil, err
		}
		kids = append(kids, n.others)
	}
	return c.fold(n, kids...), nil
}

// fold returns the value of n if its operands are constants. One without a value
// stays as it is: it fails for the rows that reach it, and maybe none does.
func (c *compiler) fold(n node, operands ...node) node {
	for _, o := range operands {
		if _, ok := o.(*constant); !ok {
			return n
		}
	}
	var env Env
	if c.env != nil {
		env = *c.env
	}
	env.Report = nil
	saved := c.run.env
	c.run.env = &env
	c.run.begin()
	v := n.eval(c.run, &vec.Batch{N: 1}, vec.Identity(1))
	err := c.run.err
	c.run.env = saved
	c.run.begin()
	if err != nil {
		return n
	}
	k := &constant{}
	k.v.Type = v.Type
	k.v.AppendRow(v, 0)
	k.v.Const = true
	return k
}
