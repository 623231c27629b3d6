package vec

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPostgresEncodings compares text and binary forms with recorded ones.
func TestPostgresEncodings(t *testing.T) {
	dir := os.Getenv("WEIR_SHARED")
	if dir == "" {
		t.Skip("WEIR_SHARED is not set")
	}
	data, err := os.ReadFile(filepath.Join(dir, "pg_golden", "type_encodings_pg15.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`^'?(.*?)'?::([a-z0-9"\[\]() ,]+)$`)
	n := 0
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n")[1:] {
		cols := strings.Split(line, "\t")
		m := literal.FindStringSubmatch(cols[0])
		if m == nil || strings.Contains(cols[1], "ERROR") || strings.HasPrefix(cols[2], "ERROR") || strings.Contains(m[1], "::") {
			continue
		}
		typ, err := ParseType(m[2])
		if err != nil || cols[2] == "NULL" || m[1] == "null" {
			continue
		}
		if typ.Kind == OID && typ.OID != OIDRegtype && typ.OID != 0 && typ.OID != OIDXID {
			continue
		}
		if strings.Contains(m[1], "{{") {
			typ = ArrayOf(typ)
		}
		x, err := Parse(typ, strings.ReplaceAll(m[1], "''", "'"), nil)
		if err != nil {
			t.Errorf("%s: %v", cols[0], err)
			continue
		}
		n++
		want, _ := strconv.Unquote(cols[2])
		want = strings.TrimPrefix(want, "[0:1]=") // bounds are not kept
		v := New(typ)
		v.Append(x)
		if got := string(AppendText(nil, v, 0, nil)); got != want {
			t.Errorf("%s: text %q, want %q", cols[0], got, want)
		}
		if got := string(AppendTextValue(nil, typ, x, nil)); got != want {
			t.Errorf("%s: value text %q, want %q", cols[0], got, want)
		}
		bin := hex.EncodeToString(AppendBinary(nil, v, 0))
		if bin != cols[3] && !strings.Contains(m[1], "[0:1]") {
			t.Errorf("%s: binary %s, want %s", cols[0], bin, cols[3])
		}
		b, _ := hex.DecodeString(cols[3])
		if y, err := ParseBinary(typ, b); err != nil || Compare(typ, x, y) != 0 {
			t.Errorf("%s: binary reads as %v, %v", cols[0], y, err)
		}
		if y, err := Parse(typ, want, nil); err != nil || Compare(typ, x, y) != 0 {
			t.Errorf("%s: text reads as %v, %v", cols[0], y, err)
		}
	}
	if n < 60 {
		t.Errorf("only %d values compared", n)
	}
}
