// Package console is the front door for browsers and monitoring: a page about the
// node, /healthz, /metrics in Prometheus' text format, and Go's profiles for
// clients on the same machine.
//
// It knows the node only through the figures that it is given.
package console

import (
	_ "embed"
	"html/template"
	"net"
	"net/http"
	"net/http/pprof"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what a console shows.
type Config struct {
	Version string
	// Addresses are the front doors by name, in the order they are shown in.
	Addresses []Address
	// Overview returns what the node holds and does now. It is called for every page
	// and every scrape, from any goroutine. nil shows none.
	Overview func() Overview
}

// Address is where a front door listens.
type Address struct{ Name, Addr string }

// Overview is the state of a node.
type Overview struct {
	Sessions  int
	Relations []Relation
	Topics    []Topic
	Queries   []Query
}

// Relation is a stream, table or view.
type Relation struct{ Name, Type, Topic string }

// Topic is a topic, over all its partitions.
type Topic struct {
	Name       string
	Partitions int32
	Records    int64
	Bytes      int64
}

// Query is a persistent query, over all its tasks.
type Query struct {
	Name, SQL       string
	State, Error    string
	RowsIn, RowsOut int64
	StateBytes      int64
	Lag             int64 // records not yet read; -1 means unknown
}

// running is the state of a query that is well.
const running = "RUNNING"

//go:embed overview.html
var overviewHTML string

var overviewPage = template.Must(template.New("overview").Parse(overviewHTML))

// Handler returns the console.
func Handler(cfg Config) http.Handler {
	started := time.Now()
	if cfg.Overview == nil {
		cfg.Overview = func() Overview { return Overview{} }
	}
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		if err := overviewPage.Execute(w, struct {
			Config
			Overview
			Up time.Duration
		}{cfg, cfg.Overview(), time.Since(started).Round(time.Second)}); err != nil {
			return // the client is gone, and there is nobody to tell
		}
	})
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	m.Handle("GET /metrics", promhttp.HandlerFor(metrics(cfg), promhttp.HandlerOpts{}))
	m.HandleFunc("GET /debug/pprof/", local(pprof.Index))
	m.HandleFunc("GET /debug/pprof/cmdline", local(pprof.Cmdline))
	m.HandleFunc("GET /debug/pprof/profile", local(pprof.Profile))
	m.HandleFunc("GET /debug/pprof/symbol", local(pprof.Symbol))
	m.HandleFunc("GET /debug/pprof/trace", local(pprof.Trace))
	return m
}

var gcTotal = regexp.MustCompile(`^/cpu/classes/gc/total:`)

func metrics(cfg Config) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "weir_build_info", Help: "Always 1; the label tells what was built.",
		ConstLabels: prometheus.Labels{"version": cfg.Version},
	})
	info.Set(1)
	reg.MustRegister(
		// With the share of garbage collection in the CPU time, which make bench prints.
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: gcTotal})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info,
		overviewCollector{cfg.Overview},
	)
	return reg
}

var (
	relationsDesc = prometheus.NewDesc("weir_relations", "Streams, tables and views.", []string{"type"}, nil)
	sessionsDesc  = prometheus.NewDesc("weir_sessions", "Open Postgres connections.", nil, nil)
	queriesDesc   = prometheus.NewDesc("weir_queries", "Persistent queries.", []string{"state"}, nil)
	rowsInDesc    = prometheus.NewDesc("weir_query_rows_in_total", "Rows that a query has read since it started here.", []string{"query"}, nil)
	rowsOutDesc   = prometheus.NewDesc("weir_query_rows_out_total", "Rows that a query has written since it started here.", []string{"query"}, nil)
	stateDesc     = prometheus.NewDesc("weir_query_state_bytes", "State that a query keeps in memory.", []string{"query"}, nil)
	lagDesc       = prometheus.NewDesc("weir_query_lag_records", "Records that a query has not read yet.", []string{"query"}, nil)
	recordsDesc   = prometheus.NewDesc("weir_topic_records", "Offsets that a topic holds.", []string{"topic"}, nil)
	bytesDesc     = prometheus.NewDesc("weir_topic_bytes", "Bytes of a topic's logs.", []string{"topic"}, nil)
)

// overviewCollector gives the figures of an overview to Prometheus.
type overviewCollector struct{ overview func() Overview }

// Describe implements prometheus.Collector: it sends nothing, since which metrics
// there are depends on the catalog.
func (overviewCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c overviewCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	o := c.overview()
	gauge(sessionsDesc, int64(o.Sessions))
	relations, queries := map[string]int64{}, map[string]int64{running: 0}
	for _, r := range o.Relations {
		relations[r.Type]++
	}
	for _, t := range o.Topics {
		gauge(recordsDesc, t.Records, t.Name)
		gauge(bytesDesc, t.Bytes, t.Name)
	}
	for _, q := range o.Queries {
		queries[q.State]++
		counter(rowsInDesc, q.RowsIn, q.Name)
		counter(rowsOutDesc, q.RowsOut, q.Name)
		gauge(stateDesc, q.StateBytes, q.Name)
		if q.Lag >= 0 {
			gauge(lagDesc, q.Lag, q.Name)
		}
	}
	for t, n := range relations {
		gauge(relationsDesc, n, t)
	}
	for s, n := range queries {
		gauge(queriesDesc, n, s)
	}
}

// local refuses clients of other machines: profiles tell too much.
func local(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			http.Error(w, "profiles are for clients on the same machine", http.StatusForbidden)
			return
		}
		h(w, r)
	}
}
