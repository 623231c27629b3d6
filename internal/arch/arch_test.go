package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers is policy. A room may import those on the lines above its own, and
// none beside it; "a: b c" narrows that to b and c. A room is a folder with all
// that lies below it. To let a room see more, change this text in a commit of
// its own that says why.
const layers = `
internal/crashfs
internal/memnet
internal/pgerr
internal/vec: internal/pgerr
internal/fn: internal/vec internal/pgerr
internal/format: internal/vec internal/pgerr
sql: internal/pgerr
storage:
catalog: internal/vec internal/format sql internal/pgerr
registry: internal/pgerr
planner/plan: internal/vec internal/fn
planner: sql catalog planner/plan internal/vec internal/fn internal/pgerr
exec: planner/plan storage internal/vec internal/fn internal/format internal/pgerr
replication: storage
pgwire: internal/vec internal/pgerr
kafka: storage
console: internal/vec internal/pgerr
connect: storage internal/format internal/vec
engine/syscat: sql catalog planner/plan internal/vec internal/fn internal/pgerr
engine
cmd/weir
internal/sim
internal/hostile
internal/weirtest
internal/bench
`

// pingcapUser is the only package that may import the TiDB parser: raw text
// must never reach it (docs/adr/0005).
const pingcapUser = "sql/parse/tidb"

const module = "github.com/weirdb/weir/"

func TestLayers(t *testing.T) {
	allowed := parse(layers)
	rooms := make([]string, 0, len(allowed))
	for r := range allowed {
		rooms = append(rooms, r)
	}
	// The longest room that contains a package is its room.
	room := func(pkg string) string {
		best := ""
		for _, r := range rooms {
			if (pkg == r || strings.HasPrefix(pkg, r+"/")) && len(r) > len(best) {
				best = r
			}
		}
		return best
	}
	for _, p := range goList(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "internal/arch") {
			continue
		}
		r := room(name)
		if r == "" {
			t.Errorf("%s has no place in layers", name)
			continue
		}
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, "github.com/pingcap/") && name != pingcapUser {
				t.Errorf("%s imports %s; only %s may", name, imp, pingcapUser)
			}
			dep, ours := strings.CutPrefix(imp, module)
			if d := room(dep); ours && d != r && !slices.Contains(allowed[r], d) {
				t.Errorf("%s imports %s; it may import only %v", name, dep, allowed[r])
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range goList(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func parse(text string) map[string][]string {
	allowed := map[string][]string{}
	var above []string
	for line := range strings.Lines(text) {
		names, deps, narrowed := strings.Cut(line, ":")
		for _, n := range strings.Fields(names) {
			allowed[n] = slices.Clone(above)
			if narrowed {
				allowed[n] = strings.Fields(deps)
			}
		}
		above = append(above, strings.Fields(names)...)
	}
	return allowed
}

type pkg struct {
	ImportPath, Name, Doc string
	Imports               []string
}

func goList(t *testing.T) (pkgs []pkg) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}
