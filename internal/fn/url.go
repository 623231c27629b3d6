package fn

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/weirdb/weir/internal/pgerr"
	"github.com/weirdb/weir/internal/vec"
)

// urls is the family of ksqlDB's URL functions.
var urls = []*Func{
	ksqlFunc("url_decode_param", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		s, err := url.QueryUnescape(a[0].(string))
		if err != nil {
			return nil, pgerr.Newf(pgerr.InvalidTextRep, "url_decode_param: invalid value \"%s\"", a[0])
		}
		return s, nil
	}, vec.Text),
	ksqlFunc("url_encode_param", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		s := url.QueryEscape(a[0].(string))
		return strings.NewReplacer("%2A", "*", "~", "%7E").Replace(s), nil
	}, vec.Text),
	urlPart("url_extract_fragment", func(u *url.URL) vec.Value { return orNull(u.Fragment) }),
	urlPart("url_extract_host", func(u *url.URL) vec.Value { return orNull(u.Hostname()) }),
	urlPart("url_extract_path", func(u *url.URL) vec.Value {
		if u.Opaque != "" {
			return nil
		}
		return u.Path
	}),
	urlPart("url_extract_protocol", func(u *url.URL) vec.Value { return orNull(u.Scheme) }),
	urlPart("url_extract_query", func(u *url.URL) vec.Value {
		if q, err := url.QueryUnescape(strings.ReplaceAll(u.RawQuery, "+", "%2B")); err == nil {
			return orNull(q)
		}
		return orNull(u.RawQuery)
	}),
	ksqlFunc("url_extract_port", integer, func(_ *Call, a []vec.Value) (vec.Value, error) {
		u, err := url.Parse(a[0].(string))
		if err != nil {
			return nil, badURL(a[0])
		}
		n, err := strconv.ParseInt(u.Port(), 10, 32)
		if err != nil { // no port is NULL
			return nil, nil
		}
		return n, nil
	}, vec.Text),
	ksqlFunc("url_extract_parameter", str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		u, err := url.Parse(a[0].(string))
		if err != nil {
			return nil, badURL(a[0])
		}
		if vs, ok := u.Query()[a[1].(string)]; ok && len(vs) > 0 {
			return vs[0], nil
		}
		return nil, nil
	}, vec.Text, vec.Text),
}

func orNull(s string) vec.Value {
	if s == "" {
		return nil
	}
	return s
}

func badURL(x vec.Value) error {
	return pgerr.Newf(pgerr.InvalidTextRep, "URL input has invalid syntax: %s", x)
}

func urlPart(name string, f func(*url.URL) vec.Value) *Func {
	return ksqlFunc(name, str, func(_ *Call, a []vec.Value) (vec.Value, error) {
		u, err := url.Parse(a[0].(string))
		if err != nil {
			return nil, badURL(a[0])
		}
		return f(u), nil
	}, vec.Text)
}
