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

func TestCorpora(t *testing.T) {
	t.Run("qtt", func(t *testing.T) {
		c := &tally{t: t}
		seen := map[string]bool{}
		files(t, shared(t, "qtt/cases"), ".json", func(path, text string) {
			var f struct {
				Tests []struct {
					Statements        []string
					ExpectedException json.RawMessage
				}
			}
			if json.Unmarshal([]byte(text), &f) != nil {
				return
			}
			for _, test := range f.Tests {
				if test.ExpectedException != nil { // it may be one about the syntax
					continue
				}
				for _, s := range test.Statements {
					if !seen[s] {
						seen[s] = true
						c.parse(s, ast.KSQL)
					}
				}
			}
		})
		c.done("qtt", 0.998)
	})
	t.Run("catalog", func(t *testing.T) {
		c := &tally{t: t}
		files(t, shared(t, "catalog_queries"), ".sql", func(path, text string) {
			for s := range strings.SplitSeq(text, "\n;;") {
				c.parse(s, ast.Postgres)
			}
		})
		c.done("catalog_queries", 1)
	})
	t.Run("slt", func(t *testing.T) {
		c := &tally{t: t}
		for _, ext := range []string{".slt", ".part"} {
			files(t, shared(t, "slt/cases"), ext, func(path, text string) {
				for _, s := range sltStatements(text) {
					c.parse(s, ast.Postgres)
				}
			})
		}
		c.done("slt", 0.97)
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
