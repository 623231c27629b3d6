package pgwire

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgproto3/v2"
	"github.com/xdg-go/scram"

	"github.com/weirdb/weir/internal/pgerr"
)

const (
	scramSHA256     = "SCRAM-SHA-256"
	scramSHA256Plus = "SCRAM-SHA-256-PLUS" // bound to the TLS channel
	// scramIterations is PostgreSQL's default. Logins cost the server none of
	// them: it keeps the keys.
	scramIterations = 4096
	saltLen         = 16
)

// NewVerifier returns the text to be kept for a password, which cannot be turned
// back into it: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, as PostgreSQL
// keeps it.
func NewVerifier(password string) (string, error) {
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		// RFC 4013 does not allow it; PostgreSQL then takes the bytes as they are.
		if client, err = scram.SHA256.NewClientUnprepped("", password, ""); err != nil {
			return "", fmt.Errorf("pgwire: verifier: %w", err)
		}
	}
	salt := make([]byte, saltLen)
	rand.Read(salt)
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: scramIterations})
	if err != nil {
		return "", fmt.Errorf("pgwire: verifier: %w", err)
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", scramSHA256, scramIterations, b64(salt), b64(keys.StoredKey), b64(keys.ServerKey)), nil
}

func parseVerifier(text string) (scram.StoredCredentials, error) {
	bad := errors.New("pgwire: verifier is not of the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey")
	parts := strings.Split(text, "$")
	if len(parts) != 3 || parts[0] != scramSHA256 {
		return scram.StoredCredentials{}, bad
	}
	iters, salt64, ok1 := strings.Cut(parts[1], ":")
	stored64, server64, ok2 := strings.Cut(parts[2], ":")
	n, err1 := strconv.Atoi(iters)
	salt, err2 := base64.StdEncoding.DecodeString(salt64)
	stored, err3 := base64.StdEncoding.DecodeString(stored64)
	server, err4 := base64.StdEncoding.DecodeString(server64)
	if !ok1 || !ok2 || errors.Join(err1, err2, err3, err4) != nil || len(stored) != sha256.Size || len(server) != sha256.Size {
		return scram.StoredCredentials{}, bad
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(salt), Iters: n},
		StoredKey:  stored, ServerKey: server,
	}, nil
}

// authenticate returns nil if the client may be user: it is on this machine, or
// it knows the password.
func (c *conn) authenticate(ctx context.Context, user string) error {
	if !c.srv.cfg.RequirePassword && isLocal(c.nc.RemoteAddr()) {
		return nil
	}
	text, err := c.srv.cfg.Backend.Verifier(ctx, user)
	if err != nil {
		return fmt.Errorf("pgwire: looking up the verifier of %q: %w", user, err)
	}
	denied := fatal{pgerr.Newf("28P01", "password authentication failed for user %q", user)}
	// Who does not exist is asked all the same, with a salt that does not
	// change from one try to the next.
	keys := scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(c.srv.mockBytes(user)[:saltLen]), Iters: scramIterations},
		StoredKey:  make([]byte, sha256.Size), ServerKey: make([]byte, sha256.Size),
	}
	if text != "" {
		if keys, err = parseVerifier(text); err != nil {
			return fmt.Errorf("pgwire: user %q: %w", user, err)
		}
	}
	ok, err := c.scram(keys)
	if err != nil {
		return err
	}
	if !ok || text == "" {
		return denied
	}
	return nil
}

// isLocal tells whether a peer is a process of this machine: on loopback, or not
// on a network at all.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

func (s *Server) mockBytes(user string) []byte {
	h := hmac.New(sha256.New, s.mockSalt)
	h.Write([]byte(user))
	return h.Sum(nil)
}

// scram runs the exchange of RFC 5802 and tells whether the client knows the
// password behind keys.
func (c *conn) scram(keys scram.StoredCredentials) (bool, error) {
	// The name inside the exchange is not looked at: the start-up packet's counts.
	srv, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return keys, nil })
	if err != nil {
		return false, fmt.Errorf("pgwire: scram: %w", err)
	}
	conv, mechs := srv.NewConversation(), []string{scramSHA256}
	if binding, ok := c.channelBinding(); ok {
		conv = srv.NewConversationWithChannelBinding(binding)
		mechs = []string{scramSHA256Plus, scramSHA256}
	}
	c.out.send(&pgproto3.AuthenticationSASL{AuthMechanisms: mechs})
	body, err := c.password()
	if err != nil {
		return false, err
	}
	mech, first, ok := saslInitial(body)
	if !ok {
		return false, fatal{pgerr.Newf(pgerr.ProtocolViolation, "malformed SASLInitialResponse message")}
	}
	// The mechanism and the message must agree on whether the channel is bound.
	if bound := strings.HasPrefix(first, "p="); bound != (mech == scramSHA256Plus) || (mech != scramSHA256 && (mech != scramSHA256Plus || len(mechs) == 1)) {
		return false, fatal{pgerr.Newf(pgerr.ProtocolViolation, "client selected an invalid SASL authentication mechanism")}
	}
	answer, err := conv.Step(first)
	if err != nil {
		return false, fatal{pgerr.Newf(pgerr.ProtocolViolation, "malformed SCRAM message").Detailf("%s", err)}
	}
	c.out.send(&pgproto3.AuthenticationSASLContinue{Data: []byte(answer)})
	if body, err = c.password(); err != nil {
		return false, err
	}
	answer, err = conv.Step(string(body))
	if err != nil || !conv.Valid() {
		return false, nil
	}
	c.out.send(&pgproto3.AuthenticationSASLFinal{Data: []byte(answer)})
	return true, nil
}

// password flushes and reads one message of kind 'p'.
func (c *conn) password() ([]byte, error) {
	if err := c.out.flush(); err != nil {
		return nil, err
	}
	kind, body, err := c.in.message()
	if err != nil {
		return nil, err
	}
	if kind != 'p' {
		return nil, fatal{pgerr.Newf(pgerr.ProtocolViolation, "expected SASL response, got message type %d", kind)}
	}
	return body, nil
}

// saslInitial decodes a SASLInitialResponse. (pgproto3's own decoder panics on a
// short one.)
func saslInitial(body []byte) (mech, data string, ok bool) {
	i := bytes.IndexByte(body, 0)
	if i < 0 || len(body) < i+5 {
		return "", "", false
	}
	n := int32(binary.BigEndian.Uint32(body[i+1:]))
	rest := body[i+5:]
	if n == -1 && len(rest) == 0 {
		return string(body[:i]), "", true
	}
	return string(body[:i]), string(rest), int64(n) == int64(len(rest))
}

// channelBinding returns what ties a SCRAM exchange to this TLS connection
// (tls-server-end-point, RFC 5929): the hash of our certificate.
func (c *conn) channelBinding() (scram.ChannelBinding, bool) {
	if c.tls == nil || c.cert == nil {
		return scram.ChannelBinding{}, false
	}
	b, err := scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{c.cert}})
	return b, err == nil // an exotic signature: do without
}
