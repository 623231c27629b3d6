package fn

import (
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// Lookup returns the overloads of a function or operator in a dialect, in order
// of preference; nil if there is no such name. Names are in lower case.
func Lookup(name string, d Dialect) []*Func {
	if name == "!=" {
		name = "<>"
	}
	return ofDialect(scalars()[name], d, (*Func).in)
}

// LookupAgg is Lookup for aggregate functions.
func LookupAgg(name string, d Dialect) []*Agg { return ofDialect(aggregates()[name], d, (*Agg).in) }

// LookupTable is Lookup for table functions.
func LookupTable(name string, d Dialect) []*TableFunc {
	return ofDialect(tables()[name], d, (*TableFunc).in)
}

func (f *Func) in(d Dialect) bool      { return f.Dialect&d != 0 }
func (f *Agg) in(d Dialect) bool       { return f.Dialect&d != 0 }
func (f *TableFunc) in(d Dialect) bool { return f.Dialect&d != 0 }

func ofDialect[F any](all []F, d Dialect, in func(F, Dialect) bool) []F {
	var out []F
	for _, f := range all {
		if in(f, d) {
			out = append(out, f)
		}
	}
	return out
}

// Resolve finds the overload of a function or operator that a call with
// arguments of these types means. Arguments of kind Unknown are NULL and string
// literals without a type. It returns the types that the arguments have to be
// cast to (implicitly) and the type of the result. The rules are PostgreSQL's
// (chapter 10), in the ksql dialect ksqlDB's.
func Resolve(name string, d Dialect, args []vec.Type) (*Func, []vec.Type, vec.Type, error) {
	f, want, err := choose(name, d, args, Lookup(name, d), (*Func).signature)
	if err != nil {
		return nil, nil, vec.Type{}, err
	}
	t, err := f.Result(want)
	return f, want, t, err
}

// ResolveAgg is Resolve for aggregate functions.
func ResolveAgg(name string, d Dialect, args []vec.Type) (*Agg, []vec.Type, vec.Type, error) {
	f, want, err := choose(name, d, args, LookupAgg(name, d), (*Agg).signature)
	if err != nil {
		return nil, nil, vec.Type{}, err
	}
	t, err := f.Result(want)
	return f, want, t, err
}

// ResolveTable is Resolve for table functions; the result is its columns.
func ResolveTable(name string, d Dialect, args []vec.Type) (*TableFunc, []vec.Type, []vec.Field, error) {
	f, want, err := choose(name, d, args, LookupTable(name, d), (*TableFunc).signature)
	if err != nil {
		return nil, nil, nil, err
	}
	cols, err := f.Result(want)
	return f, want, cols, err
}

// An Arg is an argument of a call that may be a lambda.
type Arg struct {
	Type   vec.Type // of an argument that is no lambda
	Lambda int      // number of parameters; 0 for an argument that is no lambda
}

// ResolveLambda is Resolve for calls with lambdas among the arguments. It calls
// bind for each lambda, from left to right, with the types of its parameters;
// bind returns the type of the lambda's body.
func ResolveLambda(name string, d Dialect, args []Arg, bind func(arg int, params []vec.Type) (vec.Type, error)) (*Func, []vec.Type, vec.Type, error) {
	types := make([]vec.Type, len(args))
	var lambdas bool
	for i, a := range args {
		types[i] = a.Type
		lambdas = lambdas || a.Lambda > 0
	}
	if !lambdas {
		return Resolve(name, d, types)
	}
	var fit []*Func
	for _, f := range Lookup(name, d) {
		if f.takesLambdas(args) {
			fit = append(fit, f)
		}
	}
	f, want, err := choose(name, d, types, fit, (*Func).signature)
	if err != nil {
		return nil, nil, vec.Type{}, err
	}
	for i, a := range args {
		if a.Lambda == 0 {
			continue
		}
		if want[i], err = bind(i, f.LambdaArgs(i, want)); err != nil {
			return nil, nil, vec.Type{}, err
		}
	}
	t, err := f.Result(want)
	return f, want, t, err
}

func (f *Func) takesLambdas(args []Arg) bool {
	if len(args) != len(f.Params) {
		return false
	}
	for i, p := range f.Params {
		if p.Lambda != args[i].Lambda {
			return false
		}
	}
	return true
}

// signature is what overload resolution looks at.
type signature struct {
	params   []Param
	variadic bool
}

func (f *Func) signature() signature      { return signature{f.Params, f.Variadic} }
func (f *Agg) signature() signature       { return signature{f.Params, f.Variadic} }
func (f *TableFunc) signature() signature { return signature{f.Params, f.Variadic} }

// param returns the pattern for argument i.
func (s signature) param(i int) Param { return s.params[min(i, len(s.params)-1)] }

// takes tells whether a call may have n arguments.
func (s signature) takes(n int) bool {
	if s.variadic {
		return n >= len(s.params)-1
	}
	return n == len(s.params)
}

// match returns the types that args must be cast to for the call to be legal.
func (s signature) match(d Dialect, args []vec.Type) ([]vec.Type, bool) {
	if !s.takes(len(args)) {
		return nil, false
	}
	want := make([]vec.Type, len(args))
	var vars [8]vec.Type // what the type variables stand for
	var bound [8]bool
	for i, a := range args {
		p := s.param(i)
		if p.Var == 0 || p.Lambda > 0 {
			continue
		}
		if p.ElemOf {
			if a.Kind == vec.Unknown {
				continue
			}
			if a.Kind != vec.Array {
				return nil, false
			}
			a = *a.Elem
		} else if p.Kind != vec.Unknown && a.Kind != p.Kind && a.Kind != vec.Unknown {
			return nil, false
		}
		if !bound[p.Var] {
			vars[p.Var], bound[p.Var] = a, true
			continue
		}
		t, ok := common(d, vars[p.Var], a)
		if !ok {
			return nil, false
		}
		vars[p.Var] = t
	}
	for i, a := range args {
		switch p := s.param(i); {
		case p.Lambda > 0:
		case p.Var > 0:
			t := vars[p.Var]
			if t.Kind == vec.Unknown {
				t = vec.Of(vec.Text)
			}
			if p.ElemOf {
				t = vec.ArrayOf(t)
			}
			want[i] = t
		case p.NoArray && a.Kind == vec.Array:
			return nil, false
		case p.Kind == vec.Unknown:
			want[i] = a
		case a.Kind == p.Kind:
			want[i] = a
		default:
			if a.Kind != vec.Unknown && !Coercible(a, vec.Of(p.Kind), d) {
				return nil, false
			}
			want[i] = widened(a, p.Kind, d)
		}
	}
	return want, true
}

// widened is the type an argument of type a gets when a parameter of kind k
// takes it: integers become decimals wide enough for them in ksqlDB's sense.
func widened(a vec.Type, k vec.Kind, d Dialect) vec.Type {
	switch {
	case k == vec.Array:
		return vec.ArrayOf(vec.Of(vec.Text)) // of an untyped literal
	case k == vec.Decimal && d == KSQL && a.IsInteger():
		return IntDecimal(a.Kind)
	}
	return vec.Of(k)
}

// A candidate is an overload that the call could mean.
type candidate[F any] struct {
	f         F
	sig       signature
	want      []vec.Type
	exact     int // arguments taken as they are
	preferred int // arguments taken as they are or as their category's preferred type
	cost      int // total of widening steps, ksql dialect
}

// choose is PostgreSQL's func_select_candidate (parse_func.c) over our patterns.
func choose[F any](name string, d Dialect, args []vec.Type, all []F, sig func(F) signature) (F, []vec.Type, error) {
	var none F
	var fit []candidate[F]
	known := vec.Type{}
	sameKnown, unknowns := true, 0
	for _, a := range args {
		switch {
		case a.Kind == vec.Unknown:
			unknowns++
		case known.Kind == vec.Unknown:
			known = a
		case known.Kind != a.Kind:
			sameKnown = false
		}
	}
	operator := isOperator(name)
	if operator && unknowns == 1 && len(args) == 2 {
		// A literal beside an operator is first taken to be of the other's type.
		same := []vec.Type{known, known}
		for _, f := range all {
			if c, ok := fits(f, sig(f), d, same); ok && c.exact == 2 {
				return f, c.want, nil
			}
		}
	}
	for _, f := range all {
		if c, ok := fits(f, sig(f), d, args); ok {
			fit = append(fit, c)
		}
	}
	if len(fit) > 1 {
		fit = keepMost(fit, func(c candidate[F]) int { return c.exact })
	}
	if len(fit) > 1 && d == KSQL {
		fit = keepMost(fit, func(c candidate[F]) int { return -c.cost })
	}
	if len(fit) > 1 {
		fit = keepMost(fit, func(c candidate[F]) int { return c.preferred })
	}
	if len(fit) > 1 && unknowns > 0 {
		fit = byUnknowns(fit, args)
	}
	if len(fit) > 1 && unknowns > 0 && known.Kind != vec.Unknown && sameKnown {
		same := make([]vec.Type, len(args))
		for i := range same {
			same[i] = known
		}
		var left []candidate[F]
		for _, c := range fit {
			if s, ok := c.sig.match(d, same); ok && s != nil {
				if n, _ := fits(c.f, c.sig, d, same); n.exact == len(args) {
					left = append(left, c)
				}
			}
		}
		if len(left) == 1 {
			fit = left
		}
	}
	if len(fit) > 1 && (d == KSQL || generic(fit)) {
		fit = fit[:1] // ours are listed in order of preference
	}
	switch len(fit) {
	case 1:
		return fit[0].f, fit[0].want, nil
	case 0:
		return none, nil, undefined(name, operator, d, args, len(all) > 0)
	}
	return none, nil, ambiguous(name, operator, d, args)
}

// generic tells whether all candidates but one take any type somewhere: the
// rest of PostgreSQL's rules then prefer the specific one.
func generic[F any](fit []candidate[F]) bool {
	var wild int
	for _, c := range fit {
		for _, p := range c.sig.params {
			if p.Kind == vec.Unknown || p.Var > 0 {
				wild++
				break
			}
		}
	}
	return wild > 0
}

func fits[F any](f F, sig signature, d Dialect, args []vec.Type) (candidate[F], bool) {
	want, ok := sig.match(d, args)
	if !ok {
		return candidate[F]{}, false
	}
	c := candidate[F]{f: f, sig: sig, want: want}
	for i, a := range args {
		if a.Kind == vec.Unknown || sig.param(i).Lambda > 0 {
			continue
		}
		switch {
		case a.Kind == want[i].Kind && (a.Kind != vec.Array || a.Equal(want[i])):
			c.exact++
			c.preferred++
		case preferred(want[i].Kind) && category(a.Kind) == category(want[i].Kind):
			c.preferred++
		}
		c.cost += widening(a.Kind, want[i].Kind)
	}
	return c, true
}

func keepMost[F any](fit []candidate[F], score func(candidate[F]) int) []candidate[F] {
	best := score(fit[0])
	for _, c := range fit[1:] {
		best = max(best, score(c))
	}
	var left []candidate[F]
	for _, c := range fit {
		if score(c) == best {
			left = append(left, c)
		}
	}
	return left
}

// byUnknowns keeps the candidates that take, where literals stand, the category
// that the rules prefer: strings if any candidate takes strings there, else the
// one that all agree on; within it, the preferred type.
func byUnknowns[F any](fit []candidate[F], args []vec.Type) []candidate[F] {
	for i, a := range args {
		if a.Kind != vec.Unknown {
			continue
		}
		var cat byte
		conflict, text := false, false
		for _, c := range fit {
			k := category(c.sig.param(i).Kind)
			text = text || k == 'S'
			conflict = conflict || cat != 0 && cat != k
			cat = k
		}
		if text {
			cat = 'S'
		} else if conflict {
			return fit
		}
		hasPreferred := false
		for _, c := range fit {
			k := c.sig.param(i).Kind
			hasPreferred = hasPreferred || category(k) == cat && preferred(k)
		}
		var left []candidate[F]
		for _, c := range fit {
			k := c.sig.param(i).Kind
			if category(k) == cat && (!hasPreferred || preferred(k)) {
				left = append(left, c)
			}
		}
		if len(left) > 0 {
			fit = left
		}
	}
	return fit
}

// category is pg_type.typcategory.
func category(k vec.Kind) byte {
	switch k {
	case vec.Bool:
		return 'B'
	case vec.Int16, vec.Int32, vec.Int64, vec.OID, vec.Float32, vec.Float64, vec.Decimal:
		return 'N'
	case vec.Text:
		return 'S'
	case vec.Date, vec.Time, vec.Timestamp, vec.TimestampTZ:
		return 'D'
	case vec.Interval:
		return 'T'
	case vec.Array:
		return 'A'
	case vec.Struct:
		return 'P'
	case vec.Unknown:
		return 'X'
	}
	return 'U'
}

// preferred is pg_type.typispreferred.
func preferred(k vec.Kind) bool {
	switch k {
	case vec.Bool, vec.OID, vec.Float64, vec.Text, vec.TimestampTZ, vec.Interval:
		return true
	}
	return false
}

func isOperator(name string) bool {
	return name != "" && !(name[0] == '_' || name[0] >= 'a' && name[0] <= 'z')
}

// undefined is the error for a call that matches no overload.
func undefined(name string, operator bool, d Dialect, args []vec.Type, known bool) error {
	if d == KSQL {
		if !known && !operator {
			return pgerr.Newf(pgerr.UndefinedFunction, "can't find any functions with the name '%s'", strings.ToUpper(name))
		}
		if operator {
			return pgerr.Newf(pgerr.UndefinedFunction, "operator does not exist: %s", operatorCall(name, d, args))
		}
		return pgerr.Newf(pgerr.UndefinedFunction, "function '%s' does not accept parameters (%s)", name, typeNames(d, args)).
			Hintf("Valid alternatives: %s.", alternatives(name, d))
	}
	if operator {
		return pgerr.Newf(pgerr.UndefinedFunction, "operator does not exist: %s", operatorCall(name, d, args)).
			Hintf("No operator matches the given name and argument types. You might need to add explicit type casts.")
	}
	return pgerr.Newf(pgerr.UndefinedFunction, "function %s(%s) does not exist", name, typeNames(d, args)).
		Hintf("No function matches the given name and argument types. You might need to add explicit type casts.")
}

func ambiguous(name string, operator bool, d Dialect, args []vec.Type) error {
	if operator {
		return pgerr.Newf(pgerr.AmbiguousFunction, "operator is not unique: %s", operatorCall(name, d, args)).
			Hintf("Could not choose a best candidate operator. You might need to add explicit type casts.")
	}
	return pgerr.Newf(pgerr.AmbiguousFunction, "function %s(%s) is not unique", name, typeNames(d, args)).
		Hintf("Could not choose a best candidate function. You might need to add explicit type casts.")
}

func operatorCall(name string, d Dialect, args []vec.Type) string {
	if len(args) == 1 {
		return name + " " + typeNames(d, args)
	}
	return typeNames(d, args[:1]) + " " + name + " " + typeNames(d, args[1:])
}

// typeNames lists types as error messages show them, without modifiers.
func typeNames(d Dialect, types []vec.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		if d == KSQL {
			names[i] = t.KSQL()
			continue
		}
		t.Precision = 0
		names[i] = t.String()
	}
	return strings.Join(names, ", ")
}

func alternatives(name string, d Dialect) string {
	var out []string
	for _, f := range Lookup(name, d) {
		out = append(out, Signature(name, f.Params, f.Variadic))
	}
	for _, f := range LookupAgg(name, d) {
		out = append(out, Signature(name, f.Params, f.Variadic))
	}
	for _, f := range LookupTable(name, d) {
		out = append(out, Signature(name, f.Params, f.Variadic))
	}
	return strings.Join(out, ", ")
}

// Signature writes an overload as documentation shows it.
func Signature(name string, params []Param, variadic bool) string {
	var b strings.Builder
	b.WriteString(name + "(")
	for i, p := range params {
		if i > 0 {
			b.WriteString(", ")
		}
		if variadic && i == len(params)-1 {
			b.WriteString("variadic ")
		}
		b.WriteString(p.String())
	}
	return b.String() + ")"
}

// String names the types that the parameter takes.
func (p Param) String() string {
	switch {
	case p.Lambda > 0:
		return "lambda"
	case p.ElemOf:
		return "anyarray"
	case p.Kind == vec.Unknown && p.Var > 0:
		return "anyelement"
	case p.NoArray:
		return "anynonarray"
	case p.Kind == vec.Unknown:
		return "any"
	case p.Kind == vec.Map:
		return "map"
	case p.Kind == vec.Struct:
		return "struct"
	case p.Kind == vec.Array:
		return "array"
	}
	return vec.Of(p.Kind).String()
}
