package token

import (
	"strings"

	"github.com/weirdb/weir/sql/ast"
)

// Type takes a type: a name with its arguments, ARRAY<T>, MAP<K, V>, STRUCT<n T, …>,
// and T[] and T ARRAY of any of them.
func (c *Cursor) Type() ast.Type {
	c.Nest()
	defer c.Unnest()
	t := c.element()
	for {
		pos := t.P
		switch {
		case c.Is("["):
			dims := 0
			for c.TakeOp("[") {
				if c.Peek().Kind == Number {
					c.I++
				}
				c.NeedOp("]")
				dims++
			}
			elem := t
			t = ast.Type{P: pos, Name: c.composed("ARRAY"), Elem: &elem, Dims: dims}
		case c.Take("ARRAY"):
			if c.TakeOp("[") {
				if c.Peek().Kind == Number {
					c.I++
				}
				c.NeedOp("]")
			}
			elem := t
			t = ast.Type{P: pos, Name: c.composed("ARRAY"), Elem: &elem, Dims: 1}
		default:
			return t
		}
	}
}

func (c *Cursor) composed(name string) ast.Name {
	return ast.Name{S: c.Dialect.Fold(name)}
}

// element takes a type without brackets after it.
func (c *Cursor) element() ast.Type {
	tok, pos := c.Peek(), c.Pos()
	if tok.Reserved(c.Dialect) || tok.Word("NULL") {
		c.Unexpected()
	}
	if tok.Kind == Word && (c.At(1).Is("<") || c.At(1).Is("<>")) {
		switch tok.Val {
		case "ARRAY":
			c.I += 2
			elem := c.Type()
			c.closeAngle()
			return ast.Type{P: pos, Name: c.composed("ARRAY"), Elem: &elem}
		case "MAP":
			c.I += 2
			key := c.Type()
			c.NeedOp(",")
			value := c.Type()
			c.closeAngle()
			return ast.Type{P: pos, Name: c.composed("MAP"), Key: &key, Value: &value}
		case "STRUCT":
			return c.structType(pos)
		}
	}
	t := ast.Type{P: pos, Name: c.Label()}
	if c.TakeOp(".") {
		t.Schema, t.Name = t.Name, c.Label()
	}
	if !t.Name.Quoted {
		c.words(&t)
	}
	return t
}

func (c *Cursor) structType(pos ast.P) ast.Type {
	t := ast.Type{P: pos, Name: c.composed("STRUCT"), Fields: []ast.TypeField{}}
	c.I++
	if c.TakeOp("<>") {
		return t
	}
	c.NeedOp("<")
	if c.TakeOp(">") {
		return t
	}
	for {
		f := ast.TypeField{Name: c.Label()}
		f.Type = c.Type()
		t.Fields = append(t.Fields, f)
		if !c.TakeOp(",") {
			break
		}
	}
	c.closeAngle()
	return t
}

// closeAngle takes one ">", of a longer operator too: ARRAY<ARRAY<INT>>.
func (c *Cursor) closeAngle() {
	t := c.Peek()
	if t.Kind != Op || t.Text[0] != '>' {
		c.Unexpected()
	}
	if len(t.Text) == 1 {
		c.I++
		return
	}
	t.Text = t.Text[1:]
	t.Pos++
}

// words takes what may follow the name of a type: its arguments and further words.
func (c *Cursor) words(t *ast.Type) {
	rename := func(s string) { t.Name.S = c.Dialect.Fold(s) }
	zone := false
	switch t.Word() {
	case "DOUBLE":
		c.Take("PRECISION")
	case "CHARACTER", "CHAR", "NCHAR", "NATIONAL":
		if t.Word() == "NATIONAL" && !c.Take("CHARACTER") {
			c.Need("CHAR")
		}
		if c.Take("VARYING") {
			rename("VARCHAR")
		} else {
			rename("CHAR")
		}
	case "BIT":
		if c.Take("VARYING") {
			rename("VARBIT")
		}
	case "TIME", "TIMESTAMP":
		zone = true
	}
	if t.Word() == "INTERVAL" {
		t.Unit = c.IntervalUnit()
	}
	if c.Is("(") {
		c.I++
		for {
			a := c.Peek()
			sign := ""
			if a.Is("-") {
				sign, a = "-", c.At(1)
				c.I++
			}
			if a.Kind != Number && !a.Word("STRING") { // ksqlDB: VARCHAR(STRING)
				c.Unexpected()
			}
			c.I++
			t.Args = append(t.Args, sign+a.Text)
			if !c.TakeOp(",") {
				break
			}
		}
		c.NeedOp(")")
	}
	if zone && (c.Word("WITH", "TIME", "ZONE") || c.Word("WITHOUT", "TIME", "ZONE")) {
		if c.Peek().Val == "WITH" {
			rename(t.Word() + "TZ")
		}
		c.I += 3
	}
}

// IntervalUnit takes the fields of an interval: DAY, DAY TO SECOND; "" if there are none.
func (c *Cursor) IntervalUnit() string {
	if !c.OneOf("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND") {
		return ""
	}
	unit := c.Peek().Val
	c.I++
	if c.Word("TO") {
		c.I++
		if !c.OneOf("MONTH", "HOUR", "MINUTE", "SECOND") {
			c.Unexpected()
		}
		unit += " TO " + c.Peek().Val
		c.I++
	}
	return unit
}

var units = map[string]ast.TimeUnit{
	"MILLISECOND": ast.Milliseconds, "SECOND": ast.Seconds, "MINUTE": ast.Minutes, "HOUR": ast.Hours, "DAY": ast.Days, "YEAR": ast.Years,
}

// Duration takes a number and a unit: 10 SECONDS.
func (c *Cursor) Duration() *ast.Duration {
	d := &ast.Duration{P: c.Pos(), N: c.Peek().Text}
	if c.Peek().Kind != Number {
		c.Unexpected()
	}
	c.I++
	unit, ok := units[strings.TrimSuffix(c.Peek().Val, "S")]
	if c.Peek().Kind != Word || !ok {
		c.Unexpected()
	}
	c.I++
	d.Unit = unit
	return d
}
