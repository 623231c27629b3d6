// Command shape prints the sizes of a Go tree, room by room: evidence for reviews,
// never a target. It reads files only, and leaves out what is generated.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What is worth a look in a review.
const (
	longFile     = 900
	longFunction = 120
)

// room is what is counted for a top-level folder, or one below internal.
type room struct {
	files, lines, tests  int // lines of code, lines of tests
	functions, longFuncs int
}

type long struct {
	name  string
	lines int
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	rooms, longest, err := measure(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "shape:", err)
		os.Exit(1)
	}
	print(rooms, longest)
}

func measure(root string) (map[string]*room, []long, error) {
	rooms, longest := map[string]*room{}, []long{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || len(d.Name()) > 1 && d.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		r := roomOf(rooms, filepath.ToSlash(filepath.Dir(rel)))
		lines := bytes.Count(src, []byte("\n"))
		if strings.HasSuffix(path, "_test.go") {
			r.tests += lines
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, src, parser.ParseComments)
		if err != nil {
			return err
		}
		if ast.IsGenerated(file) {
			return nil
		}
		r.files++
		r.lines += lines
		if lines > longFile {
			longest = append(longest, long{rel, lines})
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			r.functions++
			if n := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; n > longFunction {
				r.longFuncs++
				longest = append(longest, long{rel + " " + f.Name.Name, n})
			}
		}
		return nil
	})
	return rooms, longest, err
}

func roomOf(rooms map[string]*room, dir string) *room {
	parts := strings.Split(dir, "/")
	if len(parts) > 1 && parts[0] != "internal" {
		parts = parts[:1]
	}
	name := strings.Join(parts[:min(len(parts), 2)], "/")
	if rooms[name] == nil {
		rooms[name] = &room{}
	}
	return rooms[name]
}

func print(rooms map[string]*room, longest []long) {
	const row = "%-20s %6v %8v %8v %10v %6v\n"
	fmt.Printf(row, "room", "files", "lines", "tests", "functions", fmt.Sprintf(">%d", longFunction))
	var all room
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		r := rooms[name]
		fmt.Printf(row, name, r.files, r.lines, r.tests, r.functions, r.longFuncs)
		all.files += r.files
		all.lines += r.lines
		all.tests += r.tests
		all.functions += r.functions
		all.longFuncs += r.longFuncs
	}
	fmt.Printf(row, "all", all.files, all.lines, all.tests, all.functions, all.longFuncs)
	slices.SortFunc(longest, func(a, b long) int { return cmp.Compare(b.lines, a.lines) })
	for _, l := range longest {
		fmt.Printf("  %5d lines  %s\n", l.lines, l.name)
	}
}
