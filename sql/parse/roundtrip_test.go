package parse_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// sameTree compares trees without their places in the text.
var sameTree = cmp.Options{
	cmp.Comparer(func(a, b ast.P) bool { return true }),
	cmp.Comparer(func(a, b ast.Span) bool { return true }),
}

// roundTrip checks that what prints from a text's trees parses to the same trees.
func roundTrip(t *testing.T, sql string, d ast.Dialect) {
	t.Helper()
	stmts, err := parse.Parse(sql, d)
	if err != nil {
		return
	}
	for _, s := range stmts {
		printed := ast.Format(s, d)
		again, err := parse.Parse(printed, d)
		if err != nil || len(again) != 1 {
			t.Fatalf("%s\nprints as %s\nwhich does not parse: %v", sql, printed, err)
		}
		if diff := cmp.Diff(s, again[0], sameTree); diff != "" {
			t.Fatalf("%s\nprints as %s\nwhich has another tree (-first +again):\n%s", sql, printed, diff)
		}
		if p := ast.Format(again[0], d); p != printed {
			t.Fatalf("%s\nprints as %s\nand then as %s", sql, printed, p)
		}
	}
}

func TestRoundTripCorpora(t *testing.T) {
	if os.Getenv("WEIR_SHARED") == "" {
		t.Skip("WEIR_SHARED names no directory of foreign suites")
	}
	corpora(t, func(sql string, d ast.Dialect) { roundTrip(t, sql, d) })
}
