package pgwire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	pg "github.com/jackc/pgproto3/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "weir"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func withPassword(t testing.TB, password string) *fakeBackend {
	t.Helper()
	v, err := NewVerifier(password)
	if err != nil {
		t.Fatal(err)
	}
	b := newFake()
	b.verifiers = map[string]string{"weir": v}
	return b
}

func TestPasswords(t *testing.T) {
	plain, _ := serve(t, Config{Backend: withPassword(t, "s3cret é"), RequirePassword: true})
	secure, _ := serve(t, Config{Backend: withPassword(t, "s3cret é"), RequirePassword: true,
		TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}})
	check := func(addr, user, password, params, code string) {
		t.Helper()
		cfg, err := pgx.ParseConfig("postgres://" + addr + "/weir?" + params)
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.Password = user, password
		c, err := pgx.ConnectConfig(context.Background(), cfg)
		if err == nil {
			if encrypted := strings.Contains(params, "require"); encrypted != isTLS(c.PgConn().Conn()) {
				t.Errorf("%s: encrypted is %v", params, !encrypted)
			}
			c.Close(context.Background())
		}
		pe, _ := errors.AsType[*pgconn.PgError](err)
		if got := ""; pe != nil && pe.Code != code || pe == nil && (err != nil || code != got) {
			t.Errorf("%s with %q, %s: %v, want code %q", user, password, params, err, code)
		}
	}
	for _, over := range []struct{ addr, params string }{
		{plain, "sslmode=disable"}, {plain, "sslmode=prefer"},
		{secure, "sslmode=require&channel_binding=require"}, {secure, "sslmode=require&channel_binding=disable"},
		{secure, "sslmode=require&sslnegotiation=direct"},
	} {
		check(over.addr, "weir", "s3cret é", over.params, "")
		check(over.addr, "weir", "wrong", over.params, "28P01")
		check(over.addr, "nobody", "s3cret é", over.params, "28P01")
	}
}

func isTLS(c net.Conn) bool { _, ok := c.(*tls.Conn); return ok }

func TestPsqlOverTLSWithPassword(t *testing.T) {
	addr, _ := serve(t, Config{Backend: withPassword(t, "pw"), RequirePassword: true,
		TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}})
	cmd := psql(t, addr, "-At", "-c", "select 1")
	cmd.Env = append(cmd.Env, "PGPASSWORD=pw", "PGSSLMODE=require", "PGCHANNELBINDING=require")
	if out, err := cmd.CombinedOutput(); string(out) != "1\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestVerifierForms(t *testing.T) {
	v, err := NewVerifier("x")
	if err != nil || !strings.HasPrefix(v, "SCRAM-SHA-256$4096:") {
		t.Fatal(v, err)
	}
	if _, err := parseVerifier(v); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "md5abc", "SCRAM-SHA-256$4096:AA==$AA==:AA==", strings.Replace(v, "4096", "x", 1), v + "$"} {
		if _, err := parseVerifier(bad); err == nil {
			t.Errorf("%q was taken for a verifier", bad)
		}
	}
}

// Who does not exist gets the same salt each time, as one who does.
func TestUnknownUsersAreNotTold(t *testing.T) {
	addr, _ := serve(t, Config{Backend: newFake(), RequirePassword: true})
	salt := func() string {
		s := dial(t, addr, map[string]string{"user": "ghost"})
		s.receive(t)
		first, _ := (&pg.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=,r=abc")}).Encode(nil)
		s.c.Write(first)
		fe := pg.NewFrontend(pg.NewChunkReader(s.c), s.c)
		m, err := fe.Receive()
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(m.(*pg.AuthenticationSASLContinue).Data), ",s=")
		return after
	}
	if a, b := salt(), salt(); a != b || a == "" {
		t.Errorf("salts %q and %q", a, b)
	}
}

func TestMalformedAuthentication(t *testing.T) {
	addr, _ := serve(t, Config{Backend: withPassword(t, "pw"), RequirePassword: true})
	for _, bad := range []raw{
		"p\x00\x00\x00\x06x\x00",
		"p\x00\x00\x00\x04",
		"Q\x00\x00\x00\x05\x00",
		"p\x00\x00\x00\x1eSCRAM-SHA-256\x00\x00\x00\x00\x08n,,x=,r=",
		"p\x00\x00\x00\x24SCRAM-SHA-256-PLUS\x00\x00\x00\x00\x09n,,n=,r=a",
		"p\x7f\x00\x00\x00",
	} {
		s := dial(t, addr, map[string]string{"user": "weir"})
		s.receive(t)
		s.c.Write([]byte(bad))
		if _, text := s.receive(t); !strings.Contains(text, "FATAL") || !strings.Contains(text, "C=08P01") {
			t.Errorf("%q: %s", bad, text)
		}
		if _, text := s.receive(t); text != "<closed>" {
			t.Errorf("%q: then %s", bad, text)
		}
	}
}

// What was sent in the clear behind an SSLRequest may be somebody else's.
func TestDataBehindSSLRequest(t *testing.T) {
	addr, _ := serve(t, Config{Backend: newFake(), TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2fhello"))
	s := &script{c: c}
	if _, text := s.receive(t); !strings.Contains(text, "received unencrypted data") {
		t.Error(text)
	}
}
