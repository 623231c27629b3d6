package pgwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgproto3/v2"

	"github.com/weirdb/weir/internal/pgerr"
)

// Codes that stand where a start-up packet has its protocol version.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
)

const (
	maxStartupPacket = 10000    // PostgreSQL's MAX_STARTUP_PACKET_LENGTH
	maxAuthMessage   = 64 << 10 // PostgreSQL's PG_MAX_AUTH_TOKEN_LENGTH
	directTLS        = 0x16     // first byte of a TLS ClientHello
)

// errNoSession ends a connection that wanted none: it was a cancel request, or
// it went away before it said who it is.
var errNoSession = errors.New("pgwire: no session wanted")

// start brings the connection to its first ReadyForQuery: negotiation of TLS
// and version, authentication, the session. full refuses it, once it is clear
// that it is no cancel request.
func (c *conn) start(ctx context.Context, full bool) error {
	c.in.deadline(time.Now().Add(c.srv.cfg.StartupTimeout))
	c.in.max = maxAuthMessage
	params, err := c.greet(ctx)
	if err != nil {
		return err
	}
	if full {
		return fatal{pgerr.Newf("53300", "sorry, too many clients already")}
	}
	s, err := c.startup(params)
	if err != nil {
		return err
	}
	if err := c.authenticate(ctx, s.User); err != nil {
		return err
	}
	c.out.send(&pgproto3.AuthenticationOk{})
	c.client.params = startParameters(s.User, c.srv.cfg.Version)
	c.in.deadline(time.Time{})
	c.in.max = c.srv.cfg.MaxMessage
	if c.sess, err = c.srv.cfg.Backend.Connect(ctx, s, &c.client); err != nil {
		if _, ok := errors.AsType[*pgerr.Error](err); !ok {
			c.srv.cfg.Log.Error("pgwire: opening a session failed", "user", s.User, "err", err)
		}
		return fatal{pgerr.From(err)}
	}
	c.client.drain(&c.out)
	c.out.send(&pgproto3.BackendKeyData{ProcessID: c.pid, SecretKey: binary.BigEndian.Uint32(c.secret[:])})
	c.ready()
	return nil
}

// greet answers what may come before the start-up packet and returns the packet's
// parameters. Negotiation goes down to 3.0 whatever minor version is asked for.
func (c *conn) greet(ctx context.Context) (map[string]string, error) {
	encrypted := false
	for range 4 { // direct TLS, SSLRequest, GSSENCRequest, start-up: there is no more to say
		if err := c.in.fill(1); err != nil {
			return nil, errNoSession
		}
		if c.in.buf[c.in.r] == directTLS && !encrypted && c.srv.cfg.TLS != nil {
			if err := c.handshake(ctx, true); err != nil {
				return nil, err
			}
			encrypted = true
			continue
		}
		if err := c.in.fill(8); err != nil {
			return nil, errNoSession
		}
		n := int64(binary.BigEndian.Uint32(c.in.buf[c.in.r:]))
		code := binary.BigEndian.Uint32(c.in.buf[c.in.r+4:])
		if n < 8 || n > maxStartupPacket {
			return nil, fatal{pgerr.Newf(pgerr.ProtocolViolation, "invalid length of startup packet")}
		}
		if err := c.in.fill(int(n)); err != nil {
			return nil, errNoSession
		}
		packet := c.in.buf[c.in.r+4 : c.in.r+int(n)]
		c.in.r += int(n)
		switch {
		case code == codeCancel:
			c.srv.cancelRequest(packet[4:])
			return nil, errNoSession
		case code == codeSSL && c.srv.cfg.TLS != nil && !encrypted:
			if c.in.w > c.in.r { // sent before it could be encrypted: a man in the middle (CVE-2021-23214)
				return nil, fatal{pgerr.Newf(pgerr.ProtocolViolation, "received unencrypted data after SSL request")}
			}
			c.out.buf = append(c.out.buf, 'S')
			if err := c.out.flush(); err != nil {
				return nil, err
			}
			if err := c.handshake(ctx, false); err != nil {
				return nil, err
			}
			encrypted = true
		case code == codeSSL || code == codeGSS:
			c.out.buf = append(c.out.buf, 'N')
			if err := c.out.flush(); err != nil {
				return nil, err
			}
		case code>>16 == 3:
			return c.version(packet, code)
		default:
			return nil, fatal{pgerr.Newf(pgerr.FeatureNotSupported,
				"unsupported frontend protocol %d.%d: server supports 3.0 to 3.0", code>>16, code&0xffff)}
		}
	}
	return nil, fatal{pgerr.Newf(pgerr.ProtocolViolation, "too many requests before the startup packet")}
}

// version decodes a start-up packet of any minor version and answers with what
// is not served of it.
func (c *conn) version(packet []byte, code uint32) (map[string]string, error) {
	binary.BigEndian.PutUint32(packet, pgproto3.ProtocolVersionNumber) // all that pgproto3 takes
	var m pgproto3.StartupMessage
	if len(packet) == 5 && packet[4] == 0 {
		m.Parameters = map[string]string{} // pgproto3 wants one parameter at least
	} else if err := m.Decode(packet); err != nil {
		return nil, fatal{pgerr.Newf(pgerr.ProtocolViolation, "invalid startup packet layout: expected terminator as last byte")}
	}
	var unknown []string
	for name := range m.Parameters {
		if strings.HasPrefix(name, "_pq_.") {
			unknown = append(unknown, name)
			delete(m.Parameters, name)
		}
	}
	if slices.Sort(unknown); len(unknown) > 0 || code&0xffff > 0 {
		c.out.send(&negotiate{options: unknown})
	}
	return m.Parameters, nil
}

// handshake puts TLS on the connection. A direct one, without SSLRequest, must
// name the protocol, so that no other protocol's TLS can be turned on us.
func (c *conn) handshake(ctx context.Context, direct bool) error {
	cfg := c.srv.cfg.TLS.Clone()
	if !slices.Contains(cfg.NextProtos, "postgresql") {
		cfg.NextProtos = append(slices.Clone(cfg.NextProtos), "postgresql")
	}
	c.captureCertificate(cfg)
	pre := &prefixConn{Conn: c.nc, head: bytes.Clone(c.in.buf[c.in.r:c.in.w])}
	t := tls.Server(pre, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		c.srv.cfg.Log.Info("pgwire: TLS handshake failed", "remote", c.nc.RemoteAddr(), "err", err)
		return errNoSession
	}
	if direct && t.ConnectionState().NegotiatedProtocol != "postgresql" {
		return errNoSession // PostgreSQL 17 closes without a word too
	}
	c.tls = t
	c.in.c, c.in.r, c.in.w = t, 0, 0
	c.out.c = t
	return nil
}

// captureCertificate makes cfg remember in c which certificate it shows to the
// client: crypto/tls does not tell afterwards, and channel binding needs it.
func (c *conn) captureCertificate(cfg *tls.Config) {
	pick, all := cfg.GetCertificate, cfg.Certificates
	cfg.Certificates = nil // else GetCertificate is not always asked
	cfg.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		var cert *tls.Certificate
		if pick != nil {
			var err error
			if cert, err = pick(h); err != nil {
				return nil, err
			}
		}
		for i := range all {
			if cert == nil && h.SupportsCertificate(&all[i]) == nil {
				cert = &all[i]
			}
		}
		if cert == nil && len(all) > 0 {
			cert = &all[0]
		}
		if cert == nil {
			return nil, errors.New("pgwire: no certificate is configured")
		}
		if c.cert = cert.Leaf; c.cert == nil {
			c.cert, _ = x509.ParseCertificate(cert.Certificate[0]) // nil: no channel binding
		}
		return cert, nil
	}
}

// prefixConn yields bytes that were read already before those of its connection.
type prefixConn struct {
	net.Conn
	head []byte
}

func (p *prefixConn) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// startup turns the packet's parameters into a Startup.
func (c *conn) startup(params map[string]string) (Startup, error) {
	s := Startup{PID: c.pid, User: params["user"], Database: params["database"], Remote: c.nc.RemoteAddr(), TLS: c.tls != nil}
	if s.User == "" {
		return s, fatal{pgerr.Newf("28000", "no PostgreSQL user name specified in startup packet")}
	}
	if s.Database == "" {
		s.Database = s.User
	}
	switch strings.ToLower(params["replication"]) {
	case "", "0", "off", "false", "no":
	default:
		return s, fatal{pgerr.Newf(pgerr.FeatureNotSupported, "replication connections are not supported")}
	}
	for name, value := range params {
		switch name {
		case "user", "database", "replication", "options":
		default:
			s.Settings = append(s.Settings, Setting{name, value})
		}
	}
	slices.SortFunc(s.Settings, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	options, err := parseOptions(params["options"])
	s.Settings = append(options, s.Settings...) // what stands in the packet itself wins
	return s, err
}

// parseOptions reads a server's command line as far as it sets parameters:
// -c name=value, -cname=value and --name=value, with backslashes before spaces.
func parseOptions(text string) ([]Setting, error) {
	var words []string
	var word strings.Builder
	in := false
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			in = true
		case ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(ch)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	var out []Setting
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "-c" && i+1 < len(words):
			i++
			w = words[i]
		case strings.HasPrefix(w, "--"):
			w = w[2:]
		case strings.HasPrefix(w, "-c") && len(w) > 2:
			w = w[2:]
		default:
			return nil, fatal{pgerr.Newf(pgerr.SyntaxError, "invalid command-line argument for server process: %s", w)}
		}
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fatal{pgerr.Newf(pgerr.SyntaxError, "-c %s requires a value", w)}
		}
		out = append(out, Setting{strings.ReplaceAll(name, "-", "_"), value})
	}
	return out, nil
}
