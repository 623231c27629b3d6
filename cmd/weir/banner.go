package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// banner tells a person at a terminal where things are and what to try.
func banner(w io.Writer, at addresses, data string, took time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nweir %s\n\n", version())
	line := func(name, text string) { fmt.Fprintf(&b, "  %-10s%s\n", name, text) }
	line("data", data)
	line("postgres", psqlCommand(at.PG))
	line("kafka", "kcat -b "+at.Kafka+" -L")
	line("http", "http://"+at.HTTP)
	line("registry", at.Registry)
	fmt.Fprintf(&b, "\n  ready in %d ms; Ctrl-C stops it\n\n", took.Milliseconds())
	_, err := io.WriteString(w, b.String())
	return err
}

// psqlCommand returns the command that connects psql to addr.
func psqlCommand(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil { // not an address of ours
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return fmt.Sprintf("psql -h %s -p %s -U weir weir", host, port)
}
