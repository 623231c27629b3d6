package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func get(h http.Handler, path, remote string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.RemoteAddr = remote
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestConsole(t *testing.T) {
	h := Handler(Config{
		Version:   "1.2",
		Addresses: []Address{{"postgres", "127.0.0.1:5432"}},
		Overview: func() Overview {
			return Overview{
				Relations: []Relation{{"orders", "STREAM", "orders"}, {"payments", "STREAM", "p"}},
				Topics:    []Topic{{Name: "orders", Partitions: 2, Records: 41, Bytes: 1234}},
				Queries: []Query{
					{Name: "per_minute", State: "RUNNING", SQL: "select 1 < 2", RowsIn: 7, RowsOut: 3, Lag: 34},
					{Name: "broken", State: "ERROR", Error: "no such thing", Lag: -1},
				},
			}
		},
	})
	check := func(path string, wants ...string) {
		t.Helper()
		rec := get(h, path, "192.0.2.1:99")
		if rec.Code != 200 {
			t.Errorf("%s: %d", path, rec.Code)
		}
		for _, want := range wants {
			if !strings.Contains(rec.Body.String(), want) {
				t.Errorf("%s lacks %q:\n%s", path, want, rec.Body)
			}
		}
	}
	check("/healthz", "ok\n")
	check("/", "127.0.0.1:5432", "per_minute", "select 1 &lt; 2", "no such thing", "1234", "weir 1.2")
	check("/metrics", `weir_build_info{version="1.2"} 1`, `weir_relations{type="STREAM"} 2`, `weir_queries{state="RUNNING"} 1`,
		`weir_query_rows_in_total{query="per_minute"} 7`, `weir_query_lag_records{query="per_minute"} 34`, `weir_topic_records{topic="orders"} 41`, "go_goroutines")
	if rec := get(h, "/elsewhere", "192.0.2.1:99"); rec.Code != 404 {
		t.Errorf("unknown page: %d", rec.Code)
	}
}

// Profiles tell what a machine does: only those on it may see them.
func TestProfilesAreLocal(t *testing.T) {
	h := Handler(Config{})
	for remote, want := range map[string]int{"127.0.0.1:9": 200, "[::1]:9": 200, "192.0.2.1:9": 403, "nonsense": 403} {
		if rec := get(h, "/debug/pprof/", remote); rec.Code != want {
			t.Errorf("from %s: %d, want %d", remote, rec.Code, want)
		}
	}
}
