package arch

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// docs/dependencies.md has a row for every direct dependency and every tool, and none
// for anything else.
func TestDependenciesHaveReasons(t *testing.T) {
	text, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .{10,} \\|$").FindAllStringSubmatch(string(text), -1) {
		told[row[1]] = true
	}
	out, err := exec.Command("go", "mod", "edit", "-json", "../../go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	direct := map[string]bool{}
	for _, r := range mod.Require {
		if !r.Indirect {
			direct[r.Path] = true
			continue
		}
		for _, tool := range mod.Tool {
			if tool.Path == r.Path || strings.HasPrefix(tool.Path, r.Path+"/") {
				direct[r.Path] = true
			}
		}
	}
	for path := range direct {
		if !told[path] {
			t.Errorf("docs/dependencies.md does not tell why there is %s", path)
		}
	}
	for path := range told {
		if !direct[path] {
			t.Errorf("docs/dependencies.md tells of %s, which go.mod does not require", path)
		}
	}
}
