package parse_test

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirdb/weir/sql/ast"
	"github.com/weirdb/weir/sql/parse"
)

// shared gives a path in the directory of the foreign suites, which WEIR_SHARED names.
func shared(t *testing.T, path string) string {
	t.Helper()
	dir := os.Getenv("WEIR_SHARED")
	if dir == "" {
		t.Skip("WEIR_SHARED names no directory of foreign suites")
	}
	return filepath.Join(dir, path)
}

// files calls f with every file below dir that ends in ext.
func files(t *testing.T, dir, ext string, f func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ext) {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil {
			f(path, string(b))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tally counts the statements of a corpus that parse, and shows some that do not.
type tally struct {
	t         *testing.T
	ok, total int
}

func (c *tally) parse(sql string, d ast.Dialect) {
	c.total++
	if _, err := parse.Parse(sql, d); err != nil {
		if c.total-c.ok < 20 {
			c.t.Logf("%v:\n%s", err, sql)
		}
		return
	}
	c.ok++
}

func (c *tally) done(corpus string, floor float64) {
	share := float64(c.ok) / float64(max(c.total, 1))
	c.t.Logf("%s: %d of %d statements parse, %.2f %%", corpus, c.ok, c.total, 100*share)
	if c.total == 0 || share < floor {
		c.t.Errorf("%s: below %.2f %%", corpus, 100*floor)
	}
}

// corpora calls f with every statement of the foreign suites that is meant to parse.
func corpora(t *testing.T, f func(sql string, d ast.Dialect)) {
	t.Helper()
	qtt(t, func(s string) { f(s, ast.KSQL) })
	catalog(t, func(s string) { f(s, ast.Postgres) })
	slt(t, func(s string) { f(s, ast.Postgres) })
}

// qtt gives the statements of ksqlDB's cases, but for cases that expect an error,
// which may be one about the syntax.
func qtt(t *testing.T, f func(string)) {
	t.Helper()
	seen := map[string]bool{}
	files(t, shared(t, "qtt/cases"), ".json", func(path, text string) {
		var doc struct {
			Tests []struct {
				Statements []string
				Error      json.RawMessage `json:"error"`
				Expected   json.RawMessage `json:"expectedException"`
			}
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, test := range doc.Tests {
			if test.Expected != nil || test.Error != nil {
				continue
			}
			for _, s := range test.Statements {
				if !seen[s] {
					seen[s] = true
					f(s)
				}
			}
		}
	})
}

func catalog(t *testing.T, f func(string)) {
	t.Helper()
	files(t, shared(t, "catalog_queries"), ".sql", func(path, text string) {
		for s := range strings.SplitSeq(text, "\n;;") {
			f(s)
		}
	})
}

func slt(t *testing.T, f func(string)) {
	t.Helper()
	for _, ext := range []string{".slt", ".part"} {
		files(t, shared(t, "slt/cases"), ext, func(path, text string) {
			for _, s := range sltStatements(text) {
				f(s)
			}
		})
	}
}

// TestCorpora prints the share of the foreign suites' statements that parse.
func TestCorpora(t *testing.T) {
	t.Run("qtt", func(t *testing.T) {
		c := &tally{t: t}
		qtt(t, func(s string) { c.parse(s, ast.KSQL) })
		c.done("qtt", 1)
	})
	t.Run("catalog", func(t *testing.T) {
		c := &tally{t: t}
		catalog(t, func(s string) { c.parse(s, ast.Postgres) })
		c.done("catalog_queries", 1)
	})
	t.Run("slt", func(t *testing.T) {
		c := &tally{t: t}
		slt(t, func(s string) { c.parse(s, ast.Postgres) })
		c.done("slt", 1)
	})
}

// sltStatements gives the statements of a sqllogictest file that must not fail.
func sltStatements(text string) []string {
	var out []string
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if !strings.HasPrefix(line, "statement") && !strings.HasPrefix(line, "query") || strings.Contains(line, "error") {
			continue
		}
		var sql []string
		for sc.Scan() && sc.Text() != "" && sc.Text() != "----" {
			sql = append(sql, sc.Text())
		}
		out = append(out, strings.Join(sql, "\n"))
	}
	return out
}
