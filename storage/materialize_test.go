package storage

import "testing"

// TestMaterialize: a log that becomes compacted has all of its records in its table, the latest of each key, and stays
// compacted for those who append without knowing.
func TestMaterialize(t *testing.T) {
	n := newNode(t, Config{})
	put := func(rows ...kv) {
		n.must(AppendAppend(nil, Append{Partition: part, Batches: records(1, rows...)}))
	}
	put(kv{"a", "1"}, kv{"b", "1"})
	put(kv{"a", "2"}, kv{"b", ""})
	n.must(AppendMaterialize(nil, part))
	put(kv{"c", "3"}, kv{"a", ""})
	n.must(AppendMaterialize(nil, part)) // again: nothing
	want := func(key, value string) {
		t.Helper()
		v, ok, err := n.Get(TableSpace(part), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			if value != "" {
				t.Errorf("%s is not there", key)
			}
			return
		}
		if row, err := DecodeTableRow(v); err != nil || string(row.Value) != value {
			t.Errorf("%s: %q, %v", key, row.Value, err)
		}
	}
	want("a", "")
	want("b", "")
	want("c", "3")
}
