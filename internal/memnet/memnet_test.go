package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestCutBreaksConnectionsAndRefusesNewOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		l := n.Listen("b")
		defer l.Close()
		accepted := make(chan net.Conn, 1)
		accept := func() {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
			}
			accepted <- c
		}
		check := func(name string, change func(bool)) {
			t.Helper()
			go accept()
			a, err := n.Dial(t.Context(), "a", "b")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			b := <-accepted
			go a.Write([]byte("x"))
			if _, err := io.ReadFull(b, make([]byte, 1)); err != nil {
				t.Errorf("%s: before: %v", name, err)
			}
			change(true)
			if _, err := b.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: a connection survived", name)
			}
			if _, err := n.Dial(t.Context(), "a", "b"); !errors.Is(err, ErrRefused) {
				t.Errorf("%s: dialled all the same: %v", name, err)
			}
			change(false)
		}
		check("cut a", func(c bool) { n.Cut("a", c) })
		check("cut b", func(c bool) { n.Cut("b", c) })
		check("part", func(c bool) { n.Part("b", "a", c) })
		check("heal", func(c bool) {
			n.Cut("a", c)
			if !c {
				n.Part("a", "b", true)
				n.Heal()
			}
		})

		n.Part("b", "c", true) // somebody else's affair
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Dial(ctx, "a", "b"); !errors.Is(err, ErrRefused) { // nobody accepts
			t.Errorf("dialled a host that does not accept: %v", err)
		}
	})
}
