package fn

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// A matcher finds a regular expression in text. Positions are in bytes.
type matcher interface {
	// find returns the places of the first match at or after from and of its
	// groups, as pairs, -1 for a group that took no part; nil for no match.
	find(s string, from int) ([]int, error)
	groups() int
}

// linear is Go's engine, which takes time linear in the text.
type linear struct{ re *regexp.Regexp }

func (m linear) groups() int { return m.re.NumSubexp() }

func (m linear) find(s string, from int) ([]int, error) {
	if from == 0 {
		return m.re.FindStringSubmatchIndex(s), nil
	}
	// The text before from still counts for ^, \b and the like.
	for _, loc := range m.re.FindAllStringSubmatchIndex(s, -1) {
		if loc[0] >= from {
			return loc, nil
		}
	}
	return nil, nil
}

// backtracking is for what RE2 lacks: back references and look-around.
type backtracking struct{ re *regexp2.Regexp }

func (m backtracking) groups() int { return len(m.re.GetGroupNumbers()) - 1 }

func (m backtracking) find(s string, from int) ([]int, error) {
	runes := []rune(s)
	at := make([]int, len(runes)+1) // byte offset of each rune
	n, start := 0, len(runes)
	for i, r := range runes {
		at[i] = n
		if n == from {
			start = i
		}
		n += len(string(r))
	}
	at[len(runes)] = n
	match, err := m.re.FindRunesMatchStartingAt(runes, start)
	if err != nil {
		return nil, pgerr.Newf("54001", "regular expression took too long")
	}
	if match == nil {
		return nil, nil
	}
	var out []int
	for _, g := range match.Groups() {
		if len(g.Captures) == 0 {
			out = append(out, -1, -1)
			continue
		}
		out = append(out, at[g.Index], at[g.Index+g.Length])
	}
	return out, nil
}

// matchTime bounds the time that a pattern may backtrack in one text.
const matchTime = 200 * time.Millisecond

type regexKey struct {
	pattern, flags string
	java           bool
}

// compiled keeps patterns from being compiled for each batch. It is emptied
// when it holds maxCompiled.
var compiled = struct {
	sync.RWMutex
	m map[regexKey]matcher
}{m: map[regexKey]matcher{}}

const maxCompiled = 256

// compileRegex compiles a pattern of PostgreSQL's (advanced) or Java's dialect.
// flags are PostgreSQL's letters, without g.
func compileRegex(pattern, flags string, java bool) (matcher, error) {
	key := regexKey{pattern, flags, java}
	compiled.RLock()
	m, ok := compiled.m[key]
	compiled.RUnlock()
	if ok {
		return m, nil
	}
	m, err := newMatcher(key)
	if err != nil {
		return nil, err
	}
	compiled.Lock()
	if len(compiled.m) >= maxCompiled {
		clear(compiled.m)
	}
	compiled.m[key] = m
	compiled.Unlock()
	return m, nil
}

func newMatcher(k regexKey) (matcher, error) {
	fold, lines, dot, literal := false, false, !k.java, false
	for _, f := range k.flags {
		switch f {
		case 'i':
			fold = true
		case 'c':
			fold = false
		case 'n', 'm':
			lines, dot = true, false
		case 'p':
			dot = false
		case 'w':
			lines = true
		case 's':
			lines, dot = false, true
		case 't', 'e', 'b':
		case 'q':
			literal = true
		case 'x':
		default:
			return nil, pgerr.Newf("22023", "invalid regular expression option: \"%c\"", f)
		}
	}
	src := k.pattern
	switch {
	case literal:
		src = regexp.QuoteMeta(src)
	case !k.java:
		src = translatePattern(src)
	}
	if strings.ContainsRune(k.flags, 'x') {
		src = stripExpanded(src)
	}
	opts := ""
	if fold {
		opts += "i"
	}
	if lines {
		opts += "m"
	}
	if dot {
		opts += "s"
	}
	if opts != "" {
		src = "(?" + opts + ")" + src
	}
	re, err := regexp.Compile(src)
	if err == nil {
		if !k.java && !lazy.MatchString(src) {
			re.Longest() // POSIX: the longest of the leftmost matches
		}
		return linear{re}, nil
	}
	re2, err2 := regexp2.Compile(src, regexp2.None)
	if err2 != nil {
		detail := err.Error()
		if i := strings.LastIndex(detail, ": `"); i > 0 {
			detail = detail[:i]
		}
		return nil, pgerr.Newf("2201B", "invalid regular expression: %s", strings.TrimPrefix(detail, "error parsing regexp: "))
	}
	re2.MatchTimeout = matchTime
	return backtracking{re2}, nil
}

var lazy = regexp.MustCompile(`[*+?}]\?`)

// stripExpanded drops blanks and comments that the x flag allows.
func stripExpanded(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			b.WriteString(s[i : i+2])
			i++
		case c == '#':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case strings.IndexByte(" \t\n\r", c) < 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// translatePattern turns the escapes that only PostgreSQL has into Go's.
func translatePattern(s string) string {
	s = strings.TrimPrefix(s, "***:")
	if strings.HasPrefix(s, "***=") {
		return regexp.QuoteMeta(s[4:])
	}
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'y', 'm', 'M':
			b.WriteString(`\b`)
		case 'Y':
			b.WriteString(`\B`)
		case 'Z':
			b.WriteString(`\z`)
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// each calls f for every match in s, as regexp_matches with g does, until it
// returns false. It goes through the text once.
func eachMatch(m matcher, s string, f func(loc []int) bool) error {
	if l, ok := m.(linear); ok {
		for _, loc := range l.re.FindAllStringSubmatchIndex(s, -1) {
			if !f(loc) {
				break
			}
		}
		return nil
	}
	for from, last := 0, -1; from <= len(s); {
		loc, err := m.find(s, from)
		if err != nil || loc == nil {
			return err
		}
		if !(loc[0] == loc[1] && loc[0] == last) { // not right after a match
			if !f(loc) {
				return nil
			}
		}
		last = loc[1]
		from = loc[1]
		if loc[0] == loc[1] {
			from++
			for from < len(s) && s[from]&0xc0 == 0x80 {
				from++
			}
		}
	}
	return nil
}

// group is the text of group g, nil if it took no part.
func group(s string, loc []int, g int) vec.Value {
	if 2*g+1 >= len(loc) || loc[2*g] < 0 {
		return nil
	}
	return s[loc[2*g]:loc[2*g+1]]
}

func regexOp(name, flags string, not bool) *Func {
	return &Func{Name: name, Dialect: Postgres, Params: params(vec.Text, vec.Text), Result: of(vec.Bool),
		Eval: func(c *Call, rows []uint16, args []*vec.Vec, out *vec.Vec) {
			for _, r := range rows {
				m, err := compileRegex(string(args[1].Bytes(int(r))), flags, false)
				var loc []int
				if err == nil {
					if l, ok := m.(linear); ok {
						if l.re.Match(args[0].Bytes(int(r))) {
							loc = []int{0}
						}
					} else {
						loc, err = m.find(string(args[0].Bytes(int(r))), 0)
					}
				}
				if err != nil {
					c.fail(out, int(r), err)
					continue
				}
				out.Ints[r] = 0
				if (loc != nil) != not {
					out.Ints[r] = 1
				}
			}
		}}
}

// textOf are n text parameters.
func textOf(n int) []Param {
	out := make([]Param, n)
	for i := range out {
		out[i].Kind = vec.Text
	}
	return out
}

var textArray = fixed(vec.ArrayOf(vec.Of(vec.Text)))

var regexes = []*Func{
	regexOp("~", "", false), regexOp("~*", "i", false), regexOp("!~", "", true), regexOp("!~*", "i", true),
	{Name: "regexp_like", Dialect: Postgres, Params: textOf(2), Result: of(vec.Bool), Eval: boxed(regexpLike)},
	{Name: "regexp_like", Dialect: Postgres, Params: textOf(3), Result: of(vec.Bool), Eval: boxed(regexpLike)},
	{Name: "regexp_match", Dialect: Postgres, Params: textOf(2), Result: textArray, Eval: boxed(regexpMatch)},
	{Name: "regexp_match", Dialect: Postgres, Params: textOf(3), Result: textArray, Eval: boxed(regexpMatch)},
	{Name: "regexp_replace", Dialect: Postgres, Params: textOf(3), Result: of(vec.Text), Eval: boxed(regexpReplace)},
	{Name: "regexp_replace", Dialect: Postgres, Params: textOf(4), Result: of(vec.Text), Eval: boxed(regexpReplace)},
	{Name: "regexp_replace", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Text, vec.Int32), Result: of(vec.Text), Eval: boxed(regexpReplaceAt)},
	{Name: "regexp_replace", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Text, vec.Int32, vec.Int32), Result: of(vec.Text), Eval: boxed(regexpReplaceAt)},
	{Name: "regexp_replace", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Text, vec.Int32, vec.Int32, vec.Text), Result: of(vec.Text), Eval: boxed(regexpReplaceAt)},
	{Name: "regexp_split_to_array", Dialect: Postgres, Params: textOf(2), Result: textArray, Eval: boxed(regexpSplit)},
	{Name: "regexp_split_to_array", Dialect: Postgres, Params: textOf(3), Result: textArray, Eval: boxed(regexpSplit)},
	{Name: "regexp_count", Dialect: Postgres, Params: params(vec.Text, vec.Text), Result: of(vec.Int32), Eval: boxed(regexpCount)},
	{Name: "regexp_count", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32), Result: of(vec.Int32), Eval: boxed(regexpCount)},
	{Name: "regexp_count", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32, vec.Text), Result: of(vec.Int32), Eval: boxed(regexpCount)},
	{Name: "regexp_instr", Dialect: Postgres, Params: params(vec.Text, vec.Text), Result: of(vec.Int32), Eval: boxed(regexpInstr)},
	{Name: "regexp_instr", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32), Result: of(vec.Int32), Eval: boxed(regexpInstr)},
	{Name: "regexp_instr", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32, vec.Int32), Result: of(vec.Int32), Eval: boxed(regexpInstr)},
	{Name: "regexp_substr", Dialect: Postgres, Params: params(vec.Text, vec.Text), Result: of(vec.Text), Eval: boxed(regexpSubstr)},
	{Name: "regexp_substr", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32), Result: of(vec.Text), Eval: boxed(regexpSubstr)},
	{Name: "regexp_substr", Dialect: Postgres, Params: params(vec.Text, vec.Text, vec.Int32, vec.Int32), Result: of(vec.Text), Eval: boxed(regexpSubstr)},
	{Name: "substring", Dialect: Postgres, Params: textOf(2), Result: of(vec.Text), Eval: boxed(substringRegex)},
	{Name: "substring", Dialect: Postgres, Params: textOf(3), Result: of(vec.Text), Eval: boxed(substringSimilar)},
	{Name: "similar_to_escape", Dialect: Postgres, Params: textOf(1), Result: of(vec.Text), Eval: boxed(similarPattern)},
	{Name: "similar_to_escape", Dialect: Postgres, Params: textOf(2), Result: of(vec.Text), Eval: boxed(similarPattern)},
}

func flagsArg(a []vec.Value, i int) (flags string, global bool) {
	if i >= len(a) {
		return "", false
	}
	f := a[i].(string)
	return strings.ReplaceAll(f, "g", ""), strings.Contains(f, "g")
}

func regexpLike(_ *Call, a []vec.Value) (vec.Value, error) {
	flags, global := flagsArg(a, 2)
	if global {
		return nil, noGlobal("regexp_like")
	}
	m, err := compileRegex(a[1].(string), flags, false)
	if err != nil {
		return nil, err
	}
	loc, err := m.find(a[0].(string), 0)
	return loc != nil, err
}

func noGlobal(name string) error {
	e := pgerr.Newf("22023", "%s() does not support the \"global\" option", name)
	if name == "regexp_match" {
		_ = e.Hintf("Use the regexp_matches function instead.")
	}
	return e
}

// captures are the groups of a match, or the whole if there are none.
func captures(m matcher, s string, loc []int) []vec.Value {
	n := m.groups()
	if n == 0 {
		return []vec.Value{group(s, loc, 0)}
	}
	out := make([]vec.Value, n)
	for g := range out {
		out[g] = group(s, loc, g+1)
	}
	return out
}

func regexpMatch(_ *Call, a []vec.Value) (vec.Value, error) {
	flags, global := flagsArg(a, 2)
	if global {
		return nil, noGlobal("regexp_match")
	}
	m, err := compileRegex(a[1].(string), flags, false)
	if err != nil {
		return nil, err
	}
	loc, err := m.find(a[0].(string), 0)
	if err != nil || loc == nil {
		return nil, err
	}
	return captures(m, a[0].(string), loc), nil
}

// expand appends a replacement: \1 to \9 are groups, \& the whole match.
func expand(b *strings.Builder, with, s string, loc []int) {
	for i := 0; i < len(with); i++ {
		if with[i] != '\\' || i+1 == len(with) {
			b.WriteByte(with[i])
			continue
		}
		i++
		switch c := with[i]; {
		case c >= '1' && c <= '9':
			if g, ok := group(s, loc, int(c-'0')).(string); ok {
				b.WriteString(g)
			}
		case c == '&':
			b.WriteString(s[loc[0]:loc[1]])
		case c == '\\':
			b.WriteByte('\\')
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
}

// replaceMatches replaces the n-th match at or after from, all if n is 0.
func replaceMatches(m matcher, s, with string, from, n int) (string, error) {
	var b strings.Builder
	last, k := 0, 0
	err := eachMatch(m, s, func(loc []int) bool {
		if loc[0] < from {
			return true
		}
		if k++; n > 0 && k < n {
			return true
		}
		b.WriteString(s[last:loc[0]])
		expand(&b, with, s, loc)
		last = loc[1]
		return n == 0
	})
	b.WriteString(s[last:])
	return b.String(), err
}

func regexpReplace(_ *Call, a []vec.Value) (vec.Value, error) {
	flags, global := flagsArg(a, 3)
	if len(a) > 3 && flags != "" && flags[0] >= '0' && flags[0] <= '9' {
		e := pgerr.Newf("22023", "invalid regular expression option: \"%c\"", flags[0])
		return nil, e.Hintf("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.")
	}
	m, err := compileRegex(a[1].(string), flags, false)
	if err != nil {
		return nil, err
	}
	n := 1
	if global {
		n = 0
	}
	s, err := replaceMatches(m, a[0].(string), a[2].(string), 0, n)
	return s, err
}

func regexpReplaceAt(_ *Call, a []vec.Value) (vec.Value, error) {
	flags, global := flagsArg(a, 5)
	n := 1
	if len(a) > 4 {
		n = int(a[4].(int64))
	} else if global {
		n = 0
	}
	if n < 0 {
		return nil, badParam("regexp_replace", "n", a[4])
	}
	m, err := compileRegex(a[1].(string), flags, false)
	if err != nil {
		return nil, err
	}
	from, err := startArg("regexp_replace", a, 3)
	if err != nil {
		return nil, err
	}
	s, err := replaceMatches(m, a[0].(string), a[2].(string), from, n)
	return s, err
}

func badParam(_ string, param string, x vec.Value) error {
	return pgerr.Newf("22023", "invalid value for parameter \"%s\": %d", param, x)
}

// startArg turns a 1-based start in characters into a byte offset.
func startArg(name string, a []vec.Value, i int) (int, error) {
	if i >= len(a) {
		return 0, nil
	}
	n := a[i].(int64)
	if n <= 0 {
		return 0, badParam(name, "start", a[i])
	}
	return len(runeSlice([]byte(a[0].(string)), 0, n-1)), nil
}

func regexpSplit(_ *Call, a []vec.Value) (vec.Value, error) {
	flags, global := flagsArg(a, 2)
	if global {
		return nil, noGlobal("regexp_split_to_array")
	}
	m, err := compileRegex(a[1].(string), flags, false)
	if err != nil {
		return nil, err
	}
	return splitMatches(m, a[0].(string))
}

// splitMatches splits at matches; empty ones at the ends or right after another
// do not count.
func splitMatches(m matcher, s string) ([]vec.Value, error) {
	out := []vec.Value{}
	last := 0
	err := eachMatch(m, s, func(loc []int) bool {
		if loc[0] == loc[1] && (loc[0] == last || loc[0] == len(s)) && (loc[0] == 0 || loc[0] == len(s) || loc[0] == last) {
			return true
		}
		out = append(out, s[last:loc[0]])
		last = loc[1]
		return true
	})
	return append(out, s[last:]), err
}

func regexpCount(_ *Call, a []vec.Value) (vec.Value, error) {
	flags, global := flagsArg(a, 3)
	if global {
		return nil, noGlobal("regexp_count")
	}
	from, err := startArg("regexp_count", a, 2)
	if err != nil {
		return nil, err
	}
	m, err := compileRegex(a[1].(string), flags, false)
	if err != nil {
		return nil, err
	}
	n := int64(0)
	err = eachMatch(m, a[0].(string), func(loc []int) bool {
		if loc[0] >= from {
			n++
		}
		return true
	})
	return n, err
}

// nthMatch finds the match that regexp_instr and regexp_substr ask for.
func nthMatch(name string, a []vec.Value) (found []int, err error) {
	from, err := startArg(name, a, 2)
	if err != nil {
		return nil, err
	}
	n := 1
	if len(a) > 3 {
		if n = int(a[3].(int64)); n <= 0 {
			return nil, badParam(name, "n", a[3])
		}
	}
	m, err := compileRegex(a[1].(string), "", false)
	if err != nil {
		return nil, err
	}
	err = eachMatch(m, a[0].(string), func(loc []int) bool {
		if loc[0] < from {
			return true
		}
		n--
		found = loc
		return n > 0
	})
	if n > 0 {
		found = nil
	}
	return found, err
}

func regexpInstr(_ *Call, a []vec.Value) (vec.Value, error) {
	loc, err := nthMatch("regexp_instr", a)
	if err != nil || loc == nil {
		return int64(0), err
	}
	return runeCount([]byte(a[0].(string)[:loc[0]])) + 1, nil
}

func regexpSubstr(_ *Call, a []vec.Value) (vec.Value, error) {
	loc, err := nthMatch("regexp_substr", a)
	if err != nil || loc == nil {
		return nil, err
	}
	return a[0].(string)[loc[0]:loc[1]], nil
}

// substringRegex is SUBSTRING(s FROM pattern): the first group, or the match.
func substringRegex(_ *Call, a []vec.Value) (vec.Value, error) {
	m, err := compileRegex(a[1].(string), "", false)
	if err != nil {
		return nil, err
	}
	loc, err := m.find(a[0].(string), 0)
	if err != nil || loc == nil {
		return nil, err
	}
	return captures(m, a[0].(string), loc)[0], nil
}

// similarPattern turns a pattern of SIMILAR TO into a regular expression.
func similarPattern(_ *Call, a []vec.Value) (vec.Value, error) {
	esc := `\`
	if len(a) > 1 {
		esc = a[1].(string)
	}
	return similarRegex(a[0].(string), esc)
}

func similarRegex(p, esc string) (string, error) {
	if len([]rune(esc)) > 1 {
		return "", pgerr.Newf("22025", "invalid escape string").Hintf("Escape string must be empty or one character.")
	}
	var b strings.Builder
	b.WriteString("^(?:")
	escaped, class, quotes := false, false, 0
	for _, r := range p {
		c := string(r)
		switch {
		case escaped:
			if c == `"` && !class {
				b.WriteString([]string{"){1,1}?(", "){1,1}(?:"}[min(quotes, 1)])
				quotes++
			} else {
				b.WriteString(regexp.QuoteMeta(c))
			}
			escaped = false
		case c == esc:
			escaped = true
		case class:
			b.WriteString(c)
			class = c != "]"
		case c == "[":
			class = true
			b.WriteString(c)
		case c == "%":
			b.WriteString("(?s:.*)")
		case c == "_":
			b.WriteString("(?s:.)")
		case c == "(":
			b.WriteString("(?:")
		case c == `\` || c == "." || c == "^" || c == "$":
			b.WriteString(`\` + c)
		default:
			b.WriteString(c)
		}
	}
	b.WriteString(")$")
	return b.String(), nil
}

// substringSimilar is SUBSTRING(s SIMILAR pattern ESCAPE e).
func substringSimilar(_ *Call, a []vec.Value) (vec.Value, error) {
	p, err := similarRegex(a[1].(string), a[2].(string))
	if err != nil {
		return nil, err
	}
	return substringRegex(nil, []vec.Value{a[0], strings.ReplaceAll(p, "{1,1}?", "")})
}

func formatUint(n uint64, base int) string { return strconv.FormatUint(n, base) }
