package registry

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEmptyRegistry(t *testing.T) {
	h := Handler()
	check := func(request string, status int, body string) {
		t.Helper()
		method, path, _ := strings.Cut(request, " ")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(`{"schema":"\"string\""}`)))
		if got := rec.Header().Get("Content-Type"); got != mediaType {
			t.Errorf("%s: content type %q", request, got)
		}
		if rec.Code != status || rec.Body.String() != body {
			t.Errorf("%s: %d %s, want %d %s", request, rec.Code, rec.Body, status, body)
		}
	}
	check("GET /", 200, `{}`)
	check("GET /subjects", 200, `[]`)
	check("GET /subjects?deleted=true", 200, `[]`)
	check("GET /schemas/types", 200, `[]`)
	check("GET /config", 200, `{"compatibilityLevel":"BACKWARD"}`)
	check("GET /mode", 200, `{"mode":"READONLY"}`)
	check("GET /subjects/t-value/versions", 404, `{"error_code":40401,"message":"Subject 't-value' not found."}`)
	check("GET /subjects/t-value/versions/latest", 404, `{"error_code":40401,"message":"Subject 't-value' not found."}`)
	check("GET /subjects/a%2Fb/versions/-1", 404, `{"error_code":40401,"message":"Subject 'a/b' not found."}`)
	check("POST /subjects/t-value", 404, `{"error_code":40401,"message":"Subject 't-value' not found."}`)
	check("GET /schemas/ids/7", 404, `{"error_code":40403,"message":"Schema 7 not found"}`)
	check("GET /schemas/ids/7/versions", 404, `{"error_code":40403,"message":"Schema 7 not found"}`)
	check("GET /nothing", 404, `{"error_code":404,"message":"HTTP 404 Not Found: GET /nothing"}`)
	for _, v := range []string{"0", "-2", "newest", "9999999999"} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/subjects/t/versions/"+v, nil))
		if rec.Code != 422 || !strings.Contains(rec.Body.String(), `"error_code":42202`) {
			t.Errorf("version %s: %d %s", v, rec.Code, rec.Body)
		}
	}
}

// Nothing may look as if it had been kept.
func TestWritesAreRefused(t *testing.T) {
	h := Handler()
	for _, request := range []string{
		"POST /subjects/t-value/versions", "PUT /config", "PUT /config/t-value", "DELETE /config/t-value", "PUT /mode",
	} {
		method, path, _ := strings.Cut(request, " ")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(`{}`)))
		var e struct {
			Code    int    `json:"error_code"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if rec.Code != 422 || e.Code != readOnly || !strings.Contains(e.Message, "read-only") {
			t.Errorf("%s: %d %s", request, rec.Code, rec.Body)
		}
	}
}
